"""Conversion to and from `Detections` of the package supervision, for its annotators, zones and counters.

The package is optional and imported when an object of it is created. Its arrays: `xyxy` (N, 4), `confidence` (N,),
`class_id` (N,), `tracker_id` (N,) and `data`, a dict of arrays of length N. Source: supervision 0.31, `sv.Detections`.
"""

from importlib import import_module
from typing import Any

import numpy as np

from fairmot.geometry.arrays import FloatArray
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.structures.detections import Detections
from fairmot.structures.tracks import AssociationStage, Tracks
from fairmot.utils.errors import InputError

EMBEDDING = "embedding"


def detections_from_supervision(found: Any, embeddings: FloatArray | None = None) -> Detections:
    """Return supervision's detections as `fairmot` detections in the same order; does not import the package.

    embeddings: (N, D) of unit length, for example of `Predictor.embed(image, found.xyxy)`; None: those in
        `found.data["embedding"]`, else zeros, with which a tracker matches by overlap only.
    Missing scores are set to 1, missing classes to 0. Raises ValueError for inconsistent shapes.
    """
    count = len(found.xyxy)
    given = found.data.get(EMBEDDING) if embeddings is None else embeddings
    return Detections(
        boxes_xyxy=np.asarray(found.xyxy, dtype=np.float32),
        scores=np.ones(count, np.float32) if found.confidence is None else np.asarray(found.confidence),
        embeddings=np.zeros((count, 1), np.float32) if given is None else np.asarray(given),
        classes=None if found.class_id is None else np.asarray(found.class_id),
    )


def detections_to_supervision(detections: Detections) -> Any:
    """Return detections as `sv.Detections`, with the embeddings in `data["embedding"]`.

    Raises InputError if the package is not installed.
    """
    return _package().Detections(
        xyxy=detections.boxes_xyxy,
        confidence=detections.scores,
        class_id=detections.class_index,
        data={EMBEDDING: detections.embeddings},
    )


def tracks_to_supervision(tracks: Tracks) -> Any:
    """Return the tracks of one frame as `sv.Detections` with `tracker_id`.

    In `data`: `stage` (association stage, in lower case), `cost` of that match (NaN for an initiation), `age` (frames)
    and `detection_index`. Raises InputError if the package is not installed.
    """
    return _package().Detections(
        xyxy=tlwh_to_xyxy(tracks.boxes_tlwh),
        confidence=tracks.scores,
        class_id=tracks.classes,
        tracker_id=tracks.ids,
        data={
            "stage": np.array(
                [AssociationStage(stage).name.lower() for stage in tracks.stages.tolist()], dtype=np.str_
            ),
            "cost": tracks.costs,
            "age": tracks.ages,
            "detection_index": tracks.detection_index,
        },
    )


def _package() -> Any:
    try:
        return import_module("supervision")
    except ImportError as error:
        raise InputError(f"the package supervision is not installed ({error}): pip install supervision") from None

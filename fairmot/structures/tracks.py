"""Tracks of one frame, the output of a tracker."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape


class AssociationStage(IntEnum):
    """Stage of the update that matched a track with its detection, or initiated the track."""

    INITIATION = 0
    APPEARANCE = 1  # first association, by embeddings and motion
    OVERLAP = 2  # of the unmatched, by overlap
    SECOND = 3  # detections of low score, by overlap
    OCR = 4  # by overlap with the last observation
    TENTATIVE = 5  # confirmation of a tentative track


@dataclass(frozen=True)
class Tracks:
    """N tracks of one frame.

    ids: (N,) identities from 1, counted per tracker.
    boxes_tlwh: (N, 4) left, top, width, height in image pixels (the Kalman state).
    scores: (N,) score of the matched detection.
    classes: (N,) class index from 0.
    detection_index: (N,) row of the matched detection in the Detections given to `update`.
    ages: (N,) frames since the track's first, which counts 1; default ones.
    stages: (N,) AssociationStage of this frame's match; default INITIATION.
    costs: (N,) cost of the match in that stage; NaN for an initiation, the default.
    """

    ids: IntArray
    boxes_tlwh: FloatArray
    scores: FloatArray
    classes: IntArray
    detection_index: IntArray
    ages: IntArray = None  # type: ignore[assignment]
    stages: IntArray = None  # type: ignore[assignment]
    costs: FloatArray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        count = len(self.ids)
        for name, value in (("ages", 1), ("stages", int(AssociationStage.INITIATION)), ("costs", np.nan)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(count, value))
        for name, array in vars(self).items():
            require_shape(name, array, (count, 4) if name == "boxes_tlwh" else (count,))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: npt.NDArray[Any]) -> "Tracks":
        """Return the tracks at a boolean mask (N,) or an index array."""
        return Tracks(*(column[index] for column in vars(self).values()))

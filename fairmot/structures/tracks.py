"""What a tracker says of one frame."""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape


class AssociationStage(IntEnum):
    """Which step of an update gave a track its detection; BIRTH where the track starts with it."""

    BIRTH = 0
    APPEARANCE = 1  # the first association: embeddings and motion
    OVERLAP = 2  # what is left, by overlap
    SECOND = 3  # detections of low score, by overlap
    OCR = 4  # by overlap with the last detection
    TENTATIVE = 5  # the second sight of a new track


@dataclass(frozen=True)
class Tracks:
    """The tracks seen in one frame, N of them.

    ids: (N,) identities from 1, counted by the tracker that made them.
    boxes_tlwh: (N, 4) left, top, width, height in image pixels (the Kalman state).
    scores: (N,) score of the detection behind each track.
    classes: (N,) class index from 0.
    detection_index: (N,) row of that detection in the Detections given to `update`.
    ages: (N,) frames since the track's first, which counts 1; ones when not given.
    stages: (N,) the `Stage` that matched it in this frame; BIRTH when not given.
    costs: (N,) what the match cost in that stage; NaN at a birth, and when not given.

    Raises ValueError when shapes disagree.
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
        for name, value in (("ages", 1), ("stages", int(AssociationStage.BIRTH)), ("costs", np.nan)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.full(count, value))
        require_shape("boxes_tlwh", self.boxes_tlwh, (count, 4))
        for name in ("ids", "scores", "classes", "detection_index", "ages", "stages", "costs"):
            if getattr(self, name).shape != (count,):
                require_shape(name, getattr(self, name), (count,))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: npt.NDArray[Any]) -> "Tracks":
        """Return the tracks at a boolean mask (N,) or an index array."""
        return Tracks(*(getattr(self, field.name)[index] for field in fields(self)))

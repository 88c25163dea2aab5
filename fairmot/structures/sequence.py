"""Structures of a MOTChallenge sequence: properties from seqinfo.ini, and a table of boxes over time."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape

_COLUMNS = ("frames", "ids", "boxes_tlwh", "confidences", "classes", "visibilities", "lines")


@dataclass(frozen=True)
class SequenceInfo:
    """One sequence: its folder, frame rate (1/s), length (frames) and image size (height, width) in pixels.

    `image_hw` is (0, 0) if seqinfo.ini does not have it; `has_name` is False if `name` is the folder's.
    """

    name: str
    root: Path
    frame_rate: float
    length: int
    image_hw: tuple[int, int]
    image_dir: str = "img1"
    image_extension: str = ".jpg"
    has_name: bool = True


@dataclass(frozen=True)
class BoxTable:
    """Boxes of a sequence, N rows: ground truth or results.

    frames: (N,) frame numbers from 1.
    ids: (N,) identities.
    boxes_tlwh: (N, 4) left, top, width, height in pixels.
    confidences: (N,) in ground truth the consider flag (1 = evaluated), in results the detection's score.
    classes: (N,) in ground truth MOTChallenge's class numbers (1 = pedestrian, 8 = distractor, ...), in results of
        several classes their position from 1; -1 where unknown.
    visibilities: (N,) visible fraction in [0, 1]; 1 where unknown.
    lines: (N,) line of each row in its file, 0 where there is none, for error messages.
    columns: number of columns of the file, 0 without a file.
    """

    frames: IntArray
    ids: IntArray
    boxes_tlwh: FloatArray
    confidences: FloatArray
    classes: IntArray
    visibilities: FloatArray
    lines: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    columns: int = 0

    def __post_init__(self) -> None:
        count = len(self.frames)
        if len(self.lines) != count:
            object.__setattr__(self, "lines", np.zeros(count, dtype=np.int64))
        for name in _COLUMNS:
            require_shape(name, getattr(self, name), (count, 4) if name == "boxes_tlwh" else (count,))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: npt.NDArray[Any]) -> "BoxTable":
        """Return the rows at a boolean mask (N,) or an index array."""
        return replace(self, **{name: getattr(self, name)[index] for name in _COLUMNS})

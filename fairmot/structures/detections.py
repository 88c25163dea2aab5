"""Detections of one frame, the output of a predictor."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape


@dataclass(frozen=True)
class Detections:
    """N detections of one frame.

    boxes_xyxy: (N, 4) left, top, right, bottom in image pixels, may extend beyond the image.
    scores: (N,) heatmap scores in [0, 1].
    embeddings: (N, D) re-ID embeddings, unit length.
    classes: (N,) class index from 0; default zeros.

    Raises ValueError where shapes disagree.
    """

    boxes_xyxy: FloatArray
    scores: FloatArray
    embeddings: FloatArray
    classes: IntArray | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy)
        require_shape("boxes_xyxy", self.boxes_xyxy, (None, 4))
        require_shape("scores", self.scores, (count,))
        require_shape("embeddings", self.embeddings, (count, None))
        if self.classes is None:
            object.__setattr__(self, "classes", np.zeros(count, dtype=np.int64))
        require_shape("classes", self.class_index, (count,))

    @property
    def class_index(self) -> IntArray:
        """(N,) class index, never None."""
        if self.classes is None:
            raise ValueError("classes: not set")
        return self.classes

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    def __getitem__(self, index: npt.NDArray[Any]) -> "Detections":
        """Return the detections at a boolean mask (N,) or an index array."""
        return Detections(self.boxes_xyxy[index], self.scores[index], self.embeddings[index], self.class_index[index])

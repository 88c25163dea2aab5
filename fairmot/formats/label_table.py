"""What one annotation file of a whole data set says: images and boxes, in the file's order.

Legend: F images, N boxes.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape


@dataclass(frozen=True)
class LabelTable:
    """Images and boxes of one annotation file; a box names its image by its place.

    images: F image files as the annotation file has them.
    image_hw: (F, 2) int64 height and width, 0 where not given.
    sequences: names of sequences, ("",) where there are none.
    sequence_of: (F,) places in `sequences`.
    frames: (F,) frame numbers from 1, 0 where there are none.
    image_of: (N,) places in `images`.
    boxes_tlwh: (N, 4) float32 in pixels.
    ids: (N,) int64, -1 where unknown.
    classes: (N,) places in `class_names`.
    class_names: the file's own, each once.
    lines: (N,) line in the file, 0 where lines mean nothing.
    left_out: boxes that the file excludes.
    """

    images: tuple[str, ...]
    image_hw: IntArray
    sequences: tuple[str, ...]
    sequence_of: IntArray
    frames: IntArray
    image_of: IntArray
    boxes_tlwh: FloatArray
    ids: IntArray
    classes: IntArray
    class_names: tuple[str, ...]
    lines: IntArray
    left_out: int = 0

    def __post_init__(self) -> None:
        images, boxes = len(self.images), len(self.image_of)
        require_shape("image_hw", self.image_hw, (images, 2))
        require_shape("boxes_tlwh", self.boxes_tlwh, (boxes, 4))
        for name in ("sequence_of", "frames"):
            require_shape(name, getattr(self, name), (images,))
        for name in ("ids", "classes", "lines"):
            require_shape(name, getattr(self, name), (boxes,))


def frames_from_one(frames: IntArray, has_frame: np.typing.NDArray[np.bool_]) -> IntArray:
    """Return frame numbers that count from 1: where the smallest is 0, all are moved by one; 0 where there is none.

    >>> frames_from_one(np.array([0, 7, 0]), np.array([True, True, False])).tolist()
    [1, 8, 0]
    """
    starts_at_zero = bool(has_frame.any()) and int(frames[has_frame].min()) == 0
    return np.where(has_frame, frames + starts_at_zero, 0).astype(np.int64)

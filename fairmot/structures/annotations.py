"""What the labels of a data set say, before classes are chosen and identities are numbered.

Legend: F images, N boxes.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape

UNKNOWN = -1  # an identity that the labels do not tell


@dataclass(frozen=True)
class Annotations:
    """A part of a data set's labels: some images in order, and the boxes of each, image after image.

    images: F image files, relative to the reader's `image_root` (with "/") or absolute.
    counts: (F,) boxes of each image.
    boxes_tlwh: (N, 4) float32 left, top, width, height; pixels, or shares of the image's sides where the reader's
        `is_normalised`. Finite; boxes without width or height are still in.
    ids: (N,) int64, the labels' own identities, -1 where unknown; one id in two sequences is two objects.
    classes: (N,) int64, places in `class_names`.
    class_names: the labels' own classes; a number stands where they have no name.
    sequences: names of the sequences that the images come from, ("",) where there are none.
    sequence_of: (F,) int64, places in `sequences`.
    frames: (F,) int64, frame numbers from 1 within the sequence, 0 where there are none.
    image_hw: (F, 2) int64, height and width that the labels state, 0 where they do not.
    label_files: the file that each image's boxes come from, F of them, or one for all.
    lines: (N,) int64, line in that file from 1, 0 where lines mean nothing.
    left_out: boxes that the labels themselves exclude (ignore regions, unmarked rows).
    """

    images: tuple[str, ...]
    counts: IntArray
    boxes_tlwh: FloatArray
    ids: IntArray
    classes: IntArray
    class_names: tuple[str, ...]
    sequences: tuple[str, ...]
    sequence_of: IntArray
    frames: IntArray
    image_hw: IntArray
    label_files: tuple[str, ...]
    lines: IntArray
    left_out: int = 0

    def __post_init__(self) -> None:
        images, boxes = len(self.images), int(self.counts.sum())
        require_shape("boxes_tlwh", self.boxes_tlwh, (boxes, 4))
        require_shape("image_hw", self.image_hw, (images, 2))
        for name in ("counts", "sequence_of", "frames"):
            require_shape(name, getattr(self, name), (images,))
        for name in ("ids", "classes", "lines"):
            require_shape(name, getattr(self, name), (boxes,))
        if len(self.label_files) not in (1, images):
            raise ValueError(f"label_files: {len(self.label_files)} for {images} images")

    def source_of(self, row: int) -> str:
        """Return "file:line" of a box, for messages."""
        image = int(np.searchsorted(np.cumsum(self.counts), row, side="right"))
        file = self.label_files[image if len(self.label_files) > 1 else 0]
        return f"{file}:{self.lines[row]}" if self.lines[row] else file

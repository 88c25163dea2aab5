"""Annotations of a data set as its label files state them, before classes are selected and identities are numbered.

Legend: F images, N boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray, require_shape

UNKNOWN = -1  # an identity that the labels do not state
MAX_VALUE = 1e30  # of a label file: float32 holds it with room for sums
MAX_INTEGER = 2**53  # of a label file: larger floats are not exact integers

_PER_IMAGE = ("counts", "sequence_of", "frames", "image_hw")  # all but the first have defaults
_PER_BOX = ("boxes_tlwh", "ids", "classes", "lines")
_ROW_SHAPES = {"boxes_tlwh": (4,), "image_hw": (2,)}  # shape of one row; () for the others


def _no_numbers() -> IntArray:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Annotations:
    """Images in order, and the boxes of each, image after image.

    images: F image files, relative to the reader's `image_root` (with "/") or absolute.
    counts: (F,) boxes of each image.
    boxes_tlwh: (N, 4) float32 left, top, width, height in pixels, or in fractions of the image's sides where the
        reader's `is_normalised`. Finite; boxes without width or height are included.
    ids: (N,) int64, the labels' own identities, -1 where unknown; one id in two sequences is two objects.
    classes: (N,) int64, indices into `class_names`.
    class_names: the labels' own classes; a class without a name is called by its number.
    label_files: the file that each image's boxes come from, F of them, or one for all.
    lines: (N,) int64, line in that file from 1, 0 where the format has no lines.
    left_out: number of boxes that the labels themselves exclude (ignore regions, rows with consider flag 0).
    sequences: names of the sequences that the images come from, ("",) without sequences.
    sequence_of: (F,) int64, indices into `sequences`; by default 0.
    frames: (F,) int64, frame numbers from 1 within the sequence; by default 0, no frame number.
    image_hw: (F, 2) int64, height and width that the labels state; by default 0, not stated.
    """

    images: tuple[str, ...]
    counts: IntArray
    boxes_tlwh: FloatArray
    ids: IntArray
    classes: IntArray
    class_names: tuple[str, ...]
    label_files: tuple[str, ...]
    lines: IntArray
    left_out: int = 0
    sequences: tuple[str, ...] = ("",)
    sequence_of: IntArray = field(default_factory=_no_numbers)
    frames: IntArray = field(default_factory=_no_numbers)
    image_hw: IntArray = field(default_factory=_no_numbers)

    def __post_init__(self) -> None:
        lengths = dict.fromkeys(_PER_IMAGE, len(self.images)) | dict.fromkeys(_PER_BOX, int(self.counts.sum()))
        for name, length in lengths.items():
            shape = (length, *_ROW_SHAPES.get(name, ()))
            if name in _PER_IMAGE[1:] and not getattr(self, name).size:
                object.__setattr__(self, name, np.zeros(shape, dtype=np.int64))
            require_shape(name, getattr(self, name), shape)
        if len(self.label_files) not in (1, len(self.images)):
            raise ValueError(f"label_files: {len(self.label_files)} for {len(self.images)} images")

    @property
    def image_of(self) -> IntArray:
        """(N,) index of each box's image."""
        return np.repeat(np.arange(len(self.images)), self.counts)

    def take(self, images: IntArray) -> "Annotations":
        """Return the images at some indices, in that order, with their boxes."""
        counts = self.counts[images]
        starts, new_starts = (np.cumsum(self.counts) - self.counts)[images], np.cumsum(counts) - counts
        rows = np.repeat(starts - new_starts, counts) + np.arange(counts.sum())
        indices = images.tolist()
        return replace(
            self,
            images=tuple(self.images[index] for index in indices),
            label_files=tuple(map(self.label_file, indices)) if len(self.label_files) > 1 else self.label_files,
            **{name: getattr(self, name)[images] for name in _PER_IMAGE},
            **{name: getattr(self, name)[rows] for name in _PER_BOX},
        )

    def label_file(self, image: int) -> str:
        """Return the file that an image's boxes come from, "" where it has none."""
        return self.label_files[image if len(self.label_files) > 1 else 0]

    def source_of(self, row: int) -> str:
        """Return "file:line" of a box, for messages."""
        file = self.label_file(int(np.searchsorted(np.cumsum(self.counts), row, side="right")))
        return f"{file}:{self.lines[row]}" if self.lines[row] else file


def merge_annotations(parts: Sequence[Annotations]) -> Annotations:
    """Return the images of all parts, one part after another; equal class names and sequences become one."""
    none = _no_numbers()
    empty = Annotations((), none, np.zeros((0, 4), dtype=np.float32), none, none, (), (), none)
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in (empty, *parts)]) for name in (*_PER_IMAGE, *_PER_BOX)
    }
    for names, indices in (("class_names", "classes"), ("sequences", "sequence_of")):
        own = [(getattr(part, names), getattr(part, indices)) for part in parts]
        columns[names], columns[indices] = _merge_names(own)
    return replace(
        empty,
        images=tuple(image for part in parts for image in part.images),
        label_files=tuple(part.label_file(image) for part in parts for image in range(len(part.images))),
        left_out=sum(part.left_out for part in parts),
        **columns,
    )


def _merge_names(parts: Sequence[tuple[tuple[str, ...], IntArray]]) -> tuple[tuple[str, ...], IntArray]:
    """Merge pairs of names and indices into them: each name once, and all indices into these, part after part."""
    number_of: dict[str, int] = {}
    numbers = [_no_numbers()]
    for names, indices in parts:
        table = np.array([number_of.setdefault(name, len(number_of)) for name in names], dtype=np.int64)
        numbers.append(table[indices])
    return tuple(number_of), np.concatenate(numbers)


def frames_from_one(frames: IntArray, has_frame: BoolArray) -> IntArray:
    """Return frame numbers that count from 1: if the smallest is 0, all are raised by one; 0 where there is none.

    >>> frames_from_one(np.array([0, 7, 0]), np.array([True, True, False])).tolist()
    [1, 8, 0]
    """
    starts_at_zero = bool(has_frame.any()) and int(frames[has_frame].min()) == 0
    return np.where(has_frame, frames + starts_at_zero, 0).astype(np.int64)

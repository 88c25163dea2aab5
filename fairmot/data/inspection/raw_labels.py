"""Labels of a data set as its files state them: all classes, degenerate boxes included, with file and line of each box.

Legend: F images, N boxes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.index.builder import Selection, class_indices
from fairmot.data.index.splits import choose_images
from fairmot.geometry.arrays import BoolArray, IntArray
from fairmot.structures.annotations import Annotations, merge_annotations


@dataclass(frozen=True)
class RawLabels:
    """The F images of a data set's split and their N boxes.

    name: the data set's name in messages. image_root: folder that relative image files start from.
    box_ends: (F,) end of each image's boxes.
    is_trained: (N,) whether the selection includes the box's class; all True if it includes none of the classes.
    """

    name: str
    image_root: Path
    is_normalised: bool
    selection: Selection
    labels: Annotations
    box_ends: IntArray
    is_trained: BoolArray

    def __len__(self) -> int:
        return len(self.labels.images)

    def image_path(self, image: int) -> Path:
        """Return an image's file."""
        return self.image_root / self.labels.images[image]

    def image_key(self, image: int) -> str:
        """Return the normalised path that identifies an image file; symbolic links are not resolved."""
        return os.path.normpath(self.image_path(image))

    def source_of(self, row: int) -> str:
        """Return "file:line" of a box; file and image where the format has no lines."""
        source = self.labels.source_of(row)
        return source if self.labels.lines[row] else f"{source} ({self.labels.images[self.image_at(row)]})"

    def image_at(self, row: int) -> int:
        """Return the image index of a box."""
        return int(np.searchsorted(self.box_ends, row, side="right"))

    def rows_of(self, image: int) -> IntArray:
        """Return the box indices of an image."""
        return np.arange(self.box_ends[image - 1] if image else 0, self.box_ends[image])

    def has_area(self) -> BoolArray:
        """Return (N,) whether width and height of each box are positive."""
        return np.asarray((self.labels.boxes_tlwh[:, 2:] > 0).all(axis=1))

    def trained_counts(self) -> IntArray:
        """Return (F,) numbers of boxes with an area that are trained on in each image."""
        return np.bincount(self.labels.image_of[self.is_trained & self.has_area()], minlength=len(self))

    def repeated_images(self) -> IntArray:
        """Return the indices of images whose file an earlier index has too."""
        keys = [self.image_key(image) for image in range(len(self))]
        first_of = {key: image for image, key in reversed(list(enumerate(keys)))}
        return np.array([image for image, key in enumerate(keys) if first_of[key] != image], dtype=np.int64)


def collect_labels(
    parts: Sequence[Annotations], selection: Selection, *, name: str, image_root: Path, is_normalised: bool
) -> RawLabels:
    """Merge the parts and select the images of the selection's split."""
    merged = merge_annotations(parts)
    labels = merged.take(np.flatnonzero(choose_images(selection.split, merged.sequence_of, merged.frames)))
    is_selected = class_indices(labels.class_names, selection) >= 0
    is_trained = is_selected[labels.classes] if is_selected.any() else np.ones(len(labels.ids), dtype=np.bool_)
    return RawLabels(name, image_root, is_normalised, selection, labels, np.cumsum(labels.counts), is_trained)

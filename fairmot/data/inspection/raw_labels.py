"""The labels of a whole data set as its files have them, with the way back to file and line.

Legend: F images, N boxes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.index.builder import Selection, class_indices
from fairmot.data.index.splits import choose_images
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.structures.annotations import Annotations, merge_annotations


@dataclass(frozen=True)
class RawLabels:
    """The images of a data set that its selection takes, and all their boxes, other classes and degenerate ones too.

    name: what messages call the data set. image_root: folder that relative image files start from.
    parts: the annotations as read, of all images. labels: those of the F images, in one.
    images: F image files. image_hw: (F, 2) height and width that the labels state, 0 where they do not.
    sequences, sequence_of, frames: names, and (F,) indices into them and frame numbers, 0 where there are none.
    box_ends: (F,) where the boxes of each image end. boxes_tlwh: (N, 4) pixels, or fractions where `is_normalised`.
    ids: (N,) the labels' own, -1 unknown. kinds: (N,) indices into `class_names`.
    trains: (N,) whether the selection takes the class; all do where it takes none of them.
    """

    name: str
    image_root: Path
    is_normalised: bool
    selection: Selection
    parts: tuple[Annotations, ...]
    labels: Annotations
    images: tuple[str, ...]
    image_hw: IntArray
    sequences: tuple[str, ...]
    sequence_of: IntArray
    frames: IntArray
    box_ends: IntArray
    boxes_tlwh: FloatArray
    ids: IntArray
    kinds: IntArray
    class_names: tuple[str, ...]
    trains: BoolArray

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_of(self) -> IntArray:
        """(N,) the image of each box."""
        return self.labels.image_of

    @property
    def left_out(self) -> int:
        """Boxes that the labels themselves exclude."""
        return self.labels.left_out

    def image_path(self, image: int) -> Path:
        """Return an image's file."""
        return self.image_root / self.images[image]

    def source_of(self, row: int) -> str:
        """Return "file:line" of a box, and the image where the format has no lines."""
        source = self.labels.source_of(row)
        return source if self.labels.lines[row] else f"{source} ({self.images[self.image_at(row)]})"

    def line_of(self, row: int) -> int:
        """Return the line of a box in its label file, from 1; 0 where the format has no lines."""
        return int(self.labels.lines[row])

    def image_at(self, row: int) -> int:
        """Return the image of a box."""
        return int(np.searchsorted(self.box_ends, row, side="right"))

    def label_file(self, image: int) -> str:
        """Return the file that an image's boxes come from, "" where it has none."""
        return self.labels.label_file(image)


def gather(
    parts: Sequence[Annotations], selection: Selection, *, name: str, image_root: Path, is_normalised: bool
) -> RawLabels:
    """Merge the parts and take the images of the selection's split."""
    merged = merge_annotations(parts)
    labels = merged.take(np.flatnonzero(choose_images(selection.split, merged.sequence_of, merged.frames)))
    is_selected = class_indices(labels.class_names, selection) >= 0
    return RawLabels(
        name=name,
        image_root=image_root,
        is_normalised=is_normalised,
        selection=selection,
        parts=tuple(parts),
        labels=labels,
        images=labels.images,
        image_hw=labels.image_hw,
        sequences=labels.sequences,
        sequence_of=labels.sequence_of,
        frames=labels.frames,
        box_ends=np.cumsum(labels.counts),
        boxes_tlwh=labels.boxes_tlwh,
        ids=labels.ids,
        kinds=labels.classes,
        class_names=labels.class_names,
        trains=is_selected[labels.classes] if is_selected.any() else np.ones(len(labels.ids), dtype=np.bool_),
    )


def image_key(raw: RawLabels, image: int) -> str:
    """Return what tells image files apart: the path without detours; links stay as they are."""
    return os.path.normpath(raw.image_path(image))

"""The labels of a whole data set as its files have them, with the way back to file and line.

Legend: F images, N boxes.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.index.builder import Selection, class_places
from fairmot.data.index.splits import choose_images
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.structures.annotations import Annotations


@dataclass(frozen=True)
class RawLabels:
    """The images of a data set that its selection takes, and all their boxes, other classes and degenerate ones too.

    name: what messages call the data set. image_root: folder that relative image files start from.
    blocks: where boxes come from.
    images: F image files. image_hw: (F, 2) height and width that the labels state, 0 where they do not.
    sequences, sequence_of, frames: names, and (F,) places in them and frame numbers, 0 where there are none.
    box_ends: (F,) where the boxes of each image end. boxes_tlwh: (N, 4) pixels, or shares where `is_normalised`.
    ids: (N,) the labels' own, -1 unknown. kinds: (N,) places in `class_names`.
    trains: (N,) whether the selection takes the class; all do where it takes none of them.
    rows, places: (N,) and (F,) places in all blocks' boxes and images together.
    """

    name: str
    image_root: Path
    is_normalised: bool
    selection: Selection
    blocks: tuple[Annotations, ...]
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
    rows: IntArray
    places: IntArray

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_of(self) -> IntArray:
        """(N,) the image of each box."""
        return np.repeat(np.arange(len(self)), np.diff(self.box_ends, prepend=0))

    @property
    def left_out(self) -> int:
        """Boxes that the labels themselves exclude."""
        return sum(block.left_out for block in self.blocks)

    def image_path(self, image: int) -> Path:
        """Return an image's file."""
        return self.image_root / self.images[image]

    def source_of(self, row: int) -> str:
        """Return "file:line" of a box, and the image where lines mean nothing."""
        block, place = self._block_of(row)
        source = block.source_of(place)
        return source if block.lines[place] else f"{source} ({self.images[self.image_at(row)]})"

    def line_of(self, row: int) -> int:
        """Return the line of a box in its label file, from 1; 0 where lines mean nothing."""
        block, place = self._block_of(row)
        return int(block.lines[place])

    def image_at(self, row: int) -> int:
        """Return the image of a box."""
        return int(np.searchsorted(self.box_ends, row, side="right"))

    def _block_of(self, row: int) -> tuple[Annotations, int]:
        place = int(self.rows[row])
        for block in self.blocks:
            if place < len(block.ids):
                return block, place
            place -= len(block.ids)
        raise IndexError(row)

    def label_file(self, image: int) -> str:
        """Return the file that an image's boxes come from, "" where it has none."""
        place = int(self.places[image])
        for block in self.blocks:
            if place < len(block.images):
                return block.label_files[place if len(block.label_files) > 1 else 0]
            place -= len(block.images)
        raise IndexError(image)


def gather(
    blocks: Sequence[Annotations], selection: Selection, *, name: str, image_root: Path, is_normalised: bool
) -> RawLabels:
    """Put blocks together and take the images of the selection's split."""
    sequences = _places(sequence for block in blocks for sequence in block.sequences)
    names = _places(kind for block in blocks for kind in block.class_names)
    sequence_of = _joined([_places_of(block.sequences, block.sequence_of, sequences) for block in blocks])
    frames = _joined([block.frames for block in blocks])
    counts = _joined([block.counts for block in blocks])
    places = np.flatnonzero(choose_images(selection.split, sequence_of, frames))
    rows = np.flatnonzero(np.isin(np.repeat(np.arange(len(counts)), counts), places))
    kinds = _joined([_places_of(block.class_names, block.classes, names) for block in blocks])[rows]
    images = [image for block in blocks for image in block.images]
    wanted = class_places(list(names), selection) >= 0
    return RawLabels(
        name=name,
        image_root=image_root,
        is_normalised=is_normalised,
        selection=selection,
        blocks=tuple(blocks),
        images=tuple(images[place] for place in places.tolist()),
        image_hw=_joined([block.image_hw for block in blocks], (0, 2))[places],
        sequences=tuple(sequences),
        sequence_of=sequence_of[places],
        frames=frames[places],
        box_ends=np.cumsum(counts[places]),
        boxes_tlwh=_boxes(blocks)[rows],
        ids=_joined([block.ids for block in blocks])[rows],
        kinds=kinds,
        class_names=tuple(names),
        trains=wanted[kinds] if wanted.any() else np.ones(len(kinds), dtype=np.bool_),
        rows=rows,
        places=places,
    )


def image_key(raw: RawLabels, image: int) -> str:
    """Return what tells image files apart: the path without detours; links stay as they are."""
    return os.path.normpath(raw.image_path(image))


def _places(names: Iterable[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for name in names:
        places.setdefault(name, len(places))
    return places


def _places_of(names: Sequence[str], of_items: IntArray, places: dict[str, int]) -> IntArray:
    table = np.array([places[name] for name in names], dtype=np.int64)
    return table[of_items] if len(table) else np.zeros(len(of_items), dtype=np.int64)


def _joined(parts: Sequence[IntArray], shape: tuple[int, ...] = (0,)) -> IntArray:
    return np.concatenate([np.zeros(shape, dtype=np.int64), *parts])


def _boxes(blocks: Sequence[Annotations]) -> FloatArray:
    return np.concatenate([np.zeros((0, 4), dtype=np.float32), *(block.boxes_tlwh for block in blocks)])

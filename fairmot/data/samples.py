"""Sample index: all training images of a run, from the label indexes of its data sets.

Legend: F images, N boxes of one image, D data sets, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fairmot.data.index.label_index import LabelIndex
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError


class ImageLabels(NamedTuple):
    """N boxes (N, 4) xyxy float64 in image pixels, identities (N,) within their class, -1 unknown, classes (N,)."""

    boxes_xyxy: FloatArray
    identities: IntArray
    classes: IntArray


@dataclass(frozen=True)
class Sample:
    """One image, and its N boxes as the index stores them; `labels` converts them to pixels.

    boxes_tlwh: (N, 4) in pixels, or in fractions of the image's sides where `is_normalised`.
    identities: (N,) from 0 over all data sets, within the class; -1 where unknown.
    classes: (N,) from 0.
    """

    image_path: Path
    boxes_tlwh: FloatArray
    identities: IntArray
    classes: IntArray
    is_normalised: bool = False
    is_clipped: bool = False

    def labels(self, image_hw: tuple[int, int]) -> ImageLabels:
        """Return the labels in pixels of an image of (height, width); clipped boxes without area are left out.

        >>> row = np.array([[0.5, 0.5, 0.75, 0.25]]), np.array([3]), np.array([0])
        >>> Sample(Path("a.jpg"), *row, is_normalised=True, is_clipped=True).labels((100, 200)).boxes_xyxy.tolist()
        [[100.0, 50.0, 200.0, 75.0]]
        """
        boxes_xyxy = tlwh_to_xyxy(self.boxes_tlwh.astype(np.float64))
        sides = np.array([image_hw[1], image_hw[0]] * 2, dtype=np.float64)
        if self.is_normalised:
            boxes_xyxy = boxes_xyxy * sides
        if not self.is_clipped:
            return ImageLabels(boxes_xyxy, self.identities, self.classes)
        boxes_xyxy = boxes_xyxy.clip(0, sides)
        kept = (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(axis=1)
        return ImageLabels(boxes_xyxy[kept], self.identities[kept], self.classes[kept])


@dataclass(frozen=True)
class SampleIndex:
    """Images of D data sets with consecutive numbers, and identities numbered over them within each class.

    starts: (D + 1,) first image of each data set, and the number of images.
    first_identities: (D, C) number of the first identity of each data set in each class.
    """

    sources: tuple[LabelIndex, ...]
    starts: IntArray
    first_identities: IntArray

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        source, image = self.sources[number], index - int(self.starts[number])
        rows = source.boxes_of(image)
        classes = np.asarray(source.arrays.classes[rows], dtype=np.int64)
        own = np.asarray(source.arrays.identities[rows], dtype=np.int64)
        identities = np.where(own == UNKNOWN, UNKNOWN, own + self.first_identities[number][classes])
        return Sample(
            image_path=source.image_path(image),
            boxes_tlwh=np.asarray(source.arrays.boxes_tlwh[rows]),
            identities=identities,
            classes=classes,
            is_normalised=source.info.is_normalised,
            is_clipped=source.info.is_clipped,
        )

    @property
    def num_boxes(self) -> int:
        """Number of boxes."""
        return sum(source.num_boxes for source in self.sources)

    def sequence_numbers(self) -> IntArray:
        """Return (F,) numbers, equal for images of one sequence; without sequence names, of one folder."""
        numbers = [_number_sequences(source) for source in self.sources]
        firsts = np.cumsum([0, *(own.max(initial=-1) + 1 for own in numbers)])
        return np.concatenate([own + first for own, first in zip(numbers, firsts[:-1], strict=True)])

    @property
    def identity_counts(self) -> tuple[int, ...]:
        """Number of identities of each class."""
        return tuple(np.sum([source.info.identity_counts for source in self.sources], axis=0).tolist())


def join_indexes(sources: Sequence[LabelIndex]) -> SampleIndex:
    """Return one index over data sets of the same classes; InputError: no data set, or two with a common image."""
    if not sources:
        raise InputError("DATA.TRAIN: no image to train on")
    for number, one in enumerate(sources):
        for other in sources[number + 1 :]:
            image = find_common_image(one, other)
            if image is not None:
                raise InputError(f"DATA.TRAIN: {image} is in both {one.info.name!r} and {other.info.name!r}")
    counts = np.array([source.info.identity_counts for source in sources], dtype=np.int64)
    return SampleIndex(
        sources=tuple(sources),
        starts=np.cumsum([0, *(len(source) for source in sources)]),
        first_identities=np.cumsum(counts, axis=0) - counts,
    )


def find_common_image(one: LabelIndex, other: LabelIndex) -> Path | None:
    """Return the first image file, by its path, that is in both indexes; None without one."""
    folders = set(_image_folders(one).values()) & set(_image_folders(other).values())
    files = _files_in(one, folders) & _files_in(other, folders) if folders else set()
    return min(files, default=None)


def _number_sequences(index: LabelIndex) -> IntArray:
    """Return (F,) numbers of one data set's sequences, followed by those of the folders of images without one."""
    numbers = np.array(index.arrays.sequence_of, dtype=np.int64)
    is_nameless = np.array([not name for name in index.info.sequences], dtype=np.bool_)
    folders: dict[str, int] = {}
    for image in np.flatnonzero(is_nameless[numbers]).tolist():
        folder = index.image_name(image).rpartition("/")[0]
        numbers[image] = len(is_nameless) + folders.setdefault(folder, len(folders))
    return numbers


def _image_folders(index: LabelIndex) -> dict[str, Path]:
    return {name: (Path(index.info.image_root) / name).resolve() for name in index.info.image_dirs}


def _files_in(index: LabelIndex, folders: set[Path]) -> set[Path]:
    inside = {name: folder for name, folder in _image_folders(index).items() if folder in folders}
    parts = (index.image_name(image).rpartition("/") for image in range(len(index)))
    return {inside[folder] / name for folder, _, name in parts if folder in inside}

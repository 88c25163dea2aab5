"""All training images of a run: the indexes of its data sets, one after another.

Legend: F images, N boxes of one image, D data sets, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fairmot.data.index.label_index import LabelIndex, Origin
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
    """One image, and its N boxes as the index has them; `labels` carries them to pixels.

    boxes_tlwh: (N, 4) in pixels, or in shares of the image's sides where `is_normalised`.
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
    """Images numbered over D data sets, and identities numbered over them within each class.

    starts: (D + 1,) first image of each data set, and the count.
    first_identities: (D, C) number of the first identity of each data set in each class.
    """

    sources: tuple[LabelIndex, ...]
    starts: IntArray
    first_identities: IntArray

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> Sample:
        number, image = self.place(index)
        source = self.sources[number]
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

    def place(self, index: int) -> tuple[int, int]:
        """Return the data set of an image, and its place there."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        return number, index - int(self.starts[number])

    @property
    def num_boxes(self) -> int:
        """How many boxes train."""
        return sum(source.num_boxes for source in self.sources)

    def sequence_numbers(self) -> IntArray:
        """Return (F,) numbers, equal for images of one sequence; where the labels name none, of one folder."""
        numbers = [_number_sequences(source) for source in self.sources]
        firsts = np.cumsum([0, *(own.max(initial=-1) + 1 for own in numbers)])
        return np.concatenate([own + first for own, first in zip(numbers, firsts[:-1], strict=True)])

    @property
    def identity_counts(self) -> tuple[int, ...]:
        """How many identities each class has: what its classifier tells apart."""
        return tuple(np.sum([source.info.identity_counts for source in self.sources], axis=0).tolist())

    def origin(self, kind: int, identity: int) -> tuple[str, Origin]:
        """Return the data set's name, sequence and own id of an identity of class `kind`."""
        number = int(np.searchsorted(self.first_identities[:, kind], identity, side="right")) - 1
        source = self.sources[number]
        return source.info.name, source.origin(kind, identity - int(self.first_identities[number, kind]))


def join_indexes(sources: Sequence[LabelIndex]) -> SampleIndex:
    """Return one index over data sets of the same classes; InputError where two of them share an image, or none is."""
    if not sources:
        raise InputError("DATA.TRAIN: no image to train on")
    _refuse_shared_images(sources)
    counts = np.array([source.info.identity_counts for source in sources], dtype=np.int64)
    return SampleIndex(
        sources=tuple(sources),
        starts=np.cumsum([0, *(len(source) for source in sources)]),
        first_identities=np.cumsum(counts, axis=0) - counts,
    )


def shared_image(one: LabelIndex, other: LabelIndex) -> Path | None:
    """Return an image file that both indexes hold, by its path; None where there is none."""
    folders = _image_folders(one) & _image_folders(other)
    if not folders:
        return None
    files = _files_in(one, folders) & _files_in(other, folders)
    return min(files, default=None)


def _number_sequences(index: LabelIndex) -> IntArray:
    """Return (F,) numbers of one data set's sequences, and after them of the folders of images without one."""
    numbers = np.array(index.arrays.sequence_of, dtype=np.int64)
    is_nameless = np.array([not name for name in index.info.sequences], dtype=np.bool_)
    folders: dict[str, int] = {}
    for image in np.flatnonzero(is_nameless[numbers]).tolist():
        folder = index.image_name(image).rpartition("/")[0]
        numbers[image] = len(is_nameless) + folders.setdefault(folder, len(folders))
    return numbers


def _refuse_shared_images(sources: Sequence[LabelIndex]) -> None:
    for place, one in enumerate(sources):
        for other in sources[place + 1 :]:
            shared = shared_image(one, other)
            if shared is not None:
                raise InputError(f"DATA.TRAIN: {shared} is reached by both {one.info.name!r} and {other.info.name!r}")


def _image_folders(index: LabelIndex) -> set[Path]:
    return {(Path(index.info.image_root) / folder).resolve() for folder in index.info.image_dirs}


def _files_in(index: LabelIndex, folders: set[Path]) -> set[Path]:
    inside = {text: (Path(index.info.image_root) / text).resolve() for text in index.info.image_dirs}
    wanted = {text: folder for text, folder in inside.items() if folder in folders}
    parts = (index.image_name(image).rpartition("/") for image in range(len(index)))
    return {wanted[folder] / name for folder, _, name in parts if folder in wanted}

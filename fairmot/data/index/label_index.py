"""Label index of a data set: boxes, classes and identities of each image, in flat arrays that are memory-mapped.

Legend: F images, N boxes, S sequences, C classes, I identities over all classes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.utils.errors import InputError

META = "index.json"


@dataclass(frozen=True)
class IndexArrays:
    """Training labels of all images.

    name_bytes, name_ends: (any,) uint8 and (F,) int64, the image files concatenated in UTF-8, and the end of each.
    box_ends: (F,) int64, end of each image's boxes.
    boxes_tlwh: (N, 4) float32, by image and then by the labels' own identity.
    identities: (N,) int32 from 0 within the class, -1 where unknown.
    classes: (N,) int16 from 0.
    sequence_of, frames: (F,) int32, index into `IndexInfo.sequences`, and frame number (0 without one).
    image_hw: (F, 2) int32, height and width that the labels state, 0 where they do not.
    own_ids, own_sequences: (I,) int64 and int32, id and sequence of each identity in the labels, class after class.
    """

    name_bytes: npt.NDArray[np.uint8]
    name_ends: IntArray
    box_ends: IntArray
    boxes_tlwh: FloatArray
    identities: IntArray
    classes: IntArray
    sequence_of: IntArray
    frames: IntArray
    image_hw: IntArray
    own_ids: IntArray
    own_sequences: IntArray


@dataclass(frozen=True)
class IndexInfo:
    """Properties of the data set.

    name: for messages; image_root: folder that relative image files start from.
    is_normalised: boxes are in fractions of the image's sides; is_clipped: boxes are clipped to the image.
    classes: C names; identity_counts: number of identities of each.
    sequences: S names.
    image_dirs: folders of the images, relative to image_root.
    left_out: boxes that the labels exclude; other_classes, degenerate: boxes that were left out for these reasons.
    """

    name: str
    image_root: str
    is_normalised: bool
    is_clipped: bool
    classes: tuple[str, ...]
    identity_counts: tuple[int, ...]
    sequences: tuple[str, ...]
    image_dirs: tuple[str, ...]
    left_out: int = 0
    other_classes: int = 0
    degenerate: int = 0


@dataclass(frozen=True)
class LabelIndex:
    """A data set's index of F images, mapped from `folder`; in memory where that is None."""

    arrays: IndexArrays
    info: IndexInfo
    folder: Path | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.arrays.box_ends)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the folder of mapped arrays instead of their contents."""
        if self.folder is None:
            return LabelIndex, (self.arrays, self.info)
        return open_index, (self.folder,)

    @property
    def num_boxes(self) -> int:
        """Number of boxes."""
        return len(self.arrays.boxes_tlwh)

    def image_name(self, image: int) -> str:
        """Return the image's file, relative to `info.image_root` or absolute."""
        return bytes(self.arrays.name_bytes[_span(self.arrays.name_ends, image)]).decode("utf-8", "surrogateescape")

    def image_path(self, image: int) -> Path:
        """Return the image's file."""
        return Path(self.info.image_root) / self.image_name(image)

    def boxes_of(self, image: int) -> slice:
        """Return the rows of an image's boxes."""
        return _span(self.arrays.box_ends, image)


def _span(ends: IntArray, index: int) -> slice:
    return slice(int(ends[index - 1]) if index else 0, int(ends[index]))


def pack_names(names: Sequence[str]) -> tuple[npt.NDArray[np.uint8], IntArray]:
    """Return concatenated names as bytes, and the end of each."""
    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), np.cumsum([len(name) for name in encoded], dtype=np.int64)


def write_index(index: LabelIndex, folder: Path) -> None:
    """Write the arrays and the properties into `folder`, which exists."""
    for item in fields(IndexArrays):
        np.save(folder / f"{item.name}.npy", getattr(index.arrays, item.name))
    (folder / META).write_text(json.dumps(asdict(index.info)), encoding="utf-8")


def open_index(folder: Path) -> LabelIndex:
    """Map an index from disk, without reading the arrays; InputError where it is damaged."""
    try:
        arrays = [_map(folder / f"{item.name}.npy") for item in fields(IndexArrays)]
        properties: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in properties.items()}
        info = IndexInfo(**values)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: a damaged index ({error}); remove the folder") from None
    return LabelIndex(IndexArrays(*arrays), info, folder)


def _map(path: Path) -> npt.NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r")
    except ValueError:  # an empty array cannot be mapped
        array = np.load(path)
    return np.asanyarray(array)

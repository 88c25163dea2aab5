"""What JDE's and YOLO's folders share: a label file of each image, in a folder that mirrors the images'.

The place of a label file: the last folder called `images` above the image becomes the folder of labels, and the suffix
.txt. An image without a label file, or with an empty one, is background; but the folder of labels must be there.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.readers.label_blocks import block_of_stills
from fairmot.formats.text_labels import TextLabels, read_text_file
from fairmot.geometry.arrays import IntArray
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

IMAGES = "images"
UNIT_IMAGES = 2000
NO_FILE = ""  # in `Annotations.label_files`: this image has no label file

Parse = Callable[[Sequence[bytes], Sequence[str]], TextLabels]


@dataclass(frozen=True)
class TextUnit:
    """Some images, relative or absolute, and what is to be known for reading their labels."""

    images: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    keypoint_values: int = 0


def split_images(
    images: Sequence[str], *, class_names: tuple[str, ...] = (), keypoint_values: int = 0
) -> tuple[TextUnit, ...]:
    """Cut a list of images into units."""
    starts = range(0, len(images), UNIT_IMAGES)
    return tuple(TextUnit(tuple(images[at : at + UNIT_IMAGES]), class_names, keypoint_values) for at in starts)


def image_folders(root: Path, images: Iterable[str]) -> list[str]:
    """Return the folders that the images lie in, each once, in their order."""
    seen = dict.fromkeys(image.rpartition("/")[0] for image in images)
    return [_placed(folder, root) for folder in seen]


def _placed(folder: str, root: Path) -> str:
    """Return a folder's path; one that is absolute stays as it is."""
    return os.path.join(root, folder) if folder else str(root)  # noqa: PTH118


def label_folder(folder: str, name: str) -> str | None:
    """Return the folder of labels of a folder of images; None where no folder above is called `images`.

    >>> label_folder("/data/images/MOT/images/train", "labels")
    '/data/images/MOT/labels/train'
    """
    parts = folder.split("/")
    if IMAGES not in parts:
        return None
    last = len(parts) - 1 - parts[::-1].index(IMAGES)
    return "/".join([*parts[:last], name, *parts[last + 1 :]])


def label_tree(folder: str, name: str) -> Path | None:
    """Return the top of the folder of labels, which must be there whatever images have no label file."""
    parts = folder.split("/")
    mirrored = label_folder(folder, name)
    return None if mirrored is None else Path("/".join(mirrored.split("/")[: len(parts) - parts[::-1].index(IMAGES)]))


def require_label_trees(folders: Iterable[str], name: str) -> None:
    """Raise InputError where a folder of images has no folder of labels beside it."""
    trees = {label_tree(folder, name): folder for folder in folders}
    for tree, folder in trees.items():
        if tree is not None and not tree.is_dir():
            raise InputError(f"{tree}: no such folder; the labels of the images in {folder} belong there")


def read_text_labels(
    images: Sequence[str], *, root: Path, folder_name: str, parse: Parse
) -> tuple[TextLabels, list[str]]:
    """Read the label files of F images; return the labels and the files, `NO_FILE` for an image without one.

    Raises InputError: what `parse` raises, and files that cannot be read.
    """
    texts: list[bytes] = []
    files: list[str] = []
    places: dict[str, str] = {}
    for image in images:
        folder, _, name = image.rpartition("/")
        if folder not in places:
            full = _placed(folder, root)
            places[folder] = label_folder(full, folder_name) or full
        file = f"{places[folder]}/{name.rpartition('.')[0]}.txt"
        text = read_text_file(file)
        files.append(NO_FILE if text is None else file)
        texts.append(text or b"")
    return parse(texts, files), files


def block_of_text(
    unit: TextUnit, labels: TextLabels, files: Sequence[str], *, classes: tuple[IntArray, tuple[str, ...]]
) -> Annotations:
    """Return the block of a unit."""
    return block_of_stills(
        unit.images,
        labels.counts,
        labels.boxes_tlwh,
        ids=labels.ids,
        classes=classes,
        label_files=tuple(files),
        lines=labels.lines,
    )


def name_classes(
    labels: TextLabels, files: Sequence[str], names: tuple[str, ...], *, first: str = "0"
) -> tuple[IntArray, tuple[str, ...]]:
    """Return the (N,) places and names of the classes; without names, the numbers that occur, and `first` for 0.

    Raises InputError naming file and line: a number that has no name.
    """
    if not names:
        numbers, places = np.unique(labels.classes, return_inverse=True)
        return places.astype(np.int64), tuple(first if number == 0 else str(number) for number in numbers.tolist())
    wrong = np.flatnonzero(labels.classes >= len(names))
    if len(wrong):
        row = int(wrong[0])
        file = files[int(np.searchsorted(np.cumsum(labels.counts), row, side="right"))]
        raise InputError(f"{file}:{labels.lines[row]}: class {labels.classes[row]}, but there are {len(names)} names")
    return labels.classes, names

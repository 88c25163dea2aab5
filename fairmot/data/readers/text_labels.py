"""Label text files next to images, as JDE and YOLO data sets have them: one file per image in a mirrored folder.

The last folder called `images` above an image is replaced by the label folder, and the suffix by .txt. An image without
a label file, or with an empty one, is background; the label folder itself must exist.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fairmot.data.readers.base import ReadPlan
from fairmot.data.readers.paths import existing, files_with, first_line, starts_with_image
from fairmot.formats.text_labels import read_text_file
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

IMAGES = "images"
UNIT_IMAGES = 2000
NO_FILE = ""  # in `Annotations.label_files`: this image has no label file

Parse = Callable[[Sequence[bytes], Sequence[str]], Annotations]  # contents of label files, their names


@dataclass(frozen=True)
class TextUnit:
    """Images, relative or absolute, and the options of parsing their labels."""

    images: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    keypoint_values: int = 0


def label_folder(folder: str, name: str) -> str | None:
    """Return the label folder, called `name`, of a folder of images; None without a folder `images` in its path.

    >>> label_folder("/data/images/MOT/images/train", "labels")
    '/data/images/MOT/labels/train'
    """
    above, is_found, below = f"/{folder}/".rpartition(f"/{IMAGES}/")
    return f"{above}/{name}/{below}"[1:-1] if is_found else None


def label_tree(folder: str, name: str) -> Path | None:
    """Return the root of the label folders: the path of `label_folder` up to `name`."""
    above, is_found, _ = f"/{folder}/".rpartition(f"/{IMAGES}/")
    return Path(f"{above}/{name}"[1:]) if is_found else None


def lists_labelled_images(path: Path, name: str) -> bool:
    """Whether a text file is a list of images whose label folders are called `name`."""
    tree = label_tree(str((path.parent / first_line(path)).parent), name) if starts_with_image(path) else None
    return tree is not None and tree.is_dir()


def image_folders(root: Path, images: Iterable[str]) -> list[str]:
    """Return the folders of the images, each once, in their order."""
    folders = dict.fromkeys(image.rpartition("/")[0] for image in images)
    return [str(root / folder) for folder in folders]


def find_label_folders(folders: Sequence[str], name: str) -> dict[str, str]:
    """Return the label folder of each folder of images: the mirrored one, or itself without `images` in its path.

    Raises InputError where there is no mirrored folder or, with labels next to the images, no label at all.
    """
    trees = {label_tree(folder, name): folder for folder in folders}
    for tree, folder in trees.items():
        if tree is not None and not tree.is_dir():
            raise InputError(f"{tree}: no such folder; the labels of the images in {folder} belong there")
    found = {folder: label_folder(folder, name) or folder for folder in folders}
    flat = [Path(folder) for folder, labels in found.items() if labels == folder]
    if flat and not any(files_with(folder, ".txt") for folder in flat):
        raise InputError(
            f"{flat[0]}: no label files: neither next to the images, nor is a folder above called {IMAGES}"
        )
    return found


def plan_text_labels(
    images: Sequence[str],
    label_folders: Mapping[str, str],
    *,
    walked: Iterable[Path] = (),
    lists: Iterable[Path] = (),
    class_names: tuple[str, ...] = (),
    keypoint_values: int = 0,
) -> ReadPlan:
    """Return the plan of reading `images`, in units of `UNIT_IMAGES`; `walked` are folders that were searched."""
    starts = range(0, len(images), UNIT_IMAGES)
    return ReadPlan(
        units=tuple(TextUnit(tuple(images[i : i + UNIT_IMAGES]), class_names, keypoint_values) for i in starts),
        lists=tuple(lists),
        folders=existing([*walked, *map(Path, label_folders), *map(Path, label_folders.values())]),
    )


def read_text_labels(
    unit: TextUnit, *, root: Path, folder_name: str, parse: Parse, class_zero: str = "0"
) -> Annotations:
    """Return the annotations of a unit; `label_files` has `NO_FILE` for an image without one.

    class_zero: name of class 0 where the unit has no class names; the others are called by their numbers.
    Raises InputError: what `parse` raises, files that cannot be read, and a class without a name.
    """
    texts: list[bytes] = []
    files: list[str] = []
    folders: dict[str, str] = {}
    for image in unit.images:
        folder, _, name = image.rpartition("/")
        if folder not in folders:
            full = os.path.join(root, folder) if folder else str(root)  # noqa: PTH118
            folders[folder] = label_folder(full, folder_name) or full
        file = f"{folders[folder]}/{name.rpartition('.')[0]}.txt"
        text = read_text_file(file)
        files.append(NO_FILE if text is None else file)
        texts.append(text or b"")
    parsed = replace(parse(texts, files), images=unit.images, class_names=unit.class_names)
    if not unit.class_names:
        numbers, classes = np.unique(parsed.classes, return_inverse=True)
        names = tuple(str(number) if number else class_zero for number in numbers.tolist())
        return replace(parsed, classes=classes.astype(np.int64), class_names=names)
    unnamed = np.flatnonzero(parsed.classes >= len(unit.class_names))
    if len(unnamed):
        row, count = int(unnamed[0]), len(unit.class_names)
        raise InputError(f"{parsed.source_of(row)}: class {parsed.classes[row]}, but there are {count} names")
    return parsed

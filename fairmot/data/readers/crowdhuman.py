"""CrowdHuman as downloaded: annotation_train.odgt, annotation_val.odgt, and images from several archives."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.label_blocks import block_of_stills
from fairmot.data.readers.paths import (
    existing,
    files_with,
    find_label_file,
    folder_of,
    is_image,
    relative_to,
    subfolders_of,
)
from fairmot.formats.crowdhuman import BOX_KEYS, FileRange, OdgtLabels, read_odgt, split_lines
from fairmot.geometry.arrays import IntArray
from fairmot.structures.annotations import UNKNOWN, Annotations
from fairmot.utils.errors import InputError

SUFFIX = ".odgt"
ANNOTATIONS = ("annotations",)  # folders where people put the annotation files
IMAGE_FOLDERS = ("Images", "images", "CrowdHuman_train/Images", "CrowdHuman_val/Images")
OTHER_FOLDERS = ("images/train", "images/val", "train", "val")
_FIRST_NAME = "person"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG")


def recognises(root: Path) -> bool:
    """Whether `root` is an .odgt file or has one in it."""
    if root.is_file():
        return root.suffix.lower() == SUFFIX
    return any(files_with(folder, SUFFIX) for folder in (root, *(root / name for name in ANNOTATIONS)))


@dataclass(frozen=True)
class OdgtUnit:
    """A part of an .odgt, and the folders that its images may lie in, as prefixes of their names."""

    file: Path
    part: FileRange
    prefixes: tuple[str, ...]


@dataclass(frozen=True)
class CrowdHumanReader:
    """Boxes in pixels, identities unknown; a unit is some megabytes of the annotation file."""

    source: Source
    is_normalised: bool = False

    @property
    def image_root(self) -> Path:
        """The data set's folder."""
        return folder_of(self.source)

    def plan(self) -> ReadPlan:
        """Cut the annotation file into parts; InputError: no or several annotation files, no folder of images."""
        if self.source.box not in BOX_KEYS:
            raise InputError(f"BOX: unknown {self.source.box!r}; choose from {', '.join(BOX_KEYS)}")
        file = find_label_file(self.source, suffix=SUFFIX, subfolders=ANNOTATIONS)
        folders = self._image_folders(file)
        prefixes = tuple(relative_to(folder, self.image_root) for folder in folders)
        return ReadPlan(
            units=tuple(OdgtUnit(file, part, prefixes) for part in split_lines(file)),
            files=(file,),
            folders=existing([self.image_root, *folders]),
        )

    def read(self, unit: OdgtUnit) -> Annotations:
        """Read the images of a part; one that is in none of the folders is named in the first of them."""
        labels = read_odgt(unit.file, unit.part, box=self.source.box)
        prefix_of = _list_images(self.image_root, unit.prefixes)
        return block_of_stills(
            tuple(_image_name(image, prefix_of, unit.prefixes[0]) for image in labels.image_ids),
            labels.counts,
            labels.boxes_tlwh,
            ids=np.full(len(labels.tags), UNKNOWN, dtype=np.int64),
            classes=_name_classes(labels),
            label_files=(str(unit.file),),
            lines=labels.lines,
            left_out=labels.left_out,
        )

    def _image_folders(self, file: Path) -> list[Path]:
        """Return the folders with images, those of IMAGES or of the layouts that are in use, each once."""
        named = self.source.images
        tops = [self.image_root / named] if named else list(dict.fromkeys((self.image_root, file.parent)))
        candidates = [place for top in tops for place in _candidates(top, itself_first=bool(named))]
        folders: dict[Path, Path] = {}
        for place in candidates:
            if place.is_dir() and _has_image(place):
                folders.setdefault(place.resolve(), place)
        if not folders:
            shown = ", ".join(IMAGE_FOLDERS)
            raise InputError(f"{' and '.join(map(str, tops))}: no images, neither here nor in {shown}; set IMAGES")
        return list(folders.values())


def _candidates(top: Path, *, itself_first: bool) -> Iterable[Path]:
    """Yield the places where images may lie, the likeliest first."""
    if itself_first:
        yield top
    yield from (top / name for name in IMAGE_FOLDERS)
    yield from (folder / name for folder in subfolders_of(top) for name in ("Images", "images"))
    yield from (top / name for name in OTHER_FOLDERS)
    yield top


def _has_image(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(is_image(entry.name) for entry in entries)


def _list_images(root: Path, prefixes: Iterable[str]) -> dict[str, str]:
    """Return the prefix of each image file; where two folders have it, the first one's."""
    places: dict[str, str] = {}
    for prefix in prefixes:
        for name in os.listdir(root / prefix):  # noqa: PTH208 - names, by the ten thousand
            places.setdefault(name, prefix)
    return places


def _image_name(image_id: str, prefix_of: dict[str, str], default: str) -> str:
    names = (image_id + suffix for suffix in _SUFFIXES)
    found = next((name for name in names if name in prefix_of), None)
    return f"{default}{image_id}.jpg" if found is None else prefix_of[found] + found


def _name_classes(labels: OdgtLabels) -> tuple[IntArray, tuple[str, ...]]:
    """Return (N,) places and names of the classes: "person", and other tags that someone's own file may have."""
    places = {_FIRST_NAME: 0}
    classes = [places.setdefault(tag, len(places)) for tag in labels.tags]
    return np.array(classes, dtype=np.int64), tuple(places)

"""Reader of CrowdHuman as downloaded: annotation_train.odgt, annotation_val.odgt, images from several archives."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.paths import existing, files_with, find_label_file, is_image, relative_to, subfolders_of
from fairmot.formats.crowdhuman import BOX_KEYS, FileRange, read_odgt, split_lines
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

SUFFIX = ".odgt"
ANNOTATIONS = ("annotations",)  # folders that may hold the annotation files
IMAGE_FOLDERS = ("Images", "images", "CrowdHuman_train/Images", "CrowdHuman_val/Images")
OTHER_FOLDERS = ("images/train", "images/val", "train", "val")
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG")


def matches(root: Path) -> bool:
    """Whether `root` is an .odgt file or has one in it."""
    if root.is_file():
        return root.suffix.lower() == SUFFIX
    return any(files_with(folder, SUFFIX) for folder in (root, *(root / name for name in ANNOTATIONS)))


@dataclass(frozen=True)
class OdgtUnit:
    """A part of an .odgt file, and the folders that may hold its images, as prefixes of their names."""

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
        return self.source.folder

    def plan(self) -> ReadPlan:
        """Split the annotation file into parts; InputError: no or several annotation files, no folder of images."""
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
        """Read the images of a part; one that is in none of the folders is expected in the first of them."""
        annotations = read_odgt(unit.file, unit.part, box=self.source.box)
        prefix_of: dict[str, str] = {}
        for prefix in unit.prefixes:
            for name in os.listdir(self.image_root / prefix):  # noqa: PTH208 - names, by the ten thousand
                prefix_of.setdefault(name, prefix)
        names = (_image_name(image, prefix_of, unit.prefixes[0]) for image in annotations.images)
        return replace(annotations, images=tuple(names))

    def _image_folders(self, file: Path) -> list[Path]:
        """Return the folders with images, each once: those of IMAGES or of the usual layouts."""
        named = self.source.images
        tops = [self.image_root / named] if named else list(dict.fromkeys((self.image_root, file.parent)))
        folders: dict[Path, Path] = {}
        for top in tops:
            inside = (f"{folder.name}/{name}" for folder in subfolders_of(top) for name in ("Images", "images"))
            names = [*([""] if named else []), *IMAGE_FOLDERS, *inside, *OTHER_FOLDERS, ""]  # the likeliest first
            for folder in (top / name for name in names):
                if folder.is_dir() and any(map(is_image, os.listdir(folder))):  # noqa: PTH208
                    folders.setdefault(folder.resolve(), folder)
        if not folders:
            shown = ", ".join(IMAGE_FOLDERS)
            raise InputError(f"{' and '.join(map(str, tops))}: no images, neither here nor in {shown}; set IMAGES")
        return list(folders.values())


def _image_name(image_id: str, prefix_of: dict[str, str], default: str) -> str:
    names = (image_id + suffix for suffix in _SUFFIXES)
    found = next((name for name in names if name in prefix_of), None)
    return f"{default}{image_id}.jpg" if found is None else prefix_of[found] + found

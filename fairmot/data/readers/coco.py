"""COCO's instances_*.json, and video data sets in that format (CocoVID, CenterTrack's and ByteTrack's conversions)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source
from fairmot.data.readers.label_blocks import block_of_table
from fairmot.data.readers.paths import existing, files_with, find_label_file, folder_of, relative_to
from fairmot.formats.coco import is_coco, read_coco
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

SUFFIX = ".json"
ANNOTATIONS = "annotations"
PARTS = ("train2017", "val2017", "train2014", "val2014", "train", "val", "valid", "test")
_SUBFOLDERS = (ANNOTATIONS, "train")  # train: Roboflow's _annotations.coco.json


def recognises(root: Path) -> bool:
    """Whether `root` is a JSON file with COCO's keys, or has one in it or in its annotations."""
    if root.is_file():
        return root.suffix.lower() == SUFFIX and is_coco(root)
    return any(files_with(folder, SUFFIX, is_coco) for folder in (root, *(root / name for name in _SUBFOLDERS)))


@dataclass(frozen=True)
class COCOReader:
    """One unit, the annotation file; boxes in pixels."""

    source: Source
    is_normalised: bool = False

    @property
    def image_root(self) -> Path:
        """The data set's folder: that of the annotation file, or the one above where that is called annotations."""
        folder = folder_of(self.source)
        is_inside = self.source.root.is_file() and folder.name == ANNOTATIONS
        return folder.parent if is_inside else folder

    def plan(self) -> ReadPlan:
        """Name the annotation file; InputError where there is none or where there are several."""
        file = find_label_file(self.source, suffix=SUFFIX, subfolders=_SUBFOLDERS, fits=is_coco)
        places = [place for place in self._places(file) if place.is_dir()]
        return ReadPlan(units=(file,), files=(file,), folders=existing([self.image_root, *places]))

    def read(self, unit: Path) -> Annotations:
        """Read the file, images by video and frame; InputError where it is wrong or its first image is not found."""
        table = read_coco(unit)
        if not table.images:
            raise InputError(f"{unit}: it lists no images")
        folder = self._image_folder(unit, table.images[0])
        prefix = relative_to(folder, self.image_root)
        return block_of_table(table, patterns=self.source.sequences, prefix=prefix, file=unit)

    def _image_folder(self, file: Path, first: str) -> Path:
        """Return the first place that has the first image."""
        places = self._places(file)
        found = next((place for place in places if (place / first).exists()), None)
        if found is None:
            inside = [relative_to(place, self.image_root).rstrip("/") or "." for place in places]
            raise InputError(f"{file}: its first image {first} is in none of {', '.join(inside)}; set IMAGES")
        return found

    def _places(self, file: Path) -> list[Path]:
        """Return where images may lie, the likeliest first: by the file's name, as instances_val2017 says val2017."""
        if self.source.images:
            return list(_unique(top / self.source.images for top in (folder_of(self.source), self.image_root)))
        stem = file.stem
        parts = [stem, stem.removeprefix("instances_"), *stem.split("_")[::-1], *PARTS]
        inside = [name for part in parts if part for name in (part, f"images/{part}")]
        places = (self.image_root / name for name in ("", "images", *inside))
        return list(_unique([*places, file.parent]))


def _unique(places: Iterable[Path]) -> Iterable[Path]:
    return dict.fromkeys(places)

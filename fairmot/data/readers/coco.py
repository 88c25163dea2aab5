"""Reader of COCO's instances_*.json, and of video data sets in that format (CocoVID, CenterTrack, ByteTrack)."""

from dataclasses import dataclass
from pathlib import Path

from fairmot.data.readers.base import ReadPlan, Source, select_sequences
from fairmot.data.readers.paths import existing, files_with, find_label_file, relative_to
from fairmot.formats.coco import is_coco, read_coco
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

SUFFIX = ".json"
ANNOTATIONS = "annotations"
PARTS = ("train2017", "val2017", "train2014", "val2014", "train", "val", "valid", "test")
_SUBFOLDERS = (ANNOTATIONS, "train")  # train: Roboflow's _annotations.coco.json


def matches(root: Path) -> bool:
    """Whether `root` is a JSON file with COCO's keys, or has one in it or in its folder of annotations."""
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
        """The data set's folder: that of the annotation file, or its parent if that is called annotations."""
        folder = self.source.folder
        is_inside = self.source.root.is_file() and folder.name == ANNOTATIONS
        return folder.parent if is_inside else folder

    def plan(self) -> ReadPlan:
        """Find the annotation file; InputError where there is none or where there are several."""
        file = find_label_file(self.source, suffix=SUFFIX, subfolders=_SUBFOLDERS, fits=is_coco)
        folders = [folder for folder in self._image_folders(file) if folder.is_dir()]
        return ReadPlan(units=(file,), files=(file,), folders=existing([self.image_root, *folders]))

    def read(self, unit: Path) -> Annotations:
        """Read the file, images by video and frame; InputError where it is wrong or its first image is not found."""
        annotations = read_coco(unit)
        if not annotations.images:
            raise InputError(f"{unit}: it lists no images")
        first, folders = annotations.images[0], self._image_folders(unit)
        folder = next((folder for folder in folders if (folder / first).exists()), None)
        if folder is None:
            names = [relative_to(folder, self.image_root).rstrip("/") or "." for folder in folders]
            raise InputError(f"{unit}: its first image {first} is in none of {', '.join(names)}; set IMAGES")
        return select_sequences(annotations, self.source.sequences, prefix=relative_to(folder, self.image_root))

    def _image_folders(self, file: Path) -> list[Path]:
        """Return the possible folders of images, the likeliest first: instances_val2017 suggests val2017."""
        if self.source.images:
            return list(dict.fromkeys(top / self.source.images for top in (self.source.folder, self.image_root)))
        stem = file.stem
        parts = [stem, stem.removeprefix("instances_"), *stem.split("_")[::-1], *PARTS]
        names = ["", "images", *(name for part in parts if part for name in (part, f"images/{part}"))]
        return list(dict.fromkeys([*(self.image_root / name for name in names), file.parent]))

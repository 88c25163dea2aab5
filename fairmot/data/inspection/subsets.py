"""Subsets of a data set folder: annotation files and splits for training and validation."""

import re
from pathlib import Path
from typing import NamedTuple

from fairmot.data.index.cache import DatasetSpec
from fairmot.data.readers import coco, crowdhuman, csv_table, jde
from fairmot.data.readers.paths import files_with, starts_with_image
from fairmot.data.readers.registry import LAYOUTS
from fairmot.formats.coco import is_coco
from fairmot.formats.csv_labels import is_label_csv
from fairmot.utils.errors import InputError

TRAIN, VAL = "train", "val"
_VAL_NAME = re.compile(r"(?<![a-z])(val|valid|validation|test)(?![a-z])")


class Subset(NamedTuple):
    """Value of LABELS that selects the subset ("" if it is the only one), and whether it is for validation."""

    labels: str
    is_val: bool


def subsets_of(spec: DatasetSpec) -> list[Subset]:
    """Return the subsets of a folder in a deterministic order; one if there is no choice."""
    source = spec.source
    if source.labels or source.root.is_file() or spec.layout == "mot":
        return [Subset(source.labels, is_val=False)]
    if spec.layout == "yolo":
        reader = LAYOUTS["yolo"].make_reader(type(source)(root=source.root, labels=VAL, name=source.name))
        try:
            reader.plan()
        except InputError:
            return [Subset("", is_val=False)]
        return [Subset("", is_val=False), Subset(VAL, is_val=True)]
    files = _label_files(spec.layout, source.folder)
    if len(files) < 2:
        return [Subset("", is_val=False)]
    return [
        Subset(file.relative_to(source.folder).as_posix(), is_val=is_for_validation(file.stem, file.suffix))
        for file in files
    ]


def is_for_validation(*names: str) -> bool:
    """Whether one of the names marks validation data.

    >>> is_for_validation("instances_val2017"), is_for_validation("cuhksysu", ".val"), is_for_validation("interval")
    (True, True, False)
    """
    return any(_VAL_NAME.search(name.lower()) for name in names)


def _label_files(layout: str, root: Path) -> list[Path]:
    if layout == "jde":
        return [path for suffix in jde.LIST_SUFFIXES for path in files_with(root, suffix, starts_with_image)]
    if layout == "csv":
        return files_with(root, csv_table.SUFFIX, is_label_csv)
    if layout == "crowdhuman":
        return _first_with(root, ("", *crowdhuman.ANNOTATIONS), crowdhuman.SUFFIX)
    found = [path for path in _first_with(root, ("", coco.ANNOTATIONS), coco.SUFFIX) if is_coco(path)]
    boxes = [path for path in found if path.name.startswith("instances_")]
    split = [path for part in ("train", "valid", "val") for path in files_with(root / part, coco.SUFFIX, is_coco)]
    return boxes or found or split


def _first_with(root: Path, folders: tuple[str, ...], suffix: str) -> list[Path]:
    found = (files_with(root / folder, suffix) for folder in folders)
    return next((files for files in found if files), [])

"""Small data sets in their original layouts, images as empty files: readers do not open them."""

import json
from pathlib import Path
from typing import Any

from fairmot.data.readers.base import Reader
from fairmot.structures.annotations import Annotations


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_all(root: Path, *names: str) -> Path:
    for name in names:
        write(root / name)
    return root


def write_json(path: Path, *records: Any) -> Path:
    return write(path, "".join(json.dumps(record) + "\n" for record in records))


def read_all(reader: Reader) -> list[Annotations]:
    """Read the units, and check the invariants of plans and annotations."""
    plan = reader.plan()
    assert all(path.is_file() for path in (*plan.lists, *plan.files))
    assert all(path.is_dir() for path in plan.folders)
    blocks = [reader.read(unit) for unit in plan.units]
    for block in blocks:
        assert len(block.label_files) in (1, len(block.images))
        assert not block.classes.size or block.classes.max() < len(block.class_names)
    return blocks


def read_one(reader: Reader) -> Annotations:
    (block,) = read_all(reader)
    return block


def read_images(reader: Reader) -> list[str]:
    """Return the images, all of which exist."""
    images = [image for block in read_all(reader) for image in block.images]
    assert all((reader.image_root / image).is_file() for image in images)
    return images

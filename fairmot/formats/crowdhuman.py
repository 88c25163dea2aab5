"""Annotation files of CrowdHuman (`.odgt`): one JSON object per line, one line per image.

    {"ID": "273271,c9db000d5146c15", "gtboxes": [{"tag": "person", "fbox": [72, 202, 163, 503], "vbox": [...],
     "hbox": [...], "extra": {"box_id": 0, "occ": 0, "ignore": 0}, "head_attr": {"ignore": 0, "occ": 1, "unsure": 0}}]}

Boxes are left, top, width, height in pixels: of the full body (estimated where hidden), of its visible part, of the
head. Source: Shao et al., CrowdHuman, and the data set's page. Legend: F images, N boxes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairmot.formats.atomic import write_text
from fairmot.formats.coco import require_box
from fairmot.structures.annotations import UNKNOWN, Annotations
from fairmot.utils.errors import InputError

BOX_KEYS = {"full": "fbox", "visible": "vbox", "head": "hbox"}
PERSON, MASK = "person", "mask"  # tags; a mask covers crowds, reflections and figures that are not people
_BOM = b"\xef\xbb\xbf"


class FileRange(NamedTuple):
    """Complete lines of a file: bytes `start` to `end`, the first of them line `line` (from 1)."""

    start: int
    end: int
    line: int


class OdgtRow(NamedTuple):
    """One row to write: boxes left, top, width, height in pixels of the full body and of its visible part.

    is_occluded: a part is hidden. is_ignored: the person is excluded from training and evaluation.
    """

    tag: str
    full_tlwh: Sequence[float]
    visible_tlwh: Sequence[float]
    is_occluded: bool = False
    is_ignored: bool = False


def write_odgt(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write one record ("ID", "gtboxes", ...) per line, atomically."""
    write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def make_record(image_id: str, rows: Iterable[OdgtRow]) -> dict[str, Any]:
    """Return the record of one image; sides are rounded to hundredths, heads are unknown and flagged as ignored.

    image_id: the image's file name without its extension.
    """
    boxes = [
        {
            "tag": row.tag,
            BOX_KEYS["full"]: [round(float(side), 2) for side in row.full_tlwh],
            BOX_KEYS["visible"]: [round(float(side), 2) for side in row.visible_tlwh],
            "extra": {"box_id": n, "occ": int(row.is_occluded), "ignore": int(row.is_ignored or row.tag == MASK)},
            "head_attr": {"ignore": 1, "occ": 0, "unsure": 1},
        }
        for n, row in enumerate(rows)
    ]
    return {"ID": image_id, "gtboxes": boxes}


def split_lines(path: Path, *, size: int = 4 << 20) -> list[FileRange]:
    """Split a file at line ends into parts of about `size` bytes; InputError if it cannot be read."""
    parts: list[FileRange] = []
    start = line = 0
    try:
        with path.open("rb") as file:
            while block := file.read(size):
                block += file.readline()
                parts.append(FileRange(start, start + len(block), line + 1))
                start += len(block)
                line += block.count(b"\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return parts


def read_odgt(path: Path, part: FileRange, *, box: str = "full") -> Annotations:
    """Read the images of a part of the file; `images` are their IDs, file names without extension.

    box: full | visible | head. Rows tagged `mask`, rows whose extra.ignore is 1 and, for heads, rows whose
        head_attr.ignore is 1 are left out.
    Raises InputError naming file and line: not JSON, no ID, no gtboxes, a box that is not four finite numbers.
    """
    image_ids: list[str] = []
    counts: list[int] = []
    boxes: list[list[float]] = []
    classes: list[int] = []
    class_names = {PERSON: 0}
    left_out = 0
    numbered = _lines(path, part)
    for line, text in numbered:
        where = f"{path}:{line}"
        image_id, rows = _record(text, where)
        kept = [row for row in rows if not _is_excluded(row, box)]
        image_ids.append(image_id)
        counts.append(len(kept))
        boxes += (require_box(row, BOX_KEYS[box], where) for row in kept)
        classes += (class_names.setdefault(str(row.get("tag", PERSON)), len(class_names)) for row in kept)
        left_out += len(rows) - len(kept)
    return Annotations(
        images=tuple(image_ids),
        counts=np.array(counts, dtype=np.int64),
        boxes_tlwh=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        ids=np.full(len(classes), UNKNOWN, dtype=np.int64),
        classes=np.array(classes, dtype=np.int64),
        class_names=tuple(class_names),
        label_files=(str(path),),
        lines=np.repeat(np.array([line for line, _ in numbered], dtype=np.int64), np.array(counts, dtype=np.int64)),
        left_out=left_out,
    )


def _lines(path: Path, part: FileRange) -> list[tuple[int, bytes]]:
    """Return the lines that are not blank, with their numbers."""
    try:
        with path.open("rb") as file:
            file.seek(part.start)
            block = file.read(part.end - part.start)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    block = block.removeprefix(_BOM) if part.start == 0 else block
    numbered = enumerate(block.split(b"\n"), part.line)
    return [(number, text) for number, text in numbered if text.strip()]


def _record(text: bytes, where: str) -> tuple[str, list[dict[str, Any]]]:
    try:
        record = json.loads(text)
    except UnicodeDecodeError:
        raise InputError(f"{where}: not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(record, dict) or not isinstance(record.get("ID"), str) or "\0" in record["ID"]:
        raise InputError(f'{where}: not an image: expected an object with "ID" and "gtboxes"')
    rows = record.get("gtboxes")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f'{where}: {record["ID"]} has no list "gtboxes"')
    return record["ID"], rows


def _is_excluded(row: Mapping[str, Any], box: str) -> bool:
    return row.get("tag") == MASK or _ignores(row, "extra") or (box == "head" and _ignores(row, "head_attr"))


def _ignores(row: Mapping[str, Any], key: str) -> bool:
    attributes = row.get(key)
    return isinstance(attributes, dict) and attributes.get("ignore", 0) in (1, "1")

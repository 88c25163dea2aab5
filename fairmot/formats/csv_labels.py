"""Labels as a plain table: a CSV file with a header, one box a row.

    image,left,top,width,height,id,class,sequence,frame
    street/000001.jpg,10,20,30,80,7,person,street,1

Columns in any order and any case. Wanted: `image` (or `filename`, `file_name`) and a box, which is `left, top, width,
height`, or two corners `x1, y1, x2, y2` or `xmin, ymin, xmax, ymax`; beside corners, `width` and `height` are those of
the image. Open: `id` (or `track_id`), `class` (or `label`), `sequence`, `frame`; other columns are passed over. Fields
are parted by commas, semicolons or tabs, whichever the header has most of. A row whose box is empty lists an image
without boxes.
Legend: F images, N boxes.
"""

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from fairmot.formats.label_table import LabelTable, frames_from_one
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError

_BOX = ("left", "top", "width", "height")
_CORNERS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))
_OTHER_NAMES = {"filename": "image", "file_name": "image", "track_id": "id", "label": "class"}
_DEFAULT_CLASS = "person"  # where there is no column of classes
_LARGEST = 1e30  # float32 holds it with room for sums
_LARGEST_WHOLE = 2**53


class _Columns(NamedTuple):
    """Places of the columns; -1 for one that is not there."""

    image: int
    box: tuple[int, ...]
    has_corners: bool
    image_hw: tuple[int, int]
    id: int
    kind: int
    sequence: int
    frame: int
    total: int


@dataclass
class _Collected:
    """What the rows so far say."""

    images: dict[str, int] = field(default_factory=dict)
    facts: list[tuple[str, int, int, int]] = field(
        default_factory=list
    )  # of each image: sequence, frame, height, width
    classes: dict[str, int] = field(default_factory=dict)
    image_of: "array[int]" = field(default_factory=lambda: array("q"))
    boxes: "array[float]" = field(default_factory=lambda: array("d"))
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    kinds: "array[int]" = field(default_factory=lambda: array("q"))
    lines: "array[int]" = field(default_factory=lambda: array("q"))


def read_label_csv(path: Path) -> LabelTable:
    """Read a table of labels.

    Raises InputError naming file and line: a column that is missing or there twice, a row of another length, a box, id
    or frame that is no number, corners in the wrong order, one image in two sequences or frames.
    """
    collected = _Collected()
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _rows(file)
            columns = _find_columns(next(rows, (1, []))[1], f"{path}:1")
            for line, row in rows:
                _add_row(collected, row, line, columns)
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}:{line}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return _to_table(collected)


def is_label_csv(path: Path) -> bool:
    """Whether a file's first line is a header with the columns wanted."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            _find_columns(next(_rows(file), (1, []))[1], str(path))
    except (OSError, UnicodeDecodeError, csv.Error, InputError):
        return False
    return True


def _rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, the header first, with their lines."""
    header = file.readline()
    file.seek(0)
    rows = csv.reader(file, delimiter=max(",;\t", key=header.count))
    for row in rows:
        if any(map(str.strip, row)):
            yield rows.line_num, row


def _find_columns(header: Sequence[str], where: str) -> _Columns:
    given = (name.strip().lower() for name in header)
    names = [_OTHER_NAMES.get(name, name) for name in given]
    corners = next((group for group in _CORNERS if set(group) <= set(names)), None)
    box = corners or _BOX
    missing = [name for name in ("image", *box) if name not in names]
    if missing:
        raise InputError(
            f"{where}: no column {', '.join(missing)}; the header wants image and left,top,width,height or x1,y1,x2,y2"
        )
    used = {"image", *box, "width", "height", "id", "class", "sequence", "frame"}
    twice = next((name for name in names if name in used and names.count(name) > 1), None)
    if twice:
        raise InputError(f"{where}: column {twice} is there twice")
    place = {name: names.index(name) for name in used & set(names)}
    return _Columns(
        image=place["image"],
        box=tuple(place[name] for name in box),
        has_corners=corners is not None,
        image_hw=(place.get("height", -1), place.get("width", -1)) if corners else (-1, -1),
        id=place.get("id", -1),
        kind=place.get("class", -1),
        sequence=place.get("sequence", -1),
        frame=place.get("frame", -1),
        total=len(names),
    )


def _add_row(table: _Collected, row: list[str], line: int, columns: _Columns) -> None:
    """Add a row; ValueError says what is wrong with it."""
    if len(row) != columns.total:
        raise ValueError(f"{len(row)} fields, the header has {columns.total}")
    place = _image_place(table, row, columns)
    box = [row[column] for column in columns.box]
    if not any(text.strip() for text in box):
        return
    table.boxes.extend(_box_tlwh(box, has_corners=columns.has_corners))
    table.image_of.append(place)
    table.ids.append(_id(row[columns.id]) if columns.id >= 0 else UNKNOWN)
    kind = row[columns.kind].strip() if columns.kind >= 0 else _DEFAULT_CLASS
    if not kind:
        raise ValueError("the class is empty")
    table.kinds.append(table.classes.setdefault(kind, len(table.classes)))
    table.lines.append(line)


def _image_place(table: _Collected, row: list[str], columns: _Columns) -> int:
    name = row[columns.image].strip()
    if not name:
        raise ValueError("the image is empty")
    if "\0" in name:
        raise ValueError("not a text file")
    sequence = row[columns.sequence].strip() if columns.sequence >= 0 else ""
    frame = _whole("frame", row[columns.frame], smallest=0, empty=-1) if columns.frame >= 0 else -1
    place = table.images.setdefault(name, len(table.images))
    if place == len(table.facts):
        height, width = (_whole("size", row[c], smallest=0, empty=0) if c >= 0 else 0 for c in columns.image_hw)
        table.facts.append((sequence, frame, height, width))
    elif table.facts[place][:2] != (sequence, frame):
        raise ValueError(f"{name} is in another sequence or frame than in the rows before")
    return place


def _box_tlwh(texts: list[str], *, has_corners: bool) -> tuple[float, float, float, float]:
    try:
        left, top, third, fourth = map(float, texts)
    except ValueError:
        raise ValueError(f"not a box of four numbers: {texts}") from None
    if not all(abs(value) <= _LARGEST for value in (left, top, third, fourth)):  # neither NaN nor infinity is
        raise ValueError(f"a value is not finite: {texts}")
    if not has_corners:
        return left, top, third, fourth
    if third < left or fourth < top:
        raise ValueError(f"the second corner lies before the first: {texts}")
    return left, top, third - left, fourth - top


def _id(text: str) -> int:
    return _whole("id", text, smallest=UNKNOWN, empty=UNKNOWN)


def _whole(name: str, text: str, *, smallest: int, empty: int) -> int:
    if not text.strip():
        return empty
    try:
        value = float(text)
    except ValueError:
        value = -np.inf
    if not smallest <= value < _LARGEST_WHOLE or not value.is_integer():
        raise ValueError(f"{name} {text[:40]!r} is not a whole number from {smallest} up")
    return int(value)


def _to_table(collected: _Collected) -> LabelTable:
    sequences: dict[str, int] = {}
    sequence_of = [sequences.setdefault(fact[0], len(sequences)) for fact in collected.facts]
    frames = np.array([fact[1] for fact in collected.facts], dtype=np.int64)
    image_hw = np.array([fact[2:] for fact in collected.facts], dtype=np.int64).reshape(-1, 2)
    return LabelTable(
        images=tuple(collected.images),
        image_hw=image_hw,
        sequences=tuple(sequences) or ("",),
        sequence_of=np.array(sequence_of, dtype=np.int64),
        frames=frames_from_one(frames, frames >= 0),
        image_of=np.array(collected.image_of, dtype=np.int64),
        boxes_tlwh=np.array(collected.boxes, dtype=np.float64).reshape(-1, 4).astype(np.float32),
        ids=np.array(collected.ids, dtype=np.int64),
        classes=np.array(collected.kinds, dtype=np.int64),
        class_names=tuple(collected.classes) or (_DEFAULT_CLASS,),
        lines=np.array(collected.lines, dtype=np.int64),
    )

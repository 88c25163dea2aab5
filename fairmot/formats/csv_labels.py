"""Label tables: a CSV file with a header, one box per row.

    image,left,top,width,height,id,class,sequence,frame
    street/000001.jpg,10,20,30,80,7,person,street,1

Columns in any order and any case. Required: `image` (or `filename`, `file_name`) and a box, either `left, top, width,
height` or two corners `x1, y1, x2, y2` or `xmin, ymin, xmax, ymax`; with corners, `width` and `height` are those of
the image. Optional: `id` (or `track_id`), `class` (or `label`), `sequence`, `frame`; other columns are ignored. Fields
are separated by commas, semicolons or tabs, whichever the header has most of. A row with an empty box lists an image
without boxes.
"""

import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from fairmot.structures.annotations import MAX_INTEGER, MAX_VALUE, UNKNOWN, Annotations, frames_from_one
from fairmot.utils.errors import InputError

_BOX = ("left", "top", "width", "height")
_CORNERS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))
_OTHER_NAMES = {"filename": "image", "file_name": "image", "track_id": "id", "label": "class"}
_DEFAULT_CLASS = "person"  # without a column of classes


class _ImageRow(NamedTuple):
    """One image, numbered from 0, as the first row that names it describes it."""

    number: int
    sequence: str
    frame: int
    height: int
    width: int


def read_label_csv(path: Path) -> Annotations:
    """Read a label table; images keep its order.

    Raises InputError naming file and line: a column that is missing or there twice, a row of another length, a box, id
    or frame that is not a number, corners in the wrong order, one image in two sequences or frames.
    """
    images: dict[str, _ImageRow] = {}
    class_names: dict[str, int] = {}
    boxes = array("d")  # image, left, top, width, height, id, class and line of each
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _rows(file)
            names, box = _read_header(next(rows, (1, []))[1], f"{path}:1")
            for line, row in rows:
                if len(row) != len(names):
                    raise ValueError(f"{len(row)} fields, the header has {len(names)}")
                fields = dict(zip(names, row, strict=True))
                image = _add_image(fields, images, has_hw=box != _BOX)
                if any(fields[name] for name in box):
                    boxes.extend((image, *_read_box(fields, box, class_names), line))
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}:{line}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return _to_annotations(path, images, class_names, np.array(boxes).reshape(-1, 8))


def is_label_csv(path: Path) -> bool:
    """Whether a file's first line is a header with the required columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            _read_header(next(_rows(file), (1, []))[1], str(path))
    except (OSError, UnicodeDecodeError, csv.Error, InputError):
        return False
    return True


def _rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, the header first, with their lines; fields are stripped."""
    header = file.readline()
    file.seek(0)
    rows = csv.reader(file, delimiter=max(",;\t", key=header.count))
    for row in rows:
        stripped = [field.strip() for field in row]
        if any(stripped):
            yield rows.line_num, stripped


def _read_header(header: Sequence[str], where: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the columns, and those of the box."""
    names = [_OTHER_NAMES.get(name.lower(), name.lower()) for name in header]
    box = next((group for group in _CORNERS if set(group) <= set(names)), _BOX)
    missing = [name for name in ("image", *box) if name not in names]
    if missing:
        needed = "image and left,top,width,height or x1,y1,x2,y2"
        raise InputError(f"{where}: no column {', '.join(missing)}; the header needs {needed}")
    used = {"image", *box, "width", "height", "id", "class", "sequence", "frame"}
    repeated = next((name for name in names if name in used and names.count(name) > 1), None)
    if repeated:
        raise InputError(f"{where}: column {repeated} is there twice")
    return names, box


def _add_image(fields: dict[str, str], images: dict[str, _ImageRow], *, has_hw: bool) -> int:
    """Return the number of the row's image, which may be new; `has_hw`: width and height are those of the image."""
    name = fields["image"]
    if not name:
        raise ValueError("the image is empty")
    if "\0" in name:
        raise ValueError("not a text file")
    sequence = fields.get("sequence", "")
    frame = _integer("frame", fields.get("frame", ""), smallest=0, empty=-1)
    if name not in images:
        sides = [fields.get(side, "") if has_hw else "" for side in ("height", "width")]
        height, width = (_integer("size", side, smallest=0, empty=0) for side in sides)
        images[name] = _ImageRow(len(images), sequence, frame, height, width)
    elif images[name][1:3] != (sequence, frame):
        raise ValueError(f"{name} is in another sequence or frame than in the rows before")
    return images[name].number


def _read_box(fields: dict[str, str], box: tuple[str, ...], class_names: dict[str, int]) -> tuple[float, ...]:
    """Return left, top, width, height, id and class of a row; ValueError says what is wrong with it."""
    texts = [fields[name] for name in box]
    try:
        left, top, third, fourth = map(float, texts)
    except ValueError:
        raise ValueError(f"not a box of four numbers: {texts}") from None
    if not all(abs(value) <= MAX_VALUE for value in (left, top, third, fourth)):  # False for NaN
        raise ValueError(f"a value is not finite: {texts}")
    if box != _BOX:
        if third < left or fourth < top:
            raise ValueError(f"the second corner is before the first: {texts}")
        third, fourth = third - left, fourth - top
    identity = _integer("id", fields.get("id", ""), smallest=UNKNOWN, empty=UNKNOWN)
    class_name = fields.get("class", _DEFAULT_CLASS)
    if not class_name:
        raise ValueError("the class is empty")
    return left, top, third, fourth, identity, class_names.setdefault(class_name, len(class_names))


def _integer(name: str, text: str, *, smallest: int, empty: int) -> int:
    if not text:
        return empty
    try:
        value = float(text)
    except ValueError:
        value = -np.inf
    if not smallest <= value < MAX_INTEGER or not value.is_integer():
        raise ValueError(f"{name} {text[:40]!r} is not a whole number from {smallest} up")
    return int(value)


def _to_annotations(
    path: Path, images: dict[str, _ImageRow], class_names: dict[str, int], boxes: np.ndarray
) -> Annotations:
    boxes = boxes[np.argsort(boxes[:, 0], kind="stable")]
    image_of, ids, classes, lines = boxes[:, [0, 5, 6, 7]].astype(np.int64).T
    sequences = {name: index for index, name in enumerate(dict.fromkeys(image.sequence for image in images.values()))}
    frames = np.array([image.frame for image in images.values()], dtype=np.int64)
    image_hw = np.array([(image.height, image.width) for image in images.values()], dtype=np.int64)
    return Annotations(
        images=tuple(images),
        counts=np.bincount(image_of, minlength=len(images)),
        boxes_tlwh=boxes[:, 1:5].astype(np.float32),
        ids=ids,
        classes=classes,
        class_names=tuple(class_names) or (_DEFAULT_CLASS,),
        label_files=(str(path),),
        lines=lines,
        sequences=tuple(sequences) or ("",),
        sequence_of=np.array([sequences[image.sequence] for image in images.values()], dtype=np.int64),
        frames=frames_from_one(frames, frames >= 0),
        image_hw=image_hw.reshape(-1, 2),
    )

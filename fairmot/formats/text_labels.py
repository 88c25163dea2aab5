"""Label text files of JDE and YOLO: one file per image, one box per row, in fractions of the image's sides.

JDE rows are `class id x_centre y_centre width height`, with id -1 where the identity is unknown (Wang et al., Towards
Real-Time Multi-Object Tracking, data set guide). YOLO rows are `class x_centre y_centre width height`, optionally with
a track id at the end (as Ultralytics writes tracks without scores). A class and the corners of a polygon (segments,
oriented boxes) are read as the polygon's bounding box; key points after the box are ignored.

Legend: F files, N boxes.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import MAX_INTEGER, MAX_VALUE, UNKNOWN, Annotations
from fairmot.utils.errors import InputError

_BOM = b"\xef\xbb\xbf"

RowParser = Callable[[list[float]], list[float]]  # numbers of a row -> class, id, centre and size; raises ValueError


def read_text_file(path: str) -> bytes | None:
    """Return a file's bytes without a byte order mark, None for a missing file; InputError for an unreadable one.

    Uses system calls directly: they are faster than file objects for hundreds of thousands of small files.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    try:
        parts = [os.read(handle, 1 << 16)]
        while parts[-1]:
            parts.append(os.read(handle, 1 << 20))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    finally:
        os.close(handle)
    text = parts[0] if len(parts) <= 2 else b"".join(parts)
    return text[3:] if text.startswith(_BOM) else text


def parse_jde(texts: Sequence[bytes], files: Sequence[str]) -> Annotations:
    """Parse the contents of JDE label files.

    files: F names for messages. Returns annotations of F images named like the files; `classes` are the numbers in the
    files and `class_names` is empty.

    Raises InputError naming file and line: not 6 numbers, a value that is not finite, a class that is not an integer
    from 0, an id that is not an integer from -1.
    """
    rows = _parse_table(texts, columns=6)
    if rows is None or not _has_valid_keys(rows[0]):
        rows = _parse_rows(texts, files, _jde_row)
    return _to_annotations(*rows, files)


def parse_yolo(texts: Sequence[bytes], files: Sequence[str], *, keypoint_values: int = 0) -> Annotations:
    """Parse the contents of YOLO label files: rows of 5 numbers, of 6 (a track id last), or polygons.

    files: as in `parse_jde`, and so is the result.
    keypoint_values: numbers after the box for key points; a row then has 5 + `keypoint_values` columns, or 5.

    Raises InputError naming file and line: another number of columns, a value that is not finite, a class that is not
    an integer from 0, a track id that is not an integer from -1.
    """
    rows = _parse_table(texts, columns=5)
    if rows is not None:
        rows = (np.insert(rows[0], 1, UNKNOWN, axis=1), *rows[1:])
    if rows is None or not _has_valid_keys(rows[0]):
        rows = _parse_rows(texts, files, partial(_yolo_row, keypoint_values=keypoint_values))
    return _to_annotations(*rows, files)


def _parse_table(texts: Sequence[bytes], *, columns: int) -> tuple[FloatArray, IntArray, IntArray] | None:
    """Return (N, columns) numbers, counts (F,) and lines (N,) by one vectorized parse; None where any row is unusual.

    Each line end becomes the number infinity. If exactly every (columns + 1)th number is infinite and their number is
    that of the lines, every line has its columns and every number is finite.
    """
    bare = [text.rstrip() for text in texts]
    counts = np.array([text.count(b"\n") + 1 if text else 0 for text in bare], dtype=np.int64)
    joined = b"\n".join(filter(None, bare))
    total = int(counts.sum())
    if b"_" in joined:  # float() accepts digit separators, label files must not have them
        return None
    try:
        values = np.array((joined.replace(b"\n", b" inf ") + b" inf").split() if total else [], dtype=np.float64)
    except ValueError:
        return None
    if values.size != total * (columns + 1):
        return None
    table = values.reshape(total, columns + 1)
    if not (np.isposinf(table[:, -1]).all() and (np.abs(table[:, :-1]) <= MAX_VALUE).all()):
        return None
    lines = np.arange(1, total + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    return table[:, :-1], counts, lines


def _has_valid_keys(rows: FloatArray) -> bool:
    """Whether class and id, the first two columns, are integers in their ranges."""
    keys = rows[:, :2]
    is_integer = (keys == np.floor(keys)).all() and (keys < MAX_INTEGER).all()
    return bool(is_integer and (keys >= (0, UNKNOWN)).all())


def _parse_rows(
    texts: Sequence[bytes], files: Sequence[str], parse_row: RowParser
) -> tuple[FloatArray, IntArray, IntArray]:
    """Return (N, 6) numbers, counts and lines, each row checked; InputError names the first wrong one."""
    rows: list[list[float]] = []
    lines: list[int] = []
    counts = np.zeros(len(texts), dtype=np.int64)
    for index, text in enumerate(texts):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                rows.append(_parse_line(line, parse_row, where=f"{files[index]}:{number}"))
                lines.append(number)
                counts[index] += 1
    return np.array(rows, dtype=np.float64).reshape(-1, 6), counts, np.array(lines, dtype=np.int64)


def _parse_line(line: bytes, parse_row: RowParser, *, where: str) -> list[float]:
    shown = ascii(line.strip()[:80].decode("utf-8", "replace"))
    try:
        if b"_" in line:
            raise ValueError
        values = [float(field) for field in line.split()]
    except ValueError:
        raise InputError(f"{where}: not a row of numbers: {shown}") from None
    if not all(abs(value) <= MAX_VALUE for value in values):  # False for NaN
        raise InputError(f"{where}: a value is not finite: {shown}")
    try:
        row = parse_row(values)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    for name, value, smallest in (("class", row[0], 0), ("identity", row[1], UNKNOWN)):
        if value != int(value) or not smallest <= value < MAX_INTEGER:
            raise InputError(f"{where}: {name} {value:g} is not a whole number from {smallest} up")
    return row


def _jde_row(values: list[float]) -> list[float]:
    if len(values) != 6:
        raise ValueError(f"{len(values)} columns, expected 6: class id x_centre y_centre width height")
    return values


def _yolo_row(values: list[float], *, keypoint_values: int) -> list[float]:
    columns = len(values)
    if columns == 5 or (keypoint_values and columns == 5 + keypoint_values):
        return [values[0], UNKNOWN, *values[1:5]]
    if keypoint_values:
        raise ValueError(f"{columns} columns, expected 5 + {keypoint_values}: class, box and key points")
    if columns == 6:
        if not values[5].is_integer():
            raise ValueError(f"{values[5]:g} in the sixth column; expected an integer track id, not a score")
        return [values[0], values[5], *values[1:5]]
    if columns >= 7 and columns % 2:  # a polygon
        x, y = values[1::2], values[2::2]
        return [values[0], UNKNOWN, (min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]
    raise ValueError(f"{columns} columns, expected 5 (class x_centre y_centre width height), 6 (... id) or a polygon")


def _to_annotations(rows: FloatArray, counts: IntArray, lines: IntArray, files: Sequence[str]) -> Annotations:
    boxes_tlwh = np.concatenate([rows[:, 2:4] - rows[:, 4:6] / 2, rows[:, 4:6]], axis=1)
    return Annotations(
        images=tuple(files),
        counts=counts,
        boxes_tlwh=boxes_tlwh.astype(np.float32),
        ids=rows[:, 1].astype(np.int64),
        classes=rows[:, 0].astype(np.int64),
        class_names=(),
        label_files=tuple(files),
        lines=lines,
    )

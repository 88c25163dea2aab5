"""Text labels, one file an image and one box a row, in shares of the image's sides: JDE's and YOLO's.

JDE rows are `class id x_centre y_centre width height`, with id -1 where the person is unknown (Wang et al., Towards
Real-Time Multi-Object Tracking, its data set guide). YOLO rows are `class x_centre y_centre width height`, and may end
in a track id (as Ultralytics writes tracks without scores); a class and the corners of a polygon (segments, oriented
boxes) stand for the box around it; where the data set has key points, they follow the box and are passed over.

Legend: F files, N boxes.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import UNKNOWN
from fairmot.utils.errors import InputError

_LARGEST_WHOLE = 2.0**53  # beyond it a float no longer tells whole numbers apart
_LARGEST = 1e30  # float32 holds it with room for sums
_BOM = b"\xef\xbb\xbf"

RowParser = Callable[[list[float]], list[float]]  # a row's numbers -> class, id, centre and size; ValueError says why


@dataclass(frozen=True)
class TextLabels:
    """Boxes of F label files, file after file.

    counts: (F,) boxes of each file.
    classes: (N,) int64 from 0.
    ids: (N,) int64, -1 where unknown.
    boxes_tlwh: (N, 4) float32 left, top, width, height, shares of the image's sides.
    lines: (N,) line in the file, from 1.
    """

    counts: IntArray
    classes: IntArray
    ids: IntArray
    boxes_tlwh: FloatArray
    lines: IntArray


def read_text_file(path: str) -> bytes | None:
    """Return a file's bytes without a byte order mark, None where there is no such file; InputError where unreadable.

    Bare system calls: of very many small files each microsecond counts.
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


def parse_jde(texts: Sequence[bytes], names: Sequence[str]) -> TextLabels:
    """Parse the contents of JDE label files.

    names: F, what messages call the files.
    Raises InputError naming file and line: not 6 numbers, a value that is not finite, a class that is not a whole
    number from 0, an id that is not a whole number from -1.
    """
    rows = _parse_together(texts, columns=6)
    if rows is None or not _are_keys(rows[0]):
        rows = _parse_one_by_one(texts, names, _jde_row)
    return _to_labels(*rows)


def parse_yolo(texts: Sequence[bytes], names: Sequence[str], *, keypoint_values: int = 0) -> TextLabels:
    """Parse the contents of YOLO label files: rows of 5 numbers, of 6 (a track id last), or polygons.

    names: F, what messages call the files.
    keypoint_values: numbers after the box that stand for key points; with them a row has 5 + so many, or 5.
    Raises InputError naming file and line: another number of columns, a value that is not finite, a class that is not a
    whole number from 0, a track id that is not a whole number from -1.
    """
    together = _parse_together(texts, columns=5)
    if together is not None:
        values, counts, lines = together
        values = np.insert(values, 1, UNKNOWN, axis=1)
        if _are_keys(values):
            return _to_labels(values, counts, lines)
    return _to_labels(*_parse_one_by_one(texts, names, partial(_yolo_row, keypoint_values=keypoint_values)))


def _parse_together(texts: Sequence[bytes], *, columns: int) -> tuple[FloatArray, IntArray, IntArray] | None:
    """Return (N, columns) numbers, counts and lines, parsed at C speed; None where anything needs a closer look.

    Each line end becomes the number infinity: where these stand in every (columns + 1)th place and nowhere else, and
    are as many as the lines, every line has its columns and every number is finite.
    """
    bare = [text.rstrip() for text in texts]
    counts = np.array([text.count(b"\n") + 1 if text else 0 for text in bare], dtype=np.int64)
    joined = b"\n".join(filter(None, bare))
    total = int(counts.sum())
    if b"_" in joined:  # Python's numbers may have them, label files may not
        return None
    try:
        values = np.array((joined.replace(b"\n", b" inf ") + b" inf").split() if total else [], dtype=np.float64)
    except ValueError:
        return None
    if values.size != total * (columns + 1):
        return None
    table = values.reshape(total, columns + 1)
    if not (np.isposinf(table[:, -1]).all() and (np.abs(table[:, :-1]) <= _LARGEST).all()):
        return None
    lines = np.arange(1, total + 1) - np.repeat(np.cumsum(counts) - counts, counts)
    return table[:, :-1], counts, lines


def _are_keys(rows: FloatArray) -> bool:
    """Whether class and id, the first two columns, are whole numbers in their ranges."""
    keys = rows[:, :2]
    whole = (keys == np.floor(keys)).all() and (keys < _LARGEST_WHOLE).all()
    return bool(whole and (keys[:, 0] >= 0).all() and (keys[:, 1] >= UNKNOWN).all())


def _parse_one_by_one(
    texts: Sequence[bytes], names: Sequence[str], parse_row: RowParser
) -> tuple[FloatArray, IntArray, IntArray]:
    """Return (N, 6) numbers, counts and lines, each row checked; InputError names the first wrong one."""
    rows: list[list[float]] = []
    lines: list[int] = []
    counts = np.zeros(len(texts), dtype=np.int64)
    for place, text in enumerate(texts):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                rows.append(_parse_line(line, parse_row, where=f"{names[place]}:{number}"))
                lines.append(number)
                counts[place] += 1
    return np.array(rows, dtype=np.float64).reshape(-1, 6), counts, np.array(lines, dtype=np.int64)


def _parse_line(line: bytes, parse_row: RowParser, *, where: str) -> list[float]:
    shown = ascii(line.strip()[:80].decode("utf-8", "replace"))
    try:
        if b"_" in line:
            raise ValueError
        values = [float(field) for field in line.split()]
    except ValueError:
        raise InputError(f"{where}: not a row of numbers: {shown}") from None
    if not all(abs(value) <= _LARGEST for value in values):  # neither NaN nor infinity is
        raise InputError(f"{where}: a value is not finite: {shown}")
    try:
        row = parse_row(values)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    for name, value, smallest in (("class", row[0], 0), ("identity", row[1], UNKNOWN)):
        if value != int(value) or not smallest <= value < _LARGEST_WHOLE:
            raise InputError(f"{where}: {name} {value:g} is not a whole number from {smallest} up")
    return row


def _jde_row(values: list[float]) -> list[float]:
    if len(values) != 6:
        raise ValueError(f"{len(values)} columns; 6 are wanted: class id x_centre y_centre width height")
    return values


def _yolo_row(values: list[float], *, keypoint_values: int) -> list[float]:
    columns = len(values)
    if columns == 5 or (keypoint_values and columns == 5 + keypoint_values):
        return [values[0], UNKNOWN, *values[1:5]]
    if keypoint_values:
        raise ValueError(f"{columns} columns; 5 + {keypoint_values} are wanted: class, box and key points")
    if columns == 6:
        if not values[5].is_integer():
            raise ValueError(f"{values[5]:g} in the sixth column, where a track id is wanted; scores are no labels")
        return [values[0], values[5], *values[1:5]]
    if columns >= 7 and columns % 2:
        return [values[0], UNKNOWN, *_around(values[1::2], values[2::2])]
    raise ValueError(f"{columns} columns; 5 (class x_centre y_centre width height), 6 (... id) or a polygon are wanted")


def _around(x: list[float], y: list[float]) -> tuple[float, float, float, float]:
    """Return centre and size of the box around a polygon."""
    left, right, top, bottom = min(x), max(x), min(y), max(y)
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _to_labels(rows: FloatArray, counts: IntArray, lines: IntArray) -> TextLabels:
    boxes_tlwh = np.concatenate([rows[:, 2:4] - rows[:, 4:6] / 2, rows[:, 4:6]], axis=1)
    return TextLabels(
        counts=counts,
        classes=rows[:, 0].astype(np.int64),
        ids=rows[:, 1].astype(np.int64),
        boxes_tlwh=boxes_tlwh.astype(np.float32),
        lines=lines,
    )

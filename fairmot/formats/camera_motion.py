"""Camera motion files: one affine transform per frame, estimated before tracking.

A line is `frame a11 a12 b1 a21 a22 b2`, separated by blanks, tabs or commas: the affine [[a11, a12, b1], [a21, a22,
b2]], in pixels, maps points of frame - 1 to frame. Frames count from 1; lines may be in any order; frames without a
line have no motion; `#` begins a comment.

The GMC files of BoT-SORT (Aharon et al. 2022) have the same columns, separated by tabs, but count frames from 0. So a
file whose smallest frame is 0 is read as counting from 0.
"""

import math
from pathlib import Path

import numpy as np

from fairmot.formats.text_io import read_text
from fairmot.geometry.arrays import FloatArray
from fairmot.structures.annotations import frames_from_one
from fairmot.utils.errors import InputError

COLUMNS = 7
MAX_FRAMES = 10_000_000


def read_camera_motion(path: Path) -> FloatArray:
    """Return (F, 2, 3) affines; row n - 1 maps points of frame n - 1 to frame n.

    F is the last frame that has a line, 0 for an empty file. Raises InputError with file and line: not 7 numbers, a
    value that is not finite, a frame that is not an integer from 0 to MAX_FRAMES, a duplicate frame, a singular affine.
    """
    rows: dict[int, list[float]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.partition("#")[0].replace(",", " ").split()
        if not fields:
            continue
        frame, values = _parse(f"{path}:{number}", fields)
        if frame in rows:
            raise InputError(f"{path}:{number}: duplicate frame {frame}")
        rows[frame] = values
    frames = np.array(list(rows), dtype=np.int64)
    indices = frames_from_one(frames, np.ones(len(frames), dtype=np.bool_)) - 1
    matrices = np.tile(np.eye(2, 3), (int(indices.max(initial=-1)) + 1, 1, 1))
    matrices[indices] = np.array(list(rows.values()), dtype=np.float64).reshape(-1, 2, 3)
    return matrices


def _parse(where: str, fields: list[str]) -> tuple[int, list[float]]:
    """Return frame and affine of a line; where: file and line number."""
    if len(fields) != COLUMNS:
        raise InputError(f"{where}: {len(fields)} columns; expected {COLUMNS}: frame a11 a12 b1 a21 a22 b2")
    try:
        frame, *values = (float(field) for field in fields)
    except ValueError:
        raise InputError(f"{where}: not a row of numbers: {' '.join(fields)[:80]!r}") from None
    if not all(map(math.isfinite, values)):
        raise InputError(f"{where}: a value is not finite: {' '.join(fields)[:80]!r}")
    if not 0 <= frame <= MAX_FRAMES or not frame.is_integer():
        raise InputError(f"{where}: frame {fields[0]} is not an integer from 0 to {MAX_FRAMES}")
    if values[0] * values[4] == values[1] * values[3]:
        raise InputError(f"{where}: singular affine")
    return int(frame), values

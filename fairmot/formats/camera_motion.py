"""Files of camera motion: one affine a frame, estimated before tracking.

A line is `frame a11 a12 b1 a21 a22 b2`, parted by blanks, tabs or commas: the affine [[a11, a12, b1], [a21, a22, b2]]
in pixels carries points of frame - 1 to frame. Frames count from 1; lines may stand in any order; frames without a line
stand still; `#` begins a comment.

The GMC files published with BoT-SORT (Aharon et al. 2022) have the same columns, parted by tabs, but count frames from
0, the first being the identity. So a file in which the smallest frame is 0 is taken to count from 0.
"""

import math
from pathlib import Path

import numpy as np

from fairmot.formats.atomic import write_text
from fairmot.formats.text_io import read_text
from fairmot.geometry.arrays import FloatArray, require_shape
from fairmot.structures.annotations import frames_from_one
from fairmot.utils.errors import InputError

COLUMNS = 7
MAX_FRAMES = 10_000_000


def read_camera_motion(path: Path) -> FloatArray:
    """Return (F, 2, 3) affines: place n - 1 holds frame n's, which carries points of frame n - 1 to n.

    F is the last frame that has a line, 0 in an empty file. InputError names file and line: not 7 numbers, a value
    that is not finite, a frame that is not a whole number from 0 to MAX_FRAMES, a frame that is there twice, an affine
    that has no inverse.
    """
    rows: dict[int, list[float]] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.partition("#")[0].replace(",", " ").split()
        if not fields:
            continue
        frame, values = _parse(f"{path}:{number}", fields)
        if frame in rows:
            raise InputError(f"{path}:{number}: frame {frame} has a line above already")
        rows[frame] = values
    frames = np.array(list(rows), dtype=np.int64)
    places = frames_from_one(frames, np.ones(len(frames), dtype=np.bool_)) - 1
    matrices = np.tile(np.eye(2, 3), (int(places.max(initial=-1)) + 1, 1, 1))
    matrices[places] = np.array(list(rows.values()), dtype=np.float64).reshape(-1, 2, 3)
    return matrices


def write_camera_motion(path: Path, matrices: FloatArray) -> None:
    """Write (F, 2, 3) affines atomically, the first as frame 1's, so that reading gives the same numbers again.

    ValueError for a shape that is another or a value that is not finite.
    """
    require_shape("matrices", matrices, (None, 2, 3))
    if not np.isfinite(matrices).all():
        raise ValueError("matrices: a value is not finite")
    lines = ["# frame a11 a12 b1 a21 a22 b2: carries points of frame - 1 to frame, px\n"]
    for frame, row in enumerate(np.asarray(matrices, dtype=np.float64).reshape(-1, 6).tolist(), 1):
        lines.append(f"{frame} {' '.join(map(repr, row))}\n")
    write_text(path, "".join(lines))


def _parse(where: str, fields: list[str]) -> tuple[int, list[float]]:
    """Return frame and affine of a line; `where` is its file and number."""
    if len(fields) != COLUMNS:
        raise InputError(f"{where}: {len(fields)} columns where {COLUMNS} are wanted: frame a11 a12 b1 a21 a22 b2")
    try:
        frame, *values = (float(field) for field in fields)
    except ValueError:
        raise InputError(f"{where}: not a row of numbers: {' '.join(fields)[:80]!r}") from None
    if not all(map(math.isfinite, values)):
        raise InputError(f"{where}: a value is not finite: {' '.join(fields)[:80]!r}")
    if not 0 <= frame <= MAX_FRAMES or not frame.is_integer():
        raise InputError(f"{where}: frame {fields[0]} is not a whole number from 0 to {MAX_FRAMES}")
    if values[0] * values[4] == values[1] * values[3]:
        raise InputError(f"{where}: this affine has no inverse: no camera moves so")
    return int(frame), values

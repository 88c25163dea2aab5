"""Offline refinement of a finished result: short tracks out, gaps filled, boxes smoothed.

A track is one identity of one class. The gap between two sightings of a track is the number of frames missing between
them; it is filled when that is `max_gap` or less. A filled row's confidence is the lower of both ends', its box lies
between theirs, the rest is the earlier end's, and its line is 0. Tables come back by frame, then identity, then class.

Legend: N rows, T frames of a piece of a track.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from fairmot.geometry.arrays import BoolArray, FloatArray
from fairmot.structures.sequence import BoxTable

WINDOW = 200  # frames that are smoothed together
OVERLAP = 50  # frames that neighbouring windows share, at least
NOISE = 1e-3  # standard deviation of a box's error, in those of its process


@dataclass(frozen=True)
class PostprocessOptions:
    """What `refine` does.

    interpolate: `none`, `linear` or `gaussian`. max_gap: frames missing in a gap that is filled, at most. smooth: the
    tau of `interpolate_gaussian`. min_length: sightings below which a track is left out; 0 keeps all.
    """

    interpolate: Literal["none", "linear", "gaussian"] = "none"
    max_gap: int = 20
    tau: float = 10.0
    min_track_length: int = 0

    def __post_init__(self) -> None:
        if self.interpolate not in ("none", "linear", "gaussian"):
            raise ValueError(f"interpolate: unknown {self.interpolate!r}; choose from none, linear, gaussian")
        if self.tau <= 1:
            raise ValueError(f"smooth: {self.tau} is not above 1")


def postprocess(table: BoxTable, options: PostprocessOptions) -> BoxTable:
    """Leave out short tracks, by what was seen of them, then fill the gaps of the others.

    In a table of fewer frames than `min_length` the tracks of all its frames stay.
    """
    frames = int(np.ptp(table.frames)) + 1 if len(table) else 0
    kept = drop_short(table, min_track_length=min(options.min_track_length, frames))
    if options.interpolate == "linear":
        return interpolate_linear(kept, max_gap=options.max_gap)
    if options.interpolate == "gaussian":
        return interpolate_gaussian(kept, max_gap=options.max_gap, tau=options.tau)
    return kept


def drop_short(table: BoxTable, *, min_track_length: int) -> BoxTable:
    """Leave out the tracks seen in fewer than `min_length` frames; ValueError for a track that is twice in a frame."""
    rows = _by_track(table)
    _, track_of, lengths = np.unique(
        np.column_stack([rows.classes, rows.ids]), axis=0, return_inverse=True, return_counts=True
    )
    return _by_frame(rows[lengths[track_of.ravel()] >= min_track_length])


def interpolate_linear(table: BoxTable, *, max_gap: int) -> BoxTable:
    """Fill gaps along the straight line between both ends; what was seen stays as it is.

    ValueError for a track that is twice in a frame.
    """
    return _by_frame(_fill(_by_track(table), max_gap))


def interpolate_gaussian(table: BoxTable, *, max_gap: int, tau: float) -> BoxTable:
    """Fill gaps and smooth every box by Gaussian process regression over time.

    After the Gaussian-smoothed interpolation of Du et al., StrongSORT (2023): gaps are filled along straight lines;
    then centre x and y, width and height are each regressed on time by a Gaussian process with an RBF kernel whose
    length scale is tau * ln(tau^3 / l) frames, kept within [1 / tau, tau^2]: tau is `smooth`, l the length in frames.

    Two things differ from theirs. The process is one about the straight line of least squares, so that what moves at a
    constant velocity stays as it is. And a track is smoothed in pieces, parted where a gap stays open, in windows of
    WINDOW frames, l being the window's: neighbours share OVERLAP frames or more, over which one fades into the other.
    So the cost grows with a track's length, not with its cube, and long tracks are smoothed too (theirs leaves tracks
    of more than tau^3 frames as they are). Widths and heights stay at or above the least of their piece.

    ValueError for a track that is twice in a frame, or `smooth` of 1 or less.
    """
    if tau <= 1:
        raise ValueError(f"smooth: {tau} is not above 1")
    filled = _fill(_by_track(table), max_gap)
    boxes = np.array(filled.boxes_tlwh, dtype=np.float64)
    for start, end in _pieces(filled):
        boxes[start:end] = _smooth_piece(boxes[start:end], tau)
    return _by_frame(replace(filled, boxes_tlwh=boxes))


def _pieces(rows: BoxTable) -> Iterator[tuple[int, int]]:
    """Yield first row and end of each run of frames without a gap, of a table by track."""
    parted = ~(_same_track(rows) & (np.diff(rows.frames) == 1))
    borders = [0, *(np.flatnonzero(parted) + 1).tolist(), len(rows)]
    yield from pairwise(borders) if len(rows) else ()


def _by_track(table: BoxTable) -> BoxTable:
    """Return the rows by class, identity and frame; ValueError for a track that is twice in a frame."""
    rows = table[np.lexsort((table.frames, table.ids, table.classes))]
    twice = np.flatnonzero(_same_track(rows) & (np.diff(rows.frames) == 0))
    if len(twice):
        row = int(twice[0])
        raise ValueError(f"table: identity {rows.ids[row]} is in frame {rows.frames[row]} twice")
    return rows


def _by_frame(table: BoxTable) -> BoxTable:
    return table[np.lexsort((table.classes, table.ids, table.frames))]


def _same_track(rows: BoxTable) -> BoolArray:
    """(N - 1,) whether each row and the next are of one track."""
    return np.asarray((np.diff(rows.ids) == 0) & (np.diff(rows.classes) == 0))


def _fill(rows: BoxTable, max_gap: int) -> BoxTable:
    """Put rows into the gaps of a table by track, along straight lines."""
    missing = np.where(_same_track(rows), np.diff(rows.frames) - 1, 0)
    counts = np.append(np.where(missing <= max_gap, missing, 0), 0)[: len(rows)]
    source = np.repeat(np.arange(len(rows)), counts + 1)
    step = np.arange(len(source)) - np.repeat(np.cumsum(counts + 1) - counts - 1, counts + 1)
    following = np.minimum(source + 1, len(rows) - 1)
    share = (step / (counts[source] + 1))[:, None]
    seen = step == 0
    lowest = np.minimum(rows.confidences[source], rows.confidences[following])
    between = rows.boxes_tlwh[source] * (1 - share) + rows.boxes_tlwh[following] * share
    return replace(
        rows[source],
        frames=rows.frames[source] + step,
        boxes_tlwh=np.where(seen[:, None], rows.boxes_tlwh[source], between),
        confidences=np.where(seen, rows.confidences[source], lowest),
        lines=np.where(seen, rows.lines[source], 0),
    )


def _smooth_piece(boxes_T4: FloatArray, tau: float) -> FloatArray:
    """Return the smoothed boxes (T, 4), left, top, width, height, of one piece: a box a frame."""
    values_T4 = np.column_stack([boxes_T4[:, :2] + boxes_T4[:, 2:] / 2, boxes_T4[:, 2:]])
    total_T4, weight_T1 = np.zeros_like(values_T4), np.zeros((len(values_T4), 1))
    for start, end in _windows(len(values_T4)):
        fade_T1 = _fade(start, end, len(values_T4))
        total_T4[start:end] += fade_T1 * _regress(values_T4[start:end], tau)
        weight_T1[start:end] += fade_T1
    smooth_T4 = total_T4 / weight_T1
    smooth_T4[:, 2:] = np.maximum(smooth_T4[:, 2:], boxes_T4[:, 2:].min(axis=0))
    return np.column_stack([smooth_T4[:, :2] - smooth_T4[:, 2:] / 2, smooth_T4[:, 2:]])


def _windows(length: int) -> list[tuple[int, int]]:
    """Return first and end of the windows that cover `length` frames, evenly spread.

    >>> _windows(120), _windows(330), _windows(500)
    ([(0, 120)], [(0, 200), (130, 330)], [(0, 200), (150, 350), (300, 500)])
    """
    count = max(1, math.ceil((length - OVERLAP) / (WINDOW - OVERLAP)))
    starts = np.rint(np.linspace(0, max(length - WINDOW, 0), count)).astype(np.int64)
    return [(start, min(start + WINDOW, length)) for start in starts.tolist()]


def _fade(start: int, end: int, length: int) -> FloatArray:
    """(T, 1) weights of a window: 1 within, and falling linearly over OVERLAP frames to an end that is not the piece's.

    >>> _fade(0, 200, 330)[[0, 149, 150, 199], 0].round(2).tolist()
    [1.0, 1.0, 0.99, 0.01]
    """
    places = np.arange(start, end) + 0.5
    rising = (places - start) / OVERLAP if start > 0 else np.ones_like(places)
    falling = (end - places) / OVERLAP if end < length else np.ones_like(places)
    return np.minimum(1.0, np.minimum(rising, falling))[:, None]


def _regress(values_T4: FloatArray, tau: float) -> FloatArray:
    """Return the mean of the Gaussian processes given `values_T4`, one a column, at the same T frames."""
    length = len(values_T4)
    times = np.arange(length) - (length - 1) / 2
    spread = float(times @ times)
    slopes = times @ values_T4 / spread if spread > 0 else np.zeros(values_T4.shape[1])
    lines_T4 = values_T4.mean(axis=0) + times[:, None] * slopes
    scale = float(np.clip(tau * math.log(tau**3 / length), 1 / tau, tau**2))
    kernel = np.exp(-0.5 * ((times[:, None] - times) / scale) ** 2)
    factor = cho_factor(kernel + NOISE**2 * np.eye(length))
    return np.asarray(lines_T4 + kernel @ cho_solve(factor, values_T4 - lines_T4))

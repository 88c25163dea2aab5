"""Offline postprocessing of results: removal of short tracks, interpolation of gaps, smoothing of boxes.

A track is one identity of one class. The gap between two of its rows is the number of missing frames; gaps up to
`max_gap` are filled. The confidence of a filled row is the lower one of both ends, its box is interpolated, its line is
0, the other columns are the earlier end's. Tables are returned by frame, then identity, then class.

Legend: N rows, T frames of a segment of a track.
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
from fairmot.tracking.options import require_choice

WINDOW = 200  # frames that are smoothed together
OVERLAP = 50  # smallest overlap of neighbouring windows, frames
NOISE = 1e-3  # standard deviation of the measurement error, relative to that of the process


@dataclass(frozen=True)
class PostprocessOptions:
    """Options of `postprocess`.

    interpolate: `none`, `linear` or `gaussian`. max_gap: largest number of missing frames of a filled gap. tau: of
    `interpolate_gaussian`. min_track_length: smallest number of rows of a track.
    """

    interpolate: Literal["none", "linear", "gaussian"] = "none"
    max_gap: int = 20
    tau: float = 10.0
    min_track_length: int = 0

    def __post_init__(self) -> None:
        require_choice("interpolate", self.interpolate, ("none", "linear", "gaussian"))
        if self.tau <= 1:
            raise ValueError(f"tau: {self.tau} is not above 1")


def postprocess(table: BoxTable, options: PostprocessOptions) -> BoxTable:
    """Drop short tracks, then fill the gaps of the others.

    In a table of fewer frames than `min_track_length`, the tracks with a row in every frame are kept.
    """
    frames = int(np.ptp(table.frames)) + 1 if len(table) else 0
    kept = drop_short(table, min_track_length=min(options.min_track_length, frames))
    if options.interpolate == "linear":
        return interpolate_linear(kept, max_gap=options.max_gap)
    if options.interpolate == "gaussian":
        return interpolate_gaussian(kept, max_gap=options.max_gap, tau=options.tau)
    return kept


def drop_short(table: BoxTable, *, min_track_length: int) -> BoxTable:
    """Drop the tracks of fewer than `min_track_length` rows; ValueError for a repeated track in a frame."""
    rows = _by_track(table)
    _, track_of, lengths = np.unique(
        np.column_stack([rows.classes, rows.ids]), axis=0, return_inverse=True, return_counts=True
    )
    return _by_frame(rows[lengths[track_of.ravel()] >= min_track_length])


def interpolate_linear(table: BoxTable, *, max_gap: int) -> BoxTable:
    """Fill gaps by linear interpolation; ValueError for a repeated track in a frame."""
    return _by_frame(_fill(_by_track(table), max_gap))


def interpolate_gaussian(table: BoxTable, *, max_gap: int, tau: float) -> BoxTable:
    """Fill gaps and smooth all boxes by Gaussian process regression over time.

    Gaussian-smoothed interpolation of Du et al., StrongSORT (2023): gaps are filled linearly; then centre, width and
    height are each regressed on time by a Gaussian process with an RBF kernel of length scale tau * ln(tau^3 / l)
    frames, clipped to [1 / tau, tau^2], l the length in frames.

    Two differences: the mean of the process is the least-squares line, so that constant velocity is preserved; and a
    track is smoothed in segments without open gaps, in windows of WINDOW frames (l is the window's) that overlap by
    OVERLAP frames or more and are blended, so that the cost is linear in the length. (StrongSORT leaves tracks of more
    than tau^3 frames unchanged.) Widths and heights stay at or above the segment's smallest.

    ValueError for a repeated track in a frame, or `tau` of 1 or less.
    """
    if tau <= 1:
        raise ValueError(f"tau: {tau} is not above 1")
    filled = _fill(_by_track(table), max_gap)
    boxes = np.array(filled.boxes_tlwh, dtype=np.float64)
    for start, end in _segments(filled):
        boxes[start:end] = _smooth_segment(boxes[start:end], tau)
    return _by_frame(replace(filled, boxes_tlwh=boxes))


def _segments(rows: BoxTable) -> Iterator[tuple[int, int]]:
    """Yield start and stop rows of each run of frames without a gap, of a table sorted by track."""
    split = ~(_same_track(rows) & (np.diff(rows.frames) == 1))
    borders = [0, *(np.flatnonzero(split) + 1).tolist(), len(rows)]
    yield from pairwise(borders) if len(rows) else ()


def _by_track(table: BoxTable) -> BoxTable:
    """Return the rows by class, identity and frame; ValueError for a repeated track in a frame."""
    rows = table[np.lexsort((table.frames, table.ids, table.classes))]
    repeated = np.flatnonzero(_same_track(rows) & (np.diff(rows.frames) == 0))
    if len(repeated):
        row = int(repeated[0])
        raise ValueError(f"table: identity {rows.ids[row]} is in frame {rows.frames[row]} twice")
    return rows


def _by_frame(table: BoxTable) -> BoxTable:
    return table[np.lexsort((table.classes, table.ids, table.frames))]


def _same_track(rows: BoxTable) -> BoolArray:
    """(N - 1,) whether a row and the next belong to one track."""
    return np.asarray((np.diff(rows.ids) == 0) & (np.diff(rows.classes) == 0))


def _fill(rows: BoxTable, max_gap: int) -> BoxTable:
    """Fill the gaps of a table sorted by track by linear interpolation."""
    missing = np.where(_same_track(rows), np.diff(rows.frames) - 1, 0)
    counts = np.append(np.where(missing <= max_gap, missing, 0), 0)[: len(rows)]
    source = np.repeat(np.arange(len(rows)), counts + 1)
    step = np.arange(len(source)) - np.repeat(np.cumsum(counts + 1) - counts - 1, counts + 1)
    following = np.minimum(source + 1, len(rows) - 1)
    fraction = (step / (counts[source] + 1))[:, None]
    observed = step == 0
    lowest = np.minimum(rows.confidences[source], rows.confidences[following])
    between = rows.boxes_tlwh[source] * (1 - fraction) + rows.boxes_tlwh[following] * fraction
    return replace(
        rows[source],
        frames=rows.frames[source] + step,
        boxes_tlwh=np.where(observed[:, None], rows.boxes_tlwh[source], between),
        confidences=np.where(observed, rows.confidences[source], lowest),
        lines=np.where(observed, rows.lines[source], 0),
    )


def _smooth_segment(boxes_T4: FloatArray, tau: float) -> FloatArray:
    """Return the smoothed boxes (T, 4) tlwh of one segment, one per frame."""
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
    """Return start and stop of the windows that cover `length` frames, evenly spread.

    >>> _windows(120), _windows(330), _windows(500)
    ([(0, 120)], [(0, 200), (130, 330)], [(0, 200), (150, 350), (300, 500)])
    """
    count = max(1, math.ceil((length - OVERLAP) / (WINDOW - OVERLAP)))
    starts = np.rint(np.linspace(0, max(length - WINDOW, 0), count)).astype(np.int64)
    return [(start, min(start + WINDOW, length)) for start in starts.tolist()]


def _fade(start: int, end: int, length: int) -> FloatArray:
    """(T, 1) weights of a window: 1, with linear ramps of OVERLAP frames at ends within the segment.

    >>> _fade(0, 200, 330)[[0, 149, 150, 199], 0].round(2).tolist()
    [1.0, 1.0, 0.99, 0.01]
    """
    times = np.arange(start, end) + 0.5
    rising = (times - start) / OVERLAP if start > 0 else np.ones_like(times)
    falling = (end - times) / OVERLAP if end < length else np.ones_like(times)
    return np.minimum(1.0, np.minimum(rising, falling))[:, None]


def _regress(values_T4: FloatArray, tau: float) -> FloatArray:
    """Return the posterior means of the Gaussian processes of the columns, at the same T frames."""
    length = len(values_T4)
    times = np.arange(length) - (length - 1) / 2
    spread = float(times @ times)
    slopes = times @ values_T4 / spread if spread > 0 else np.zeros(values_T4.shape[1])
    lines_T4 = values_T4.mean(axis=0) + times[:, None] * slopes
    scale = float(np.clip(tau * math.log(tau**3 / length), 1 / tau, tau**2))
    kernel = np.exp(-0.5 * ((times[:, None] - times) / scale) ** 2)
    factor = cho_factor(kernel + NOISE**2 * np.eye(length))
    return np.asarray(lines_T4 + kernel @ cho_solve(factor, values_T4 - lines_T4))

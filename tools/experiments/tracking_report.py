"""Markdown tables of the gain of each tracker part.

Legend: R seeds of the simulated detector, S segments, C counts, M metrics (tracking_bootstrap.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tracking_bootstrap import METRICS, Interval, combine, compare, draw_segments
from tracking_rows import Row

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.utils.seed import make_rng

NUM_FRACTIONS = 3  # the first of METRICS, printed in percent; the others are counts


class RowCounts(NamedTuple):
    """Counts of a row: (R, C) of full sequences for each seed, (S, C) of segments, summed over seeds."""

    full: FloatArray
    segments: FloatArray


def format_tables(
    rows: Sequence[Row], counts: Mapping[str, RowCounts], *, title: str, draws: int, detections: str
) -> str:
    """Return the table of scores, the table of differences over segments with intervals, and notes.

    detections: description of the detections.
    """
    segments = len(counts[rows[0].key].segments)
    weights = draw_segments(segments, draws, make_rng(segments))
    lines = [
        f"### {title}",
        "",
        *_table(
            ["row", *METRICS, "against", *(f"{name} +" for name in METRICS), "HOTA + by seed"], _scores(rows, counts)
        ),
        "",
        *_table(
            ["row", "against", *(f"{name} +" for name in METRICS[:NUM_FRACTIONS])], _intervals(rows, counts, weights)
        ),
        "",
        f"Scores of {detections}, in percent except IDSW (mean over seeds).",
        "First table: full sequences.",
        f"Second table: {segments} segments, each scored as a sequence over all seeds, with the 95 % interval",
        f"of {draws} paired bootstrap draws; bold where it excludes 0.",
        "Only the first table includes identity changes from one segment to the next.",
    ]
    return "".join(f"{line}\n" for line in lines)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows)]


def _percent(scores: FloatArray, seeds: int = 1) -> FloatArray:
    """(..., M) fractions and counts of all seeds -> percent, and counts of one seed."""
    factors = np.array([100.0] * NUM_FRACTIONS + [1.0 / seeds] * (len(METRICS) - NUM_FRACTIONS))
    return np.asarray(scores * factors)


def _scores(rows: Sequence[Row], counts: Mapping[str, RowCounts]) -> list[list[str]]:
    lines = []
    for row in rows:
        own, base = counts[row.key].full, counts[row.base].full
        scores, others = (_percent(combine(each.sum(axis=0, keepdims=True))[0], len(each)) for each in (own, base))
        cells = [f"{value:.1f}" for value in scores]
        if row.key == row.base:
            lines.append([row.key, *cells, *[""] * (len(METRICS) + 2)])
            continue
        by_seed = _percent(combine(own) - combine(base))[:, 0]
        differences = [f"{value:+.1f}" for value in scores - others]
        lines.append([row.key, *cells, row.base, *differences, ", ".join(f"{value:+.1f}" for value in by_seed)])
    return lines


def _intervals(rows: Sequence[Row], counts: Mapping[str, RowCounts], weights: IntArray) -> list[list[str]]:
    return [
        [row.key, row.base, *_interval_cells(compare(counts[row.key].segments, counts[row.base].segments, weights))]
        for row in rows
        if row.key != row.base
    ]


def _interval_cells(found: Interval) -> list[str]:
    cells = []
    for index in range(NUM_FRACTIONS):
        difference, low, high = (100 * float(values[index]) for values in found)
        text = f"{difference:+.1f} ({low:+.1f} to {high:+.1f})"
        cells.append(f"**{text}**" if low > 0 or high < 0 else text)
    return cells

"""The tables of what each part of the tracker gains, as markdown.

Legend: R seeds of the stand-in, S segments, C counts, M metrics (tracking_bootstrap.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tracking_bootstrap import METRICS, Interval, combine, compare, draw_segments
from tracking_rows import Row

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.utils.seed import make_rng

SHARES = 3  # of METRICS, the first: shown in percent; the rest are counts


class Counted(NamedTuple):
    """A row's counts: (R, C) of whole sequences for each seed, (S, C) of segments, over all seeds."""

    whole: FloatArray
    segments: FloatArray


def format_tables(rows: Sequence[Row], counts: Mapping[str, Counted], *, title: str, draws: int, of: str) -> str:
    """Return the scores, the differences over segments with their intervals, and what the numbers are.

    of: whose detections they are.
    """
    segments = len(counts[rows[0].key].segments)
    taken = draw_segments(segments, draws, make_rng(segments))
    lines = [
        f"### {title}",
        "",
        *_table(
            ["row", *METRICS, "against", *(f"{name} +" for name in METRICS), "HOTA + by seed"], _scores(rows, counts)
        ),
        "",
        *_table(["row", "against", *(f"{name} +" for name in METRICS[:SHARES])], _intervals(rows, counts, taken)),
        "",
        f"Scores of {of}, percent but for IDSW (a seed's mean).",
        "First table: whole sequences.",
        f"Second: {segments} segments, each scored as a sequence and counted with all its seeds, and the 95 % interval",
        f"of {draws} paired bootstrap draws; bold where it leaves out 0.",
        "What becomes of identities from one segment to the next counts in the first table alone.",
    ]
    return "".join(f"{line}\n" for line in lines)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows)]


def _percent(scores: FloatArray, seeds: int = 1) -> FloatArray:
    """(..., M) fractions and counts of all seeds -> percent, and counts of one seed."""
    factors = np.array([100.0] * SHARES + [1.0 / seeds] * (len(METRICS) - SHARES))
    return np.asarray(scores * factors)


def _scores(rows: Sequence[Row], counts: Mapping[str, Counted]) -> list[list[str]]:
    lines = []
    for row in rows:
        own, base = counts[row.key].whole, counts[row.base].whole
        scores, others = (_percent(combine(each.sum(axis=0, keepdims=True))[0], len(each)) for each in (own, base))
        cells = [f"{value:.1f}" for value in scores]
        if row.key == row.base:
            lines.append([row.key, *cells, *[""] * (len(METRICS) + 2)])
            continue
        by_seed = _percent(combine(own) - combine(base))[:, 0]
        differences = [f"{value:+.1f}" for value in scores - others]
        lines.append([row.key, *cells, row.base, *differences, ", ".join(f"{value:+.1f}" for value in by_seed)])
    return lines


def _intervals(rows: Sequence[Row], counts: Mapping[str, Counted], taken: IntArray) -> list[list[str]]:
    return [
        [row.key, row.base, *_interval_cells(compare(counts[row.key].segments, counts[row.base].segments, taken))]
        for row in rows
        if row.key != row.base
    ]


def _interval_cells(found: Interval) -> list[str]:
    cells = []
    for place in range(SHARES):
        difference, low, high = (100 * float(values[place]) for values in found)
        text = f"{difference:+.1f} ({low:+.1f} to {high:+.1f})"
        cells.append(f"**{text}**" if low > 0 or high < 0 else text)
    return cells

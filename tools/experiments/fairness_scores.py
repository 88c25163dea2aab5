"""Scores of the runs of the fairness table: means over seeds, differences with intervals, Markdown tables.

Legend: S seeds, M metrics.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from fairness_rows import TableRow
from scipy import stats
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fairmot.geometry.arrays import FloatArray

METRICS = ("HOTA", "MOTA", "IDF1", "IDSW")
RATE = "TPR@FAR=0.1"
TITLES = (*METRICS, "TPR at FAR 0.1")
COUNTED = METRICS.index("IDSW")  # the others are fractions, printed in percent
CONFIDENCE = 0.95
LOSSES = ("heatmap", "identity")
AVERAGED_STEPS = 10  # at the start and at the end of a run

Scores = Mapping[int, FloatArray]  # seed -> (M,)


def is_scored(folder: Path) -> bool:
    """Whether a run has scores."""
    return all((folder / name).exists() for name in ("metrics.json", "reid.json"))


def read_scores(folder: Path) -> FloatArray:
    """Return (M,) combined scores and the re-ID rate; fractions in percent, NaN for a rate without pairs."""
    combined = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["COMBINED"]
    rate = json.loads((folder / "reid.json").read_text(encoding="utf-8"))[RATE]
    values = np.array([*(combined[name] for name in METRICS), np.nan if rate is None else rate], dtype=np.float64)
    return np.asarray(values * np.where(np.arange(len(values)) == COUNTED, 1, 100))


def read_all(rows: Iterable[TableRow], work: Path) -> dict[str, Scores]:
    """Return the available scores of the rows, by key."""
    found = {
        row.key: {seed: read_scores(row.scores(work, seed)) for seed in row.seeds if is_scored(row.scores(work, seed))}
        for row in rows
    }
    return {key: scores for key, scores in found.items() if scores}


def format_table(rows: Sequence[TableRow], work: Path) -> str:
    """Return Markdown tables of scores and differences, notes, and the list of missing runs."""
    scores = read_all(rows, work)
    missing = [row.scores(work, seed) for row in rows for seed in row.seeds if seed not in scores.get(row.key, {})]
    lines = [
        *table(["row", "seeds", *TITLES], [_mean_cells(row, scores[row.key]) for row in rows if row.key in scores]),
        "",
        *table(["row", "against", *TITLES], _difference_rows(rows, scores)),
        "",
        *table_notes(scores.values()),
        *(f"Missing: {path.relative_to(work)}" for path in missing),
    ]
    return "".join(f"{line}\n" for line in lines)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a markdown table.

    >>> table(["a", "b"], [["1", "2"]])
    ['| a | b |', '| --- | --- |', '| 1 | 2 |']
    """
    return [f"| {' | '.join(row)} |" for row in (titles, ["---"] * len(titles), *rows)]


def _mean_cells(row: TableRow, scores: Scores) -> list[str]:
    values_SM = np.stack(list(scores.values()))
    several = len(values_SM) > 1
    spreads = values_SM.std(axis=0, ddof=1) if several else np.full(values_SM.shape[1], np.nan)
    digits = [0 if metric == COUNTED and not several else 1 for metric in range(values_SM.shape[1])]
    cells = map(_number, values_SM.mean(axis=0), spreads, digits)
    return [row.label, ", ".join(map(str, scores)), *cells]


def _number(value: float, spread: float = np.nan, digits: int = 1, *, sign: str = "") -> str:
    if np.isnan(value):
        return "-"
    return f"{value:{sign}.{digits}f}" + ("" if np.isnan(spread) else f" ± {spread:.1f}")


def _difference_rows(rows: Sequence[TableRow], scores: Mapping[str, Scores]) -> list[list[str]]:
    labels = {row.key: row.label for row in rows}
    noise = pooled_spread(scores.values())
    lines = []
    for row in rows:
        own, base = scores.get(row.key, {}), scores.get(row.base, {})
        if row.key == row.base or not own.keys() & base.keys():
            continue
        differences, margins = compare(own, base, noise)
        cells = [_difference(value, margin) for value, margin in zip(differences, margins, strict=True)]
        lines.append([row.label, labels[row.base], *cells])
    return lines


def _difference(value: float, margin: float) -> str:
    text = _number(value, margin, sign="+")
    return f"**{text}**" if abs(value) > margin else text


def pooled_spread(scores: Iterable[Scores]) -> tuple[FloatArray, int]:
    """Return (M,) the standard deviation over seeds, pooled over the rows with several, and its degrees of freedom.

    >>> spread, freedom = pooled_spread([{1: np.array([1.0]), 2: np.array([3.0])}, {1: np.array([9.0])}])
    >>> spread.round(3).tolist(), freedom
    ([1.414], 1)
    """
    groups_SM = [np.stack(list(of_row.values())) for of_row in scores if len(of_row) > 1]
    freedom = sum(len(group) - 1 for group in groups_SM)
    if not freedom:
        return np.full(len(TITLES), np.nan), 0
    squares = sum(((group - group.mean(axis=0)) ** 2).sum(axis=0) for group in groups_SM)
    return np.sqrt(squares / freedom), freedom


def compare(own: Scores, base: Scores, noise: tuple[FloatArray, int]) -> tuple[FloatArray, FloatArray]:
    """Return (M,) mean differences, and half the width of their 95 % intervals.

    Several common seeds: Student's t over the paired differences. One seed: the difference to the mean over the S seeds
    of the base, with sqrt(1 + 1 / S) times the pooled standard deviation; NaN if no row has several seeds.
    """
    pairs_SM = np.stack([own[seed] - base[seed] for seed in own if seed in base])
    count = len(pairs_SM)
    if count > 1:
        return pairs_SM.mean(axis=0), _quantile(count - 1) * pairs_SM.std(axis=0, ddof=1) / np.sqrt(count)
    (value_M,), base_SM = own.values(), np.stack(list(base.values()))
    spread, freedom = noise
    return value_M - base_SM.mean(axis=0), _quantile(freedom) * np.sqrt(1 + 1 / len(base_SM)) * spread


def _quantile(freedom: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) if freedom else float("nan")


def table_notes(scores: Iterable[Scores]) -> list[str]:
    """Return the notes on both tables, one per line."""
    spread, freedom = pooled_spread(scores)
    lines = [
        "First table: percent, except IDSW; mean ± standard deviation over several seeds.",
        "Second table: differences ± half the 95 % interval; bold where the interval excludes 0.",
        "Rows with several seeds: Student's t over the paired differences.",
    ]
    if freedom:
        shown = ", ".join(f"{name} {value:.1f}" for name, value in zip(TITLES, spread, strict=True))
        pooled = (
            f"the standard deviation over seeds, pooled over the rows with several seeds ({freedom} degrees of freedom)"
        )
        lines.append(
            f"Rows with one seed, against the mean of the base's S seeds: {_quantile(freedom):.2f} x sqrt(1 + 1 / S) x"
        )
        lines.append(f"{pooled}: {shown}.")
    return [*lines, "One cell in twenty is bold by chance; rows with a common base are correlated."]


def format_real_table(rows: Sequence[TableRow], work: Path) -> str:
    """Return a Markdown table of losses (from TensorBoard event files) and numbers of result rows."""
    titles = ["row", *(f"{name} loss" for name in LOSSES), "result rows", TITLES[-1]]
    done = [row for row in rows if is_scored(row.scores(work, row.seeds[0]))]
    note = f"Losses: means of the first and last {AVERAGED_STEPS} steps, from the TensorBoard event files."
    return "".join(f"{line}\n" for line in [*table(titles, (_real_cells(row, work) for row in done)), "", note])


def _real_cells(row: TableRow, work: Path) -> list[str]:
    folder, scores = row.folder(work, row.seeds[0]), row.scores(work, row.seeds[0])
    curves = read_losses(folder / "tensorboard")
    losses = [f"{curve[:AVERAGED_STEPS].mean():.3f} -> {curve[-AVERAGED_STEPS:].mean():.3f}" for curve in curves]
    results = sum(len(path.read_text().splitlines()) for path in (scores / "results").glob("*.txt"))
    return [row.label, *losses, str(results), _number(float(read_scores(scores)[-1]))]


def read_losses(folder: Path) -> list[FloatArray]:
    """Return the values of each of LOSSES by step; the files of a resumed run are joined."""
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # hide the messages on joined files
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [np.array([event.value for event in events.Scalars(f"loss/{name}")]) for name in LOSSES]

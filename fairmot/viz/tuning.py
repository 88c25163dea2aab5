"""How a tuning went, as an RGB image: scores over trials, start against best, what mattered, each key's slices."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.viz.plot_style import ACCENT, BAR, GRID, STYLE

START, PALE = "#6d7480", "#a9c1dc"
MOST_SLICES, COLUMNS = 12, 4


@dataclass(frozen=True)
class KeySlice:
    """One searched key over T trials.

    values: (T,) numbers, or places in `names` where the key's values are words; NaN where a trial left it out.
    importance: its share of what parts good trials from the others, NaN where that is not known.
    """

    key: str
    values: FloatArray
    names: tuple[str, ...] = ()
    importance: float = float("nan")
    is_log: bool = False


@dataclass(frozen=True)
class TuningHistory:
    """T trials, the first of which is the starting point.

    scores: (T,) in percent, on the part that is tuned on. numbers: (T,) the trials' own. best: place of the best.
    parts: names of the parts that start and best were scored on; start_scores, best_scores: a percentage for each.
    """

    metric: str
    numbers: FloatArray
    scores: FloatArray
    best: int
    slices: Sequence[KeySlice]
    parts: Sequence[str]
    start_scores: Sequence[float]
    best_scores: Sequence[float]


def draw_tuning(history: TuningHistory, title: str) -> ImageArray:
    """Return the picture, (H, W, 3) RGB uint8: its height grows with the number of keys, up to MOST_SLICES."""
    order = sorted(history.slices, key=lambda item: -np.nan_to_num(item.importance, nan=-1.0))
    shown = order[:MOST_SLICES]
    rows = -(-len(shown) // COLUMNS)
    with mpl.rc_context({**STYLE, "axes.axisbelow": True}):
        figure = Figure(figsize=(13.6, 4.5 + 2.55 * rows), dpi=100, layout="constrained")
        figure.suptitle(title, fontsize=13, x=0.01, ha="left")
        parts = figure.add_gridspec(2, 1, height_ratios=[4.2, max(2.55 * rows, 0.1)])
        upper, lower = figure.add_subfigure(parts[0]), figure.add_subfigure(parts[1])
        left, middle, right = upper.subplots(1, 3, width_ratios=[2.1, 1.0, 1.25])
        _history(left, history)
        _gains(middle, history)
        _importances(right, order)
        grid = lower.subplots(rows, COLUMNS, squeeze=False) if rows else np.zeros((0, COLUMNS), dtype=object)
        for place, axes in enumerate(grid.flat):
            if place < len(shown):
                _slice(axes, history, shown[place], is_first=place % COLUMNS == 0)
            else:
                axes.set_axis_off()
        return _render(figure)


def _history(axes: Axes, history: TuningHistory) -> None:
    axes.set_title("Trials, tuned part")
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    best = np.maximum.accumulate(history.scores)
    axes.scatter(history.numbers, history.scores, s=15, color=PALE, linewidths=0, label="trial", zorder=2)
    axes.step(history.numbers, best, where="post", color=BAR, linewidth=1.6, label="best so far", zorder=3)
    axes.axhline(history.scores[0], color=START, linewidth=1.1, linestyle=(0, (4, 3)), label="start", zorder=1)
    axes.scatter(
        history.numbers[history.best], history.scores[history.best], s=46, color=ACCENT, label="best", zorder=4
    )
    low, high = _span(history.scores)
    axes.set_ylim(low, high)
    axes.set_xlabel("trial" + _below(history.scores, low))
    axes.set_ylabel(f"{history.metric}, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize=8.5, borderaxespad=0.2)


def _span(scores: FloatArray) -> tuple[float, float]:
    """The range to show: from the worst of the better 90 %, the start included, to the best, with margins."""
    low, high = min(float(np.percentile(scores, 10)), float(scores[0])), float(scores.max())
    margin = max((high - low) * 0.08, 0.05)
    return low - margin, high + margin


def _below(scores: FloatArray, low: float) -> str:
    count = int((scores < low).sum())
    return f"  ({count} below the axis)" if count else ""


def _gains(axes: Axes, history: TuningHistory) -> None:
    axes.set_title("From start to best")
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    pairs = list(zip(history.parts, history.start_scores, history.best_scores, strict=True))
    for place, (_, start, best) in enumerate(pairs):
        axes.plot([place, place], [start, best], color=GRID, linewidth=6, solid_capstyle="round", zorder=1)
        for side, score, colour, marker in ((-1, start, START, "s"), (1, best, ACCENT, "o")):
            axes.scatter(place, score, s=46, color=colour, marker=marker, zorder=3)
            where = "right" if side < 0 else "left"
            axes.annotate(
                f"{score:.2f}", (place, score), (9 * side, 0), textcoords="offset points", ha=where, va="center"
            )
    axes.set_xticks(range(len(pairs)), [f"{part}\n{best - start:+.2f}" for part, start, best in pairs])
    axes.set_xlim(-0.6, max(len(pairs), 2) - 0.4)
    axes.margins(y=0.15)
    axes.set_ylabel(f"{history.metric}, %")


def _importances(axes: Axes, order: Sequence[KeySlice]) -> None:
    axes.set_title("What parts good trials from others")
    known = [item for item in order if not np.isnan(item.importance)][:MOST_SLICES][::-1]
    if not known:
        axes.text(0.5, 0.5, "too few trials to tell", transform=axes.transAxes, ha="center", va="center")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    places = np.arange(len(known))
    bars = axes.barh(places, [100 * item.importance for item in known], color=BAR, height=0.7)
    axes.bar_label(bars, fmt="%.0f", padding=3, fontsize=8.5)
    axes.set_yticks(places, [item.key for item in known], fontsize=8.5)
    axes.margins(x=0.12)
    axes.set_ylim(-0.6, max(len(known), 5) - 0.4)
    axes.set_xlabel("importance (PED-ANOVA), %")


def _slice(axes: Axes, history: TuningHistory, item: KeySlice, *, is_first: bool) -> None:
    """Draw the scores over one key's values; later trials are darker, the start and the best stand out."""
    axes.set_title(item.key, fontsize=9.5)
    axes.grid(color=GRID, linewidth=0.6)
    shift = _jitter(len(item.values)) if item.names else np.zeros(len(item.values))
    places = item.values + shift
    last = max(float(history.numbers.max()), 1.0)
    shades = Normalize(-0.5 * last, last)  # the first trials stay visible on white
    axes.scatter(places, history.scores, c=history.numbers, cmap="Blues", norm=shades, s=15, linewidths=0, zorder=2)
    for row, colour, marker in ((0, START, "s"), (history.best, ACCENT, "o")):
        axes.scatter(places[row], history.scores[row], s=44, color=colour, marker=marker, zorder=4)
    axes.set_ylim(*_span(history.scores))
    if item.names:
        axes.set_xticks(np.arange(len(item.names)), list(item.names))
        axes.set_xlim(-0.5, len(item.names) - 0.5)
    elif item.is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if is_first:
        axes.set_ylabel(f"{history.metric}, %")


def _jitter(count: int) -> FloatArray:
    """Return shifts in +-0.25 that spread what would lie on one line: the golden ratio's multiples."""
    spread: FloatArray = (np.arange(count) * 0.618034) % 1.0 * 0.5 - 0.25
    return spread


def _render(figure: Figure) -> ImageArray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])

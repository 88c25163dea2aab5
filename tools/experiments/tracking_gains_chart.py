"""Chart of docs/tracking_gains.md: HOTA difference of each part of the tracker, from the rows of `tracking_gains.csv`.

    python tools/experiments/tracking_gains_chart.py --output docs/images/tracking_gains.png

A bar is the difference over full sequences, a line the 95 % paired bootstrap interval over segments.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairmot.viz.plot_style import ACCENT, BAR, GRID, INK, STYLE

ROWS = Path(__file__).with_name("tracking_gains.csv")
REMOVED = "(removed)"  # parts that the tracker no longer has
ABLATIONS = ("without ", "overlap only", "appearance only", "motion only")
PRESETS = ("jde", "byte", "strong")

Record = dict[str, str]


def read_rows(path: Path) -> list[Record]:
    """Return the rows that have a difference, without those of removed parts."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["against"] and row["keys"] != REMOVED]


def group_of(row: Record) -> str:
    """Return the heading under which a row is drawn."""
    if row["against"] == "strong":
        return "strong without"
    if row["row"] in PRESETS:
        return "presets"
    if row["row"].startswith(ABLATIONS):
        return "ablations"
    return "fairmot and one part"


def draw_chart(rows: Sequence[Record]) -> Figure:
    """Return the chart: a column of panels for each data set, a row of panels for each group."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    groups = list(dict.fromkeys(group_of(row) for row in rows))
    sizes = [sum(group_of(row) == group and row["data"] == data[0] for row in rows) for group in groups]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 0.21 * sum(sizes) + 1.7), layout="constrained")
        panels = figure.subplots(len(groups), len(data), sharex="col", sharey="row", height_ratios=sizes, squeeze=False)
        for line, group in zip(panels, groups, strict=True):
            for panel, name in zip(line, data, strict=True):
                _draw_panel(panel, [row for row in rows if row["data"] == name and group_of(row) == group])
            line[0].set_ylabel(group, fontweight="bold", fontsize=8.5)
        for panel, name in zip(panels[0], data, strict=True):
            panel.set_title(name.replace(", ", ",\n"), fontsize=9.5)
        figure.align_ylabels(panels[:, 0])
        figure.supxlabel(
            "HOTA difference in percentage points: bar, over full sequences; line, 95 % interval over segments",
            fontsize=9,
        )
    return figure


def _draw_panel(panel: Axes, rows: Sequence[Record]) -> None:
    positions = range(len(rows))
    differences = [float(row["HOTA diff"]) for row in rows]
    panel.barh(positions, differences, color=[BAR if value >= 0 else ACCENT for value in differences], height=0.62)
    lows, highs = ([float(row[f"HOTA segments {end}"]) for row in rows] for end in ("low", "high"))
    panel.hlines(positions, lows, highs, color=INK, linewidth=1.3)
    panel.set_yticks(positions, [row["row"].removeprefix("strong without ") for row in rows], fontsize=8.5)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.axvline(0, color=INK, linewidth=0.6)
    panel.grid(axis="x", color=GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(axis="y", length=0)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the chart."""
    parser = argparse.ArgumentParser(description="Chart of what each part of the tracker gains")
    parser.add_argument("--rows", type=Path, default=ROWS, metavar="CSV")
    parser.add_argument("--output", type=Path, required=True, help="image file, .png or .svg")
    arguments = parser.parse_args(argv)
    draw_chart(read_rows(arguments.rows)).savefig(arguments.output, dpi=120)
    return 0


if __name__ == "__main__":
    sys.exit(main())

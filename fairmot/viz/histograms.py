"""Histograms of boxes and identities, as RGB images. Legend: N boxes, I identities, F images, S sequences."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.viz.plot_style import ACCENT, BAR, GRID, STYLE

BINS = 60
CENTRE_CELLS = (36, 64)  # height, width
MAX_SEQUENCES = 30


@dataclass(frozen=True)
class BoxSizes:
    """N boxes and their F images.

    boxes_tlwh: (N, 4) in pixels, or in fractions of the image's sides if `is_normalised`.
    centres_xy: (N, 2) centres in fractions of the image's sides, NaN where its size is unknown.
    counts: (F,) boxes of each image.
    """

    boxes_tlwh: FloatArray
    centres_xy: FloatArray
    counts: IntArray
    is_normalised: bool = False


@dataclass(frozen=True)
class IdentityLengths:
    """I identities.

    lengths: (I,) images of each. spans: (I,) frames from its first to its last, () without frame numbers.
    sequences: names of the S sequences; per_sequence: (S,) identities of each.
    """

    lengths: IntArray
    spans: IntArray
    sequences: Sequence[str]
    per_sequence: IntArray


def draw_box_histograms(boxes: BoxSizes, title: str) -> ImageArray:
    """Return heights, widths, aspect ratios, areas, boxes per image and a map of centres, (H, W, 3) RGB uint8."""
    unit = "fraction of the image" if boxes.is_normalised else "pixels"
    sides = boxes.boxes_tlwh[:, 2:].astype(np.float64)
    sides = sides[(sides > 0).all(axis=1)]
    title = f"{title}: {len(sides):,} boxes in {len(boxes.counts):,} images"
    with mpl.rc_context(STYLE):
        figure, axes = _make_figure(title, rows=2, height=7.4)
        _draw_linear(axes[0, 0], sides[:, 1], title="Height", label=unit)
        _draw_linear(axes[0, 1], sides[:, 0], title="Width", label=unit)
        label = "width / height" + (" of the fractions, not of pixels" if boxes.is_normalised else "")
        _draw_linear(axes[0, 2], sides[:, 0] / sides[:, 1], title="Aspect", label=label)
        label = unit if boxes.is_normalised else "square pixels"
        _draw_log(axes[1, 0], sides.prod(axis=1), title="Area", label=label)
        _draw_integers(axes[1, 1], boxes.counts, title="Boxes per image", label="boxes", unit="images")
        _draw_centres(figure, axes[1, 2], boxes.centres_xy)
        return _render(figure)


def draw_identity_histograms(identities: IdentityLengths, title: str) -> ImageArray:
    """Return images per identity, gaps, and identities per sequence, (H, W, 3) RGB uint8."""
    with mpl.rc_context(STYLE):
        figure, axes = _make_figure(f"{title}: {len(identities.lengths):,} identities", rows=1, height=4.6)
        _draw_integers(axes[0, 0], identities.lengths, title="Images per identity", label="images", unit="identities")
        _draw_gaps(axes[0, 1], identities)
        _draw_sequences(axes[0, 2], identities)
        return _render(figure)


def _make_figure(title: str, *, rows: int, height: float) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(13.2, height), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=13, x=0.01, ha="left")
    return figure, figure.subplots(rows, 3, squeeze=False)


def _draw_linear(axes: Axes, values: FloatArray, *, title: str, label: str) -> None:
    """Draw a histogram up to the 99.5th percentile; larger values are in the last bar."""
    top = float(np.percentile(values, 99.5)) if len(values) else 1.0
    axes.hist(values.clip(max=top), bins=BINS, color=BAR)
    if len(values) and top < values.max():
        label = f"{label} (last bar: {top:,.4g} and more)"
    _finish(axes, values, title=title, label=label, unit="boxes")


def _draw_log(axes: Axes, values: FloatArray, *, title: str, label: str) -> None:
    if len(values):
        low, high = values.min(), max(values.max(), values.min() * 10)
        axes.hist(values, bins=np.geomspace(low, high, BINS).tolist(), color=BAR)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    _finish(axes, values, title=title, label=label, unit="boxes")


def _draw_integers(axes: Axes, values: IntArray, *, title: str, label: str, unit: str) -> None:
    """Draw a histogram of integers, one bar for each if there are few."""
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 1)
    step = max(1, -(-(high - low + 1) // BINS))
    axes.hist(values, bins=(np.arange(low, high + step + 1, step) - 0.5).tolist(), color=BAR, rwidth=0.92)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(axes, values, title=title, label=label, unit=unit)


def _finish(axes: Axes, values: FloatArray | IntArray, *, title: str, label: str, unit: str) -> None:
    """Set titles and grid, and mark the median. unit: what the bars count."""
    axes.set_title(title)
    axes.set_xlabel(label)
    axes.set_ylabel(unit)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=GRID, linewidth=0.7)
    if len(values):
        median = float(np.median(values))
        axes.axvline(median, color=ACCENT, linewidth=1.3)
        text = f"median {median:,.3g}" if median < 1000 else f"median {median:,.0f}"
        text += f", from {values.min():,.3g} to {values.max():,.3g}" if values.max() < 1000 else ""
        axes.text(1.0, 1.02, text, transform=axes.transAxes, ha="right", va="bottom", color=ACCENT, fontsize=8.5)


def _draw_centres(figure: Figure, axes: Axes, centres_xy: FloatArray) -> None:
    axes.set_title("Centres in the image")
    inside = centres_xy[((centres_xy >= 0) & (centres_xy <= 1)).all(axis=1)]
    density, _, _ = np.histogram2d(inside[:, 1], inside[:, 0], bins=CENTRE_CELLS, range=[[0, 1], [0, 1]])
    aspect = CENTRE_CELLS[0] / CENTRE_CELLS[1]
    image = axes.imshow(density, cmap="magma", norm=PowerNorm(0.4), extent=(0, 1, 1, 0), aspect=aspect)
    axes.set_xticks([0, 0.5, 1])
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlabel(f"{len(inside):,} of {len(centres_xy):,} are inside images of known size")
    figure.colorbar(image, ax=axes, label="boxes per cell", shrink=0.85)


def _draw_gaps(axes: Axes, identities: IdentityLengths) -> None:
    """Draw images over frame span of each identity; identities below the diagonal have gaps."""
    axes.set_title("Gaps: below the line")
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.7)
    if not len(identities.spans):
        axes.text(0.5, 0.5, "no frame numbers", transform=axes.transAxes, ha="center", va="center")
        return
    longest = int(identities.spans.max())
    axes.plot([1, longest], [1, longest], color="#9aa1ab", linewidth=1.0)
    axes.scatter(identities.spans, identities.lengths, s=14, color=BAR, alpha=0.55, linewidths=0, zorder=3)
    gaps = int((identities.spans > identities.lengths).sum())
    axes.set_xlabel("frames from first to last")
    axes.set_ylabel("images")
    text = f"{gaps:,} of {len(identities.spans):,} identities have gaps"
    axes.text(0.02, 0.98, text, transform=axes.transAxes, ha="left", va="top", color=ACCENT, fontsize=8.5)


def _draw_sequences(axes: Axes, identities: IdentityLengths) -> None:
    order = np.argsort(-identities.per_sequence, kind="stable")[:MAX_SEQUENCES][::-1]
    names = [identities.sequences[index] or "(no sequence)" for index in order.tolist()]
    hidden = len(identities.sequences) - len(order)
    axes.set_title("Identities per sequence" + (f" ({hidden} smaller ones not shown)" if hidden else ""))
    bars = axes.barh(np.arange(len(order)), identities.per_sequence[order], color=BAR, height=0.7)
    axes.set_yticks(np.arange(len(order)), [name if len(name) <= 24 else f"{name[:23]}…" for name in names])
    axes.bar_label(bars, padding=3, fontsize=8.5)
    axes.margins(x=0.12)
    axes.set_ylim(-0.6, max(len(order), 4) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def _render(figure: Figure) -> ImageArray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])

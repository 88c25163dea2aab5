"""Which boxes are wrong, by their places: for whoever tells of them and for whoever leaves them out.

All functions return sorted places of boxes. Only boxes that train count. Legend: F images, N boxes.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.data.inspection.raw_labels import RawLabels
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.annotations import UNKNOWN

FAR_OUT = 0.25  # share of its area outside the image from which a box reaches far out
TOO_LARGE = 2.0  # sides of the image


@dataclass(frozen=True)
class Repeats:
    """Boxes that repeat an earlier one, each with that one."""

    rows: IntArray
    firsts: IntArray


def box_sides(raw: RawLabels, image_hw: IntArray) -> FloatArray:
    """Return (N, 2) width and height of each box's image in the boxes' unit, 0 where unknown.

    image_hw: (F, 2) true height and width, 0 where unknown: there what the labels state counts.
    """
    if raw.is_normalised:
        return np.ones((len(raw.ids), 2))
    hw = np.where(image_hw > 0, image_hw, raw.image_hw)
    return hw[raw.image_of][:, ::-1].astype(np.float64)


def degenerate_rows(raw: RawLabels) -> IntArray:
    """Boxes without width or height."""
    return np.flatnonzero(raw.trains & ~_has_area(raw))


def outside_rows(raw: RawLabels, sides_wh: FloatArray) -> IntArray:
    """Boxes that share nothing with their image."""
    left_top, right_bottom = _corners(raw)
    is_off = ((right_bottom <= 0) | (left_top >= sides_wh)).any(axis=1)
    return np.flatnonzero(_sound(raw, sides_wh) & is_off)


def truncated_rows(raw: RawLabels, sides_wh: FloatArray) -> IntArray:
    """Boxes that reach far out of their image, those that lie wholly outside left aside."""
    left_top, right_bottom = _corners(raw)
    inside = (np.minimum(right_bottom, sides_wh) - np.maximum(left_top, 0)).clip(0).prod(axis=1)
    whole = (right_bottom - left_top).prod(axis=1)
    return np.flatnonzero(_sound(raw, sides_wh) & (inside > 0) & (inside < (1 - FAR_OUT) * whole))


def absurd_rows(raw: RawLabels, sides_wh: FloatArray) -> IntArray:
    """Boxes wider or higher than twice their image."""
    return np.flatnonzero(_sound(raw, sides_wh) & (raw.boxes_tlwh[:, 2:] > TOO_LARGE * sides_wh).any(axis=1))


def duplicate_id_rows(raw: RawLabels) -> Repeats:
    """Boxes whose known identity another box of the same class and image has too."""
    rows = np.flatnonzero(raw.trains & _has_area(raw) & (raw.ids != UNKNOWN))
    return _repeats(rows, [raw.image_of[rows], raw.kinds[rows], raw.ids[rows]])


def duplicate_box_rows(raw: RawLabels) -> Repeats:
    """Boxes that equal another one of the same class and image; see `duplicate_id_rows` for those with one identity."""
    rows = np.flatnonzero(raw.trains & _has_area(raw))
    keys = [raw.image_of[rows], raw.kinds[rows], *raw.boxes_tlwh[rows].T]
    found = _repeats(rows, keys, last=raw.ids[rows] == UNKNOWN)  # known identities first
    other = (raw.ids[found.rows] == UNKNOWN) | (raw.ids[found.rows] != raw.ids[found.firsts])
    return Repeats(found.rows[other], found.firsts[other])


def less_likely(raw: RawLabels, repeats: Repeats) -> IntArray:
    """Of boxes that share an identity in an image, return those to leave out.

    The one that stays overlaps best with that identity in the images before and after; the first one, where none does.
    """
    out: set[int] = set()
    groups: dict[int, list[int]] = {}
    for row, first in zip(repeats.rows.tolist(), repeats.firsts.tolist(), strict=True):
        groups.setdefault(first, [first]).append(row)
    for rows in groups.values():
        best = rows[int(np.argmax([_nearness(raw, row) for row in rows]))]
        out |= set(rows) - {best}
    return np.array(sorted(out), dtype=np.int64)


def _nearness(raw: RawLabels, row: int) -> float:
    """Return the best IoU of a box with its identity in the neighbouring images of its sequence."""
    image = int(np.searchsorted(raw.box_ends, row, side="right"))
    near = [at for at in (image - 1, image + 1) if 0 <= at < len(raw) and raw.sequence_of[at] == raw.sequence_of[image]]
    ends = raw.box_ends
    spans = [np.arange(ends[at - 1] if at else 0, ends[at]) for at in near]
    others = np.concatenate([np.zeros(0, dtype=np.int64), *spans])
    others = others[raw.ids[others] == raw.ids[row]]
    own, them = (tlwh_to_xyxy(raw.boxes_tlwh[rows].astype(np.float64)) for rows in ([row], others))
    return float(pairwise_iou(own, them).max(initial=0.0))


def _repeats(rows: IntArray, keys: list[IntArray], *, last: BoolArray | None = None) -> Repeats:
    """Group `rows` by keys; the first of a group, by `last` and then by its place, is the one repeated."""
    order = np.lexsort(([] if last is None else [last]) + keys[::-1])
    same = np.zeros(len(rows), dtype=np.bool_)
    if len(rows):
        same[1:] = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(rows)))) if len(rows) else order
    found, firsts = rows[order[same]], rows[order[starts[same]]]
    by_row = np.argsort(found)
    return Repeats(found[by_row], firsts[by_row])


def _has_area(raw: RawLabels) -> BoolArray:
    return np.asarray((raw.boxes_tlwh[:, 2:] > 0).all(axis=1))


def _sound(raw: RawLabels, sides_wh: FloatArray) -> BoolArray:
    """Boxes with an area in images of known size."""
    return np.asarray(raw.trains & _has_area(raw) & (sides_wh > 0).all(axis=1))


def _corners(raw: RawLabels) -> tuple[FloatArray, FloatArray]:
    corners = tlwh_to_xyxy(raw.boxes_tlwh.astype(np.float64))
    return corners[:, :2], corners[:, 2:]

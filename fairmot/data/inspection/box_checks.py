"""Invalid, duplicated and truncated boxes of a data set, by index.

All functions return sorted indices of boxes that are trained on. Legend: F images, N boxes.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.data.inspection.raw_labels import RawLabels
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.annotations import UNKNOWN

TRUNCATED_FRACTION = 0.25  # of a truncated box's area outside the image, at least
OVERSIZE_FACTOR = 2.0  # sides of the image


@dataclass(frozen=True)
class Duplicates:
    """Boxes `rows` that repeat an earlier one, `firsts`."""

    rows: IntArray
    firsts: IntArray


def box_sides(raw: RawLabels, image_hw: IntArray) -> FloatArray:
    """Return (N, 2) width and height of each box's image in the boxes' unit, 0 where unknown.

    image_hw: (F, 2) true height and width, 0 where unknown; then the size that the labels state is used.
    """
    if raw.is_normalised:
        return np.ones((len(raw.labels.ids), 2))
    hw = np.where(image_hw > 0, image_hw, raw.labels.image_hw)
    return hw[raw.labels.image_of][:, ::-1].astype(np.float64)


def degenerate_rows(raw: RawLabels) -> IntArray:
    """Boxes without width or height."""
    return np.flatnonzero(raw.is_trained & ~raw.has_area())


def outside_rows(raw: RawLabels, sides_wh: FloatArray) -> IntArray:
    """Boxes fully outside their image."""
    corners = tlwh_to_xyxy(raw.labels.boxes_tlwh.astype(np.float64))
    is_outside = ((corners[:, 2:] <= 0) | (corners[:, :2] >= sides_wh)).any(axis=1)
    return np.flatnonzero(_is_comparable(raw, sides_wh) & is_outside)


def truncated_rows(raw: RawLabels, sides_wh: FloatArray) -> IntArray:
    """Boxes of which more than TRUNCATED_FRACTION, but not all, is outside their image."""
    corners = tlwh_to_xyxy(raw.labels.boxes_tlwh.astype(np.float64))
    left_top, right_bottom = corners[:, :2], corners[:, 2:]
    inside = (np.minimum(right_bottom, sides_wh) - np.maximum(left_top, 0)).clip(0).prod(axis=1)
    area = (right_bottom - left_top).prod(axis=1)
    return np.flatnonzero(_is_comparable(raw, sides_wh) & (inside > 0) & (inside < (1 - TRUNCATED_FRACTION) * area))


def oversized_rows(raw: RawLabels, sides_wh: FloatArray) -> IntArray:
    """Boxes wider or higher than OVERSIZE_FACTOR times their image."""
    is_oversized = (raw.labels.boxes_tlwh[:, 2:] > OVERSIZE_FACTOR * sides_wh).any(axis=1)
    return np.flatnonzero(_is_comparable(raw, sides_wh) & is_oversized)


def duplicate_id_rows(raw: RawLabels) -> Duplicates:
    """Boxes whose known identity an earlier box of the same class and image has too."""
    labels = raw.labels
    rows = np.flatnonzero(raw.is_trained & raw.has_area() & (labels.ids != UNKNOWN))
    return _find_duplicates(rows, [labels.image_of[rows], labels.classes[rows], labels.ids[rows]])


def duplicate_box_rows(raw: RawLabels) -> Duplicates:
    """Boxes equal to another one of the same class and image, except those that `duplicate_id_rows` finds."""
    labels, ids = raw.labels, raw.labels.ids
    rows = np.flatnonzero(raw.is_trained & raw.has_area())
    keys = [labels.image_of[rows], labels.classes[rows], *labels.boxes_tlwh[rows].T]
    found = _find_duplicates(rows, keys, is_last=ids[rows] == UNKNOWN)
    differs = (ids[found.rows] == UNKNOWN) | (ids[found.rows] != ids[found.firsts])
    return Duplicates(found.rows[differs], found.firsts[differs])


def duplicates_to_drop(raw: RawLabels, duplicates: Duplicates) -> IntArray:
    """Return all but one box of each group with the same identity in an image.

    The box that is kept has the highest IoU with that identity in the previous or next image, else it is the first.
    """
    dropped: set[int] = set()
    groups: dict[int, list[int]] = {}
    for row, first in zip(duplicates.rows.tolist(), duplicates.firsts.tolist(), strict=True):
        groups.setdefault(first, [first]).append(row)
    for rows in groups.values():
        best = rows[int(np.argmax([_temporal_iou(raw, row) for row in rows]))]
        dropped |= set(rows) - {best}
    return np.array(sorted(dropped), dtype=np.int64)


def _temporal_iou(raw: RawLabels, row: int) -> float:
    """Return the highest IoU of a box with its identity in the adjacent images of its sequence."""
    labels, image = raw.labels, raw.image_at(row)
    adjacent = [
        other
        for other in (image - 1, image + 1)
        if 0 <= other < len(raw) and labels.sequence_of[other] == labels.sequence_of[image]
    ]
    others = np.concatenate([np.zeros(0, dtype=np.int64), *map(raw.rows_of, adjacent)])
    others = others[labels.ids[others] == labels.ids[row]]
    own_xyxy, others_xyxy = (tlwh_to_xyxy(labels.boxes_tlwh[rows].astype(np.float64)) for rows in ([row], others))
    return float(pairwise_iou(own_xyxy, others_xyxy).max(initial=0.0))


def _find_duplicates(rows: IntArray, keys: list[IntArray], *, is_last: BoolArray | None = None) -> Duplicates:
    """Group `rows` by keys; the first of a group, ordered by `is_last` and then by index, is the one repeated."""
    order = np.lexsort(([] if is_last is None else [is_last]) + keys[::-1])
    same = np.zeros(len(rows), dtype=np.bool_)
    if len(rows):
        same[1:] = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(rows)))) if len(rows) else order
    found, firsts = rows[order[same]], rows[order[starts[same]]]
    by_row = np.argsort(found)
    return Duplicates(found[by_row], firsts[by_row])


def _is_comparable(raw: RawLabels, sides_wh: FloatArray) -> BoolArray:
    """Return (N,) whether a box is trained on, has an area and is in an image of known size."""
    return np.asarray(raw.is_trained & raw.has_area() & (sides_wh > 0).all(axis=1))

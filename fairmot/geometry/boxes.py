"""Box conversions and overlaps in continuous coordinates: a box from 2 to 5 is 3 wide.

Formats: `xyxy` left, top, right, bottom; `tlwh` left, top, width, height; `cxcywh` centre and size. All functions keep
the floating point type and do not modify their arguments.
"""

import numpy as np

from fairmot.geometry.arrays import FloatArray


def tlwh_to_xyxy(boxes_tlwh: FloatArray) -> FloatArray:
    """(..., 4) tlwh -> (..., 4) xyxy.

    >>> tlwh_to_xyxy(np.array([[1.0, 2.0, 3.0, 4.0]])).tolist()
    [[1.0, 2.0, 4.0, 6.0]]
    """
    return np.concatenate([boxes_tlwh[..., :2], boxes_tlwh[..., :2] + boxes_tlwh[..., 2:]], axis=-1)


def xyxy_to_tlwh(boxes_xyxy: FloatArray) -> FloatArray:
    """(..., 4) xyxy -> (..., 4) tlwh."""
    return np.concatenate([boxes_xyxy[..., :2], boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]], axis=-1)


def xyxy_to_cxcywh(boxes_xyxy: FloatArray) -> FloatArray:
    """(..., 4) xyxy -> (..., 4) centre x, centre y, width, height."""
    top_left, bottom_right = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return np.concatenate([(top_left + bottom_right) / 2, bottom_right - top_left], axis=-1)


def cxcywh_to_xyxy(boxes_cxcywh: FloatArray) -> FloatArray:
    """(..., 4) centre x, centre y, width, height -> (..., 4) xyxy."""
    half = boxes_cxcywh[..., 2:] / 2
    return np.concatenate([boxes_cxcywh[..., :2] - half, boxes_cxcywh[..., :2] + half], axis=-1)


def intersection_areas(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """(N, 4) and (M, 4) xyxy -> (N, M) intersection areas."""
    top_left = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    bottom_right = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1])


def areas(boxes_xyxy: FloatArray) -> FloatArray:
    """(N, 4) xyxy -> (N,) areas; 0 for boxes with a negative side."""
    sides = np.clip(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0, None)
    return np.asarray(sides[:, 0] * sides[:, 1])


def pairwise_iou(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """(N, 4) and (M, 4) xyxy -> (N, M) intersection over union in [0, 1]; 0 where the union is empty.

    >>> pairwise_iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])).round(3).tolist()
    [[0.333]]
    """
    intersection = intersection_areas(boxes_xyxy, others_xyxy)
    union = areas(boxes_xyxy)[:, None] + areas(others_xyxy)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)

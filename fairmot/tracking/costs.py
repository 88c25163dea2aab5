"""Costs of pairing N tracks with M detections: lower is better, infinite is forbidden."""

import numpy as np
from cython_bbox import bbox_overlaps

from fairmot.geometry.arrays import FloatArray, IntArray

GATE = 9.4877  # 95 % quantile of the chi-square distribution with 4 degrees of freedom


def normalise(embeddings: FloatArray) -> FloatArray:
    """Return (N, D) embeddings at unit length; a zero embedding, which says nothing, stays zero.

    >>> normalise(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.where(lengths > 0, lengths, 1))


def appearance_cost(embeddings: FloatArray, others: FloatArray) -> FloatArray:
    """(N, D) and (M, D) embeddings -> (N, M) cosine distances from 0 to 2; 1 where one of them is zero."""
    units = normalise(embeddings.astype(np.float64))
    other_units = normalise(others.astype(np.float64))
    return np.maximum(0.0, 1.0 - units @ other_units.T)


def fuse_motion(appearance: FloatArray, distances: FloatArray, *, motion_lambda: float) -> FloatArray:
    """Return lambda * appearance + (1 - lambda) * squared Mahalanobis distance, infinite beyond the gate.

    Both arguments are (N, M). Source: Zhang et al., FairMOT (2021), section 3.4, after Wojke et al. (2017), equation 5.
    """
    cost = motion_lambda * appearance + (1 - motion_lambda) * distances
    return np.where(distances > GATE, np.inf, cost)


def overlap_cost(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """(N, 4) and (M, 4) float64 xyxy -> (N, M) 1 - IoU, where widths and heights count pixels (+1) as published.

    >>> overlap_cost(np.array([[0.0, 0, 9, 9]]), np.array([[0.0, 0, 9, 4]])).tolist()
    [[0.5]]
    """
    if not len(boxes_xyxy) or not len(others_xyxy):
        return np.ones((len(boxes_xyxy), len(others_xyxy)))
    overlaps = bbox_overlaps(np.ascontiguousarray(boxes_xyxy), np.ascontiguousarray(others_xyxy))
    return np.asarray(1.0 - overlaps)


def forbid_across_classes(cost: FloatArray, classes: IntArray, others: IntArray) -> FloatArray:
    """Return `cost` (N, M), infinite where the classes (N,) and (M,) differ."""
    different = classes[:, None] != others[None, :]
    return np.where(different, np.inf, cost) if different.any() else cost

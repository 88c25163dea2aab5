"""Association costs of N tracks and M detections: lower is better, infinite is forbidden."""

import numpy as np
from cython_bbox import bbox_overlaps

from fairmot.geometry.arrays import FloatArray, IntArray

GATE = 9.4877  # 95 % quantile of the chi-square distribution with 4 degrees of freedom


def normalise(embeddings: FloatArray) -> FloatArray:
    """Return (N, D) embeddings at unit length; zero embeddings stay zero.

    >>> normalise(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    return embeddings / _norms(embeddings)[:, None]


def appearance_cost(embeddings: FloatArray, others: FloatArray, *, metric: str = "cosine") -> FloatArray:
    """(N, D) and (M, D) embeddings -> (N, M) distances.

    `cosine`: from 0 to 2, and 1 for a zero embedding; `euclidean`: of the normalised embeddings, sqrt(2 * cosine).
    """
    left, right = embeddings.astype(np.float64), others.astype(np.float64)
    cost = left @ right.T
    cost /= _norms(left)[:, None]
    cost /= _norms(right)
    np.subtract(1.0, cost, out=cost)
    np.maximum(cost, 0.0, out=cost)
    return cost if metric == "cosine" else np.sqrt(2 * cost)


def fuse_motion(
    appearance: FloatArray, distances: FloatArray, *, motion_lambda: float, gate: float = GATE
) -> FloatArray:
    """Return lambda * appearance + (1 - lambda) * squared Mahalanobis distance, infinite beyond `gate`.

    Both arguments are (N, M). Source: Zhang et al., FairMOT (2021), section 3.4, after Wojke et al. (2017), equation 5.
    """
    cost = motion_lambda * appearance + (1 - motion_lambda) * distances
    cost[distances > gate] = np.inf
    return cost


def overlap_cost(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """(N, 4) and (M, 4) float64 xyxy -> (N, M) 1 - IoU, with the reference implementation's +1 on widths and heights.

    >>> overlap_cost(np.array([[0.0, 0, 9, 9]]), np.array([[0.0, 0, 9, 4]])).tolist()
    [[0.5]]
    """
    if not len(boxes_xyxy) or not len(others_xyxy):
        return np.ones((len(boxes_xyxy), len(others_xyxy)))
    overlaps = bbox_overlaps(np.ascontiguousarray(boxes_xyxy), np.ascontiguousarray(others_xyxy))
    return np.asarray(1.0 - overlaps)


def forbid_across_classes(cost: FloatArray, classes: IntArray, others: IntArray) -> FloatArray:
    """Return `cost` (N, M), infinite where the classes (N,) and (M,) differ."""
    if not cost.size or ((classes == classes[0]).all() and (others == classes[0]).all()):
        return cost
    return np.where(classes[:, None] != others[None, :], np.inf, cost)


def _norms(embeddings: FloatArray) -> FloatArray:
    """(N, D) -> (N,) norms, 1 instead of 0."""
    norms = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    norms[norms == 0] = 1
    return np.asarray(norms)

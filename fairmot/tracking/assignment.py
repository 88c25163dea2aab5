"""Linear assignment of rows to columns (Jonker and Volgenant, 1987, by `lap`)."""

from typing import NamedTuple

import lap
import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray


class Matches(NamedTuple):
    """K matched pairs: rows (K,) in ascending order and their columns (K,)."""

    rows: IntArray
    columns: IntArray


def assign(cost: FloatArray, *, limit: float) -> Matches:
    """Return the matching of `cost` (N, M) that minimises the matched costs plus `limit` per unmatched pair.

    Pairs that cost more than `limit` are never matched; infinite costs are allowed, NaN is not.

    >>> assign(np.array([[0.1, 0.3], [0.2, 0.9]]), limit=0.7)
    Matches(rows=array([0, 1]), columns=array([1, 0]))
    """
    if not cost.size:
        return Matches(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    columns_of_rows = lap.lapjv(cost, extend_cost=True, cost_limit=limit, return_cost=False)[0]
    rows = np.flatnonzero(columns_of_rows >= 0)
    return Matches(rows, columns_of_rows[rows].astype(np.int64))

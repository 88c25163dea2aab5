import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from fairmot.tracking.assignment import assign

costs = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.one_of(st.floats(0, 2), st.just(np.inf)))
)


def optimal_total(cost: np.ndarray, limit: float) -> float:
    """Optimum by scipy; an unmatched row or column costs half of `limit`."""
    rows, columns = cost.shape
    extended = np.full((rows + columns, rows + columns), limit / 2)
    extended[:rows, :columns] = np.where(np.isinf(cost), 1e6, cost)
    extended[rows:, columns:] = 0
    chosen = linear_sum_assignment(extended)
    return float(extended[chosen].sum())


@settings(max_examples=200, deadline=None)
@given(costs, st.floats(0.05, 1.5))
def test_assignment_is_an_optimal_matching(cost: np.ndarray, limit: float) -> None:
    rows, columns = assign(cost, limit=limit)
    assert len(set(rows.tolist())) == len(rows) == len(columns) == len(set(columns.tolist()))
    assert (np.diff(rows) > 0).all()
    matched = cost[rows, columns]
    assert (matched <= limit + 1e-12).all()
    unmatched = sum(cost.shape) - 2 * len(rows)
    assert np.isclose(matched.sum() + unmatched * limit / 2, optimal_total(cost, limit), atol=1e-9)


def test_empty_costs_have_no_matches() -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        rows, columns = assign(np.zeros(shape), limit=0.5)
        assert len(rows) == len(columns) == 0


def test_infinite_costs_have_no_matches() -> None:
    assert len(assign(np.full((3, 2), np.inf), limit=0.5).rows) == 0

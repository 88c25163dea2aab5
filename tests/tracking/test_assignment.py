import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from fairmot.tracking.assignment import assign

costs = st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.one_of(st.floats(0, 2), st.just(np.inf)))
)


def least_total(cost: np.ndarray, limit: float) -> float:
    """The optimum by scipy: a pair that is left out costs `limit`, half for its row and half for its column."""
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
    paid = cost[rows, columns]
    assert (paid <= limit + 1e-12).all()
    left_out = sum(cost.shape) - 2 * len(rows)
    assert np.isclose(paid.sum() + left_out * limit / 2, least_total(cost, limit), atol=1e-9)


def test_nothing_to_assign() -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        rows, columns = assign(np.zeros(shape), limit=0.5)
        assert len(rows) == len(columns) == 0


def test_all_forbidden() -> None:
    assert len(assign(np.full((3, 2), np.inf), limit=0.5).rows) == 0

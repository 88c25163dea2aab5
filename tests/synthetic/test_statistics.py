import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairmot.structures.sequence import BoxTable
from fairmot.synthetic.statistics import crossing_pairs, measure, occlusion_runs

HW = (100, 200)


def table(rows: list[tuple[int, int, float, float]], *, kind: int = 1, mark: int = 1) -> BoxTable:
    """Rows (frame, identity, left, visibility) of 20 x 50 boxes."""
    data = np.array(rows, dtype=np.float64).reshape(-1, 4)
    count = len(data)
    boxes = np.column_stack([data[:, 2], np.full(count, 10.0), np.full(count, 20.0), np.full(count, 50.0)])
    return BoxTable(
        frames=data[:, 0].astype(np.int64),
        ids=data[:, 1].astype(np.int64),
        boxes_tlwh=boxes,
        confidences=np.full(count, float(mark)),
        classes=np.full(count, kind),
        visibilities=data[:, 3],
    )


def test_a_pair_that_crosses_twice_counts_once() -> None:
    rows = [(1, 1, 0, 1), (1, 2, 5, 1), (2, 1, 0, 1), (2, 2, 90, 1), (3, 2, 0, 1), (3, 1, 2, 1)]
    assert crossing_pairs(table(rows)) == {(1, 2)}


def test_boxes_that_touch_little_do_not_cross() -> None:
    # 20 wide boxes 11 apart: intersection 9, union 31, IoU 0.29; 10 apart: 10 / 30 = 0.33
    assert crossing_pairs(table([(1, 1, 0, 1), (1, 2, 11, 1)])) == set()
    assert crossing_pairs(table([(1, 1, 0, 1), (1, 2, 10, 1)])) == {(1, 2)}


def test_runs_need_ten_consecutive_hidden_frames() -> None:
    nine = [(frame, 1, 50, 0.1) for frame in range(1, 10)]
    ten = [(frame, 2, 50, 0.1) for frame in range(5, 15)]
    broken = [(frame, 3, 50, 0.1) for frame in range(1, 20) if frame != 10]
    assert occlusion_runs(table(nine + ten + broken), HW) == [(2, 5, 10)]


def test_runs_at_the_edge_or_of_what_is_still_seen_do_not_count() -> None:
    edge = [(frame, 1, -15, 0.1) for frame in range(1, 20)]
    seen = [(frame, 2, 50, 0.3) for frame in range(1, 20)]
    assert occlusion_runs(table(edge + seen), HW) == []


def test_only_scored_people_count() -> None:
    rows = [(frame, identity, 50.0, 0.0) for frame in range(1, 15) for identity in (1, 2)]
    assert measure(table(rows), HW).occlusions == 2
    for other in (table(rows, kind=8, mark=0), table(rows, kind=7, mark=0), table(rows, mark=0)):
        found = measure(other, HW)
        assert (found.people, found.boxes, found.crossings, found.occlusions, found.hidden_share) == (0, 0, 0, 0, 0.0)


@given(st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = [(frame, identity, 40.0 * identity + frame * 9, 0.1) for frame in range(4) for identity in range(3)]
    shuffled = [rows[index] for index in order]
    assert measure(table(shuffled), HW) == measure(table(rows), HW)

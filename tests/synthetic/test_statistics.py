import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairmot.structures.sequence import BoxTable
from fairmot.synthetic.statistics import find_crossings, find_occlusions, measure_occlusion

HW = (100, 200)


def table(rows: list[tuple[int, int, float, float]], *, kind: int = 1, considered: int = 1) -> BoxTable:
    """Rows (frame, identity, left, visibility) of 20 x 50 boxes."""
    data = np.array(rows, dtype=np.float64).reshape(-1, 4)
    count = len(data)
    boxes = np.column_stack([data[:, 2], np.full(count, 10.0), np.full(count, 20.0), np.full(count, 50.0)])
    return BoxTable(
        frames=data[:, 0].astype(np.int64),
        ids=data[:, 1].astype(np.int64),
        boxes_tlwh=boxes,
        confidences=np.full(count, float(considered)),
        classes=np.full(count, kind),
        visibilities=data[:, 3],
    )


def test_pair_crossing_twice_counts_once() -> None:
    rows = [(1, 1, 0, 1), (1, 2, 5, 1), (2, 1, 0, 1), (2, 2, 90, 1), (3, 2, 0, 1), (3, 1, 2, 1)]
    assert find_crossings(table(rows)) == {(1, 2)}


def test_small_overlap_is_no_crossing() -> None:
    # 20 wide boxes 11 apart: intersection 9, union 31, IoU 0.29; 10 apart: 10 / 30 = 0.33
    assert find_crossings(table([(1, 1, 0, 1), (1, 2, 11, 1)])) == set()
    assert find_crossings(table([(1, 1, 0, 1), (1, 2, 10, 1)])) == {(1, 2)}


def test_occlusion_needs_ten_consecutive_frames() -> None:
    nine = [(frame, 1, 50, 0.1) for frame in range(1, 10)]
    ten = [(frame, 2, 50, 0.1) for frame in range(5, 15)]
    broken = [(frame, 3, 50, 0.1) for frame in range(1, 20) if frame != 10]
    assert find_occlusions(table(nine + ten + broken), HW) == [(2, 5, 10)]


def test_occlusion_at_the_edge_or_partial_does_not_count() -> None:
    edge = [(frame, 1, -15, 0.1) for frame in range(1, 20)]
    visible = [(frame, 2, 50, 0.3) for frame in range(1, 20)]
    assert find_occlusions(table(edge + visible), HW) == []


def test_unscored_rows_do_not_count() -> None:
    rows = [(frame, identity, 50.0, 0.0) for frame in range(1, 15) for identity in (1, 2)]
    assert measure_occlusion(table(rows), HW).occlusions == 2
    for other in (table(rows, kind=8, considered=0), table(rows, kind=7, considered=0), table(rows, considered=0)):
        found = measure_occlusion(other, HW)
        assert (found.people, found.boxes, found.crossings, found.occlusions, found.hidden_fraction) == (
            0,
            0,
            0,
            0,
            0.0,
        )


@given(st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = [(frame, identity, 40.0 * identity + frame * 9, 0.1) for frame in range(4) for identity in range(3)]
    shuffled = [rows[index] for index in order]
    assert measure_occlusion(table(shuffled), HW) == measure_occlusion(table(rows), HW)

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairmot.geometry.boxes import (
    areas,
    cxcywh_to_xyxy,
    intersection_areas,
    pairwise_iou,
    tlwh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_tlwh,
)

numbers = st.floats(-1e4, 1e4, width=32)
boxes = hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=numbers)


@given(boxes)
def test_conversions_are_inverses(boxes_xyxy):
    before = boxes_xyxy.copy()
    np.testing.assert_allclose(tlwh_to_xyxy(xyxy_to_tlwh(boxes_xyxy)), boxes_xyxy, atol=1e-9)
    np.testing.assert_allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes_xyxy)), boxes_xyxy, atol=1e-9)
    np.testing.assert_array_equal(boxes_xyxy, before)


def test_conversions_keep_the_type():
    box = np.array([[1, 2, 4, 8]], dtype=np.float32)
    assert {f(box).dtype.name for f in (tlwh_to_xyxy, xyxy_to_tlwh, cxcywh_to_xyxy, xyxy_to_cxcywh)} == {"float32"}


@given(boxes, boxes)
def test_iou_is_symmetric_and_between_0_and_1(some_tlwh, others_tlwh):
    some, others = tlwh_to_xyxy(np.abs(some_tlwh)), tlwh_to_xyxy(np.abs(others_tlwh))
    iou = pairwise_iou(some, others)
    assert iou.shape == (len(some), len(others))
    assert ((iou >= 0) & (iou <= 1 + 1e-9)).all()
    np.testing.assert_allclose(iou, pairwise_iou(others, some).T)


def test_areas_of_worked_boxes():
    some = np.array([[0.0, 0, 4, 2], [10, 10, 10, 20], [5, 5, 3, 9]])
    assert areas(some).tolist() == [8, 0, 0]
    assert intersection_areas(some[:1], np.array([[1.0, 1, 3, 3], [4, 0, 6, 2]])).tolist() == [[2, 0]]
    assert pairwise_iou(some[:1], some[:2]).tolist() == [[1, 0]]

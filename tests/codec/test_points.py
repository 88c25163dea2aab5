"""Conversion of boxes to center points and back; equality with the training targets."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.codec.encode import encode
from fairmot.codec.points import points_from_boxes

INPUT_HW, MAP_HW = (64, 96), (16, 24)
corners = st.floats(-200, 300, width=32)
sides = st.floats(0.125, 400, width=32)
boxes = st.lists(st.tuples(corners, corners, sides, sides), min_size=1, max_size=8)


def to_xyxy(boxes_tlwh):
    given = np.array(boxes_tlwh, dtype=np.float64)
    return np.concatenate([given[:, :2], given[:, :2] + given[:, 2:]], axis=1)


@given(boxes)
@settings(deadline=None)
def test_points_from_boxes_equal_encode(boxes_tlwh):
    boxes_xyxy = to_xyxy(boxes_tlwh)
    targets = encode(boxes_xyxy, np.arange(len(boxes_xyxy)), input_hw=INPUT_HW)
    points = points_from_boxes(torch.from_numpy(boxes_xyxy)[None] / 4, map_hw=MAP_HW)
    np.testing.assert_array_equal(points.indices_BK[0], targets.indices)
    np.testing.assert_array_equal(points.offsets_BK2[0], targets.offsets)
    np.testing.assert_array_equal(points.sides_BK4[0], targets.sizes_ltrb)


@given(boxes)
@settings(deadline=None)
def test_boxes_invert_points_from_boxes(boxes_tlwh):
    boxes_BK4 = torch.from_numpy(to_xyxy(boxes_tlwh))[None] / 4
    points = points_from_boxes(boxes_BK4, map_hw=MAP_HW)
    torch.testing.assert_close(points.boxes(width=MAP_HW[1]).double(), boxes_BK4, rtol=0, atol=1e-4)


def test_points_of_boxes_without_area_and_of_no_boxes():
    points = points_from_boxes(torch.tensor([[[3.0, 2.0, 3.0, 7.0], [50.0, -9.0, 50.0, -9.0]]]).double(), map_hw=MAP_HW)
    assert points.indices_BK.tolist() == [[4 * 24 + 3, 23]]
    assert points.offsets_BK2.tolist() == [[[0.0, 0.5], [0.0, 0.0]]]
    assert points_from_boxes(torch.zeros(2, 0, 4), map_hw=MAP_HW).boxes(width=24).shape == (2, 0, 4)

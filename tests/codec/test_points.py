"""Boxes on the map, there and back, and the same places that training's targets have."""

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
def test_places_are_the_targets_of_encode(boxes_tlwh):
    boxes_xyxy = to_xyxy(boxes_tlwh)
    targets = encode(boxes_xyxy, np.arange(len(boxes_xyxy)), input_hw=INPUT_HW)
    places = points_from_boxes(torch.from_numpy(boxes_xyxy)[None] / 4, map_hw=MAP_HW)
    np.testing.assert_array_equal(places.indices_BK[0], targets.indices)
    np.testing.assert_array_equal(places.offsets_BK2[0], targets.offsets)
    np.testing.assert_array_equal(places.sides_BK4[0], targets.sizes_ltrb)


@given(boxes)
@settings(deadline=None)
def test_boxes_come_back(boxes_tlwh):
    boxes_BK4 = torch.from_numpy(to_xyxy(boxes_tlwh))[None] / 4
    places = points_from_boxes(boxes_BK4, map_hw=MAP_HW)
    torch.testing.assert_close(places.boxes(width=MAP_HW[1]).double(), boxes_BK4, rtol=0, atol=1e-4)


def test_a_box_without_width_or_height_and_none_at_all():
    places = points_from_boxes(torch.tensor([[[3.0, 2.0, 3.0, 7.0], [50.0, -9.0, 50.0, -9.0]]]).double(), map_hw=MAP_HW)
    assert places.indices_BK.tolist() == [[4 * 24 + 3, 23]]
    assert places.offsets_BK2.tolist() == [[[0.0, 0.5], [0.0, 0.0]]]
    assert points_from_boxes(torch.zeros(2, 0, 4), map_hw=MAP_HW).boxes(width=24).shape == (2, 0, 4)

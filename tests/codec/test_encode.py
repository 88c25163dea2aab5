import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.codec.encode import encode, gaussian_radius

INPUT_HW = (64, 96)
coordinates = st.floats(-500, 500)
box_lists = st.lists(st.tuples(*[coordinates] * 4), max_size=8)


def encode_one(*box, **options):
    return encode(np.array([box], dtype=np.float64), np.array([5]), input_hw=INPUT_HW, **options)


def test_targets_of_one_box():
    targets = encode_one(22, 18, 40, 42)  # centre (31, 30): cell (7, 7), a quarter left of its middle
    assert targets.indices.tolist() == [7 * 24 + 7]
    assert targets.offsets.tolist() == [[0.75, 0.5]]
    assert targets.sizes_ltrb.tolist() == [[2.25, 3, 2.25, 3]]
    assert targets.identities.tolist() == [5]
    assert targets.heatmap[0, 7, 7] == 1
    assert (targets.heatmap[0] == 1).sum() == 1
    assert targets.heatmap[0, 6, 7] == targets.heatmap[0, 7, 8] < 1


@given(box_lists)
def test_targets_of_any_box_with_area_give_the_box_back(boxes):
    boxes_xyxy = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    targets = encode(boxes_xyxy, np.arange(len(boxes)), input_hw=INPUT_HW)
    valid = (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(axis=1)
    assert targets.identities.tolist() == np.flatnonzero(valid).tolist()
    assert (targets.heatmap.ravel()[targets.indices] == 1).all()
    assert targets.heatmap.min() >= 0
    assert targets.heatmap.max(initial=0) <= 1
    assert ((targets.offsets >= 0) & (targets.offsets < 1)).all()
    centres = np.stack([targets.indices % 24, targets.indices // 24], axis=1) + targets.offsets
    restored = np.concatenate([centres - targets.sizes_ltrb[:, :2], centres + targets.sizes_ltrb[:, 2:]], axis=1) * 4
    np.testing.assert_allclose(restored, boxes_xyxy[valid], atol=2e-3)


@pytest.mark.parametrize("box", [(-900, -900, -800, -850), (1e6, 1e6, 2e6, 2e6), (-1e12, -1e12, 1e12, 1e12)])
def test_box_outside_the_input_has_a_peak_on_the_map(box):
    targets = encode_one(*box)
    assert targets.heatmap.ravel()[targets.indices].tolist() == [1]


def test_no_boxes_give_empty_typed_targets():
    targets = encode(np.zeros((0, 4)), np.zeros(0, dtype=np.int64), input_hw=INPUT_HW)
    assert targets.heatmap.shape == (1, 16, 24)
    assert targets.heatmap.max() == 0
    assert targets.sizes_ltrb.shape == (0, 4)
    assert targets.offsets.shape == (0, 2)
    types = [targets.heatmap.dtype, targets.indices.dtype, targets.sizes_ltrb.dtype, targets.identities.dtype]
    assert types == [np.float32, np.int64, np.float32, np.int64]


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 9, 5, 5)])
def test_box_without_area_is_dropped(box):
    targets = encode_one(*box)
    assert len(targets.indices) == 0
    assert targets.heatmap.max() == 0


def test_max_objects_keeps_the_first_boxes():
    boxes_xyxy = np.array([[0.0, 0, 8, 8], [40, 40, 48, 48], [80, 8, 88, 16]])
    targets = encode(boxes_xyxy, np.array([4, 5, 6]), input_hw=INPUT_HW, max_objects=2)
    assert targets.identities.tolist() == [4, 5]


def test_each_class_has_its_own_heatmap():
    boxes_xyxy = np.array([[0.0, 0, 8, 8], [40, 40, 48, 48]])
    targets = encode(boxes_xyxy, np.array([0, 1]), input_hw=INPUT_HW, num_classes=3, classes=np.array([2, 0]))
    assert targets.heatmap.shape[0] == 3
    assert (targets.heatmap == 1).sum(axis=(1, 2)).tolist() == [1, 0, 1]


@pytest.mark.parametrize("kind", [-1, 2])
def test_class_out_of_range_raises(kind):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        encode_one(0, 0, 8, 8, num_classes=2, classes=np.array([kind]))


def test_mismatched_shapes_raise():
    with pytest.raises(ValueError, match="identities"):
        encode(np.zeros((2, 4)), np.zeros(1, dtype=np.int64), input_hw=INPUT_HW)


def test_rounding_noise_does_not_change_the_radius():
    exact, noisy = encode_one(0, 0, 32, 40), encode_one(0, 0, 32 + 1e-9, 40 + 1e-9)
    np.testing.assert_array_equal(exact.heatmap, noisy.heatmap)


def test_targets_with_another_stride():
    targets = encode_one(16, 16, 48, 32, stride=8)
    assert targets.heatmap.shape == (1, 8, 12)
    assert targets.indices.tolist() == [3 * 12 + 4]


@given(st.integers(1, 400), st.integers(1, 400))
def test_radius_grows_with_the_box(height, width):
    smaller = gaussian_radius(np.array([float(height)]), np.array([float(width)]))
    larger = gaussian_radius(np.array([height + 1.0]), np.array([width + 1.0]))
    assert 0 < smaller[0] <= larger[0]


@pytest.mark.parametrize("side", [3, 40, 300, 2000, 40000])
def test_clipped_gaussians_equal_the_full_gaussian(side):
    for left, top in ((-20, -30), (40, 30), (90, 60)):
        targets = encode_one(left - side / 2, top - side / 2, left + side / 2, top + side / 2)
        radius, (y, x) = int(targets.radii[0]), divmod(int(targets.indices[0]), 24)
        rows, columns = np.mgrid[:16, :24]
        sigma = (2 * radius + 1) / 6
        expected = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma * sigma))
        expected[(abs(columns - x) > radius) | (abs(rows - y) > radius)] = 0
        np.testing.assert_array_equal(targets.heatmap[0], expected.astype(np.float32))


def test_very_many_boxes_are_truncated_before_encoding():
    rng = np.random.default_rng(0)
    left_top = rng.uniform(0, 60, (100_000, 2))
    boxes_xyxy, identities = np.concatenate([left_top, left_top + 12], axis=1), np.arange(100_000)
    targets = encode(boxes_xyxy, identities, input_hw=INPUT_HW, max_objects=500)
    first = encode(boxes_xyxy[:500], identities[:500], input_hw=INPUT_HW)
    for name in vars(first):
        np.testing.assert_array_equal(getattr(targets, name), getattr(first, name))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.geometry.letterbox import (
    apply_letterbox,
    fit_letterbox,
    letterbox_boxes,
    round_up_hw,
    undo_exact,
    undo_published,
)

sides = st.integers(1, 4000)
sizes = st.tuples(sides, sides)
inputs = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda hw: (hw[0] * 32, hw[1] * 32))


@given(sizes, inputs)
def test_borders_and_image_fill_the_input(image_hw, input_hw):
    letterbox = fit_letterbox(image_hw, input_hw)
    top, bottom, left, right = letterbox.borders
    height, width = letterbox.resized_hw
    assert (top + height + bottom, left + width + right) == input_hw
    assert min(letterbox.borders) >= 0
    assert bottom - top in (0, 1)
    assert right - left in (0, 1)


@given(sizes, inputs, st.lists(st.floats(-1e3, 5e3), min_size=4, max_size=4))
def test_undo_exact_inverts_letterbox_boxes(image_hw, input_hw, box):
    letterbox = fit_letterbox(image_hw, input_hw)
    boxes_xyxy = np.array([box])
    np.testing.assert_allclose(undo_exact(letterbox_boxes(boxes_xyxy, letterbox), letterbox), boxes_xyxy, atol=1e-6)
    np.testing.assert_allclose(letterbox_boxes(undo_exact(boxes_xyxy, letterbox), letterbox), boxes_xyxy, atol=1e-6)


@given(sizes, inputs)
def test_undo_published_differs_by_the_rounding_of_the_image(image_hw, input_hw):
    letterbox = fit_letterbox(image_hw, input_hw)
    boxes_xyxy = np.array([[0.0, 0, image_hw[1], image_hw[0]]])
    back = undo_published(letterbox_boxes(boxes_xyxy, letterbox), letterbox)
    # The image's side is rounded by at most half a pixel (more where it would be 0), its half by a quarter.
    allowed = 0.251 if min(side * letterbox.ratio for side in image_hw) >= 0.5 else 0.51
    assert np.abs(back - boxes_xyxy).max() <= allowed / letterbox.ratio


def test_undo_published_differs_by_0_13_px_on_full_hd():
    letterbox = fit_letterbox((1080, 1920), (608, 1088))
    boxes_xyxy = np.array([[100.0, 100, 200, 300]])
    difference = undo_exact(boxes_xyxy, letterbox) - undo_published(boxes_xyxy, letterbox)
    np.testing.assert_allclose(difference, [[0.0987, 0, 0.0987, 0]], atol=1e-4)


def test_boxes_keep_their_type_and_are_not_modified():
    letterbox = fit_letterbox((480, 640), (608, 1088))
    boxes_xyxy = np.array([[1, 2, 3, 4]], dtype=np.float32)
    for function in (letterbox_boxes, undo_exact, undo_published):
        assert function(boxes_xyxy, letterbox).dtype == np.float32
    assert boxes_xyxy.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("image_hw", [(10, 40), (40, 10), (1, 2000), (2000, 1), (64, 64)])
def test_image_is_inside_the_borders(image_hw):
    letterbox = fit_letterbox(image_hw, (64, 96))
    image = apply_letterbox(np.full((*image_hw, 3), 7, dtype=np.uint8), letterbox)
    top, _, left, _ = letterbox.borders
    height, width = letterbox.resized_hw
    expected = np.full((64, 96, 3), 128, dtype=np.uint8)
    expected[top : top + height, left : left + width] = 7
    np.testing.assert_array_equal(image, expected)


def test_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"got \(5, 5\)"):
        apply_letterbox(np.zeros((5, 5, 3), dtype=np.uint8), fit_letterbox((4, 4), (32, 32)))


def test_empty_image_is_refused():
    with pytest.raises(ValueError, match="sides of 1 or more"):
        fit_letterbox((0, 10), (32, 32))


def test_round_up_hw_to_multiples():
    assert round_up_hw((608, 1088)) == (608, 1088)
    assert round_up_hw((1, 33)) == (32, 64)
    assert round_up_hw((9, 10), multiple=4) == (12, 12)

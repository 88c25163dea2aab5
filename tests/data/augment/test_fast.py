"""Pixel positions of the fast implementation; `test_joint_dataset.py` compares it with the full implementation."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.augment.affine import AugmentDraw, AugmentOptions, LabelledImage, draw_augmentation, transform_labels
from fairmot.data.augment.fast import cover_size, render
from fairmot.formats.images import ReducedImage
from fairmot.geometry.letterbox import apply_letterbox, fit_letterbox, letterbox_boxes
from fairmot.utils.seed import make_rng

IDENTITY_DRAW = AugmentDraw(1, 1, 0, 1, (0, 0), (0, 0), mirrored=False)
INPUT_HW = (152, 272)


def person(image_hw, scale=1.0):
    """A bright box on black, at (height, width) times `scale`, and the box in pixels of the full image."""
    height, width = image_hw
    box = np.array([width * 3 // 8, height * 3 // 8, width * 5 // 8, height * 6 // 8])
    image = np.zeros((*image_hw, 3), dtype=np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return ReducedImage(small, scale, image_hw), box[None].astype(np.float64)


def bright_box(image):
    y, x = np.nonzero(image[..., 0] > 128)  # half of the edge, and more than grey
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@given(
    seed=st.integers(0, 10**6),
    image_hw=st.sampled_from([(270, 480), (271, 481), (240, 320), (60, 100), (480, 270)]),
    scale=st.sampled_from([1.0, 0.5, 0.625]),
    axes=st.sampled_from(["correct", "published"]),
)
def test_render_boxes_follow_pixels(seed, image_hw, scale, axes):
    options = AugmentOptions(rotation=0, shear=0, translation_axes=axes)
    draw = draw_augmentation(make_rng(seed), options)
    reduced, boxes_xyxy = person(image_hw, scale)
    letterbox = fit_letterbox(image_hw, INPUT_HW)
    image = render(reduced, letterbox, replace(draw, value_factor=1, saturation_factor=1), axes=axes)
    people = LabelledImage(image, letterbox_boxes(boxes_xyxy, letterbox), np.zeros(1, np.int64), np.zeros(1, np.int64))
    carried = transform_labels(people, draw, options)
    if len(carried.boxes_xyxy):
        np.testing.assert_allclose(bright_box(image), carried.boxes_xyxy[0], atol=2.1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_render_identity_draw_is_close_to_letterbox(mirrored):
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 256, (9, 16, 3), dtype=np.uint8), (480, 270))
    letterbox = fit_letterbox((270, 480), INPUT_HW)
    image = render(ReducedImage(pixels, 1.0, (270, 480)), letterbox, replace(IDENTITY_DRAW, mirrored=mirrored))
    expected = apply_letterbox(pixels, letterbox)
    assert np.abs(image[:, :: -1 if mirrored else 1].astype(int) - expected).mean() < 1


def test_render_fills_border_with_grey():
    reduced, _ = person((100, 100))
    image = render(reduced, fit_letterbox((100, 100), INPUT_HW), replace(IDENTITY_DRAW, value_factor=0.5, scale=0.5))
    assert (image[:, :60] == 128).all()
    assert (image[:30] == 128).all()


def test_cover_size_reads_1080_rows_at_half():
    height, width = cover_size((608, 1088))
    assert 3 / 8 < max(height / 1080, 608 / 1080 * 0.88) <= 0.5
    assert width < 0.5 * 1920

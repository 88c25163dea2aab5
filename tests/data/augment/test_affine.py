from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.augment.affine import (
    AugmentDraw,
    AugmentOptions,
    LabelledImage,
    affine_matrix,
    draw_augmentation,
    jitter_colours,
    mirror_boxes,
    touches,
    warp,
    warp_boxes,
)
from fairmot.utils.seed import make_rng

IDENTITY_DRAW = AugmentDraw(1, 1, 0, 1, (0, 0), (0, 0), mirrored=False)
INPUT_HW = (96, 160)


def make_labelled(*boxes, image=None):
    boxes_xyxy = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    if image is None:
        image = np.zeros((*INPUT_HW, 3), dtype=np.uint8)
        for left, top, right, bottom in boxes_xyxy.astype(int):
            image[max(0, top) : bottom, max(0, left) : right] = 255
    return LabelledImage(image, boxes_xyxy, np.arange(len(boxes)), np.arange(len(boxes)) % 3)


def drawn_box(image):
    """Return the xyxy box of the bright pixels of the first channel, without the grey border."""
    y, x = np.nonzero(image[..., 0] > 200)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@given(st.integers(0, 10**6))
def test_draws_are_within_ranges(seed):
    options = AugmentOptions()
    draw = draw_augmentation(make_rng(seed), options)
    assert 0.5 <= draw.saturation_factor <= 1.5
    assert 0.5 <= draw.value_factor <= 1.5
    assert abs(draw.angle) <= 5
    assert 0.5 <= draw.scale <= 1.2
    assert max(map(abs, draw.shift_xy)) <= 0.1
    assert max(map(abs, draw.shear_xy)) <= 2
    assert draw == draw_augmentation(make_rng(seed), options)


def test_draws_cover_ranges():
    draws = [draw_augmentation(make_rng(seed), AugmentOptions()) for seed in range(400)]
    assert 0.4 < np.mean([draw.mirrored for draw in draws]) < 0.6
    assert np.ptp([draw.angle for draw in draws]) > 9.5
    assert np.mean([draw.scale for draw in draws]) == pytest.approx(0.85, abs=0.03)
    assert np.corrcoef([draw.shift_xy for draw in draws], rowvar=False)[0, 1] == pytest.approx(0, abs=0.15)


def test_zero_ranges_give_identity_draw():
    options = AugmentOptions(0, 0, 0, 0, (1, 1), 0, 0)
    assert draw_augmentation(make_rng(1), options) == IDENTITY_DRAW


def published_jitter(image, saturation, value):
    """Colour jitter in floats, clipped and rounded down, as in the reference implementation."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    for channel, factor in ((1, saturation), (2, value)):
        levels = hsv[..., channel].astype(np.float32) * np.float32(factor)
        hsv[..., channel] = np.clip(levels, None, 255).astype(np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


@given(st.floats(0, 2), st.floats(0, 2))
def test_jitter_colours_equals_float_arithmetic(saturation, value):
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    before = image.copy()
    draw = replace(IDENTITY_DRAW, saturation_factor=saturation, value_factor=value)
    jittered = jitter_colours(image, draw)
    np.testing.assert_array_equal(jittered, published_jitter(image, saturation, value))
    np.testing.assert_array_equal(image, before)
    with_alpha = jitter_colours(image, draw, channels=4)
    np.testing.assert_array_equal(with_alpha[..., :3], jittered)
    assert (with_alpha[..., 3] == 255).all()


def test_warp_identity_draw_changes_nothing():
    labelled = make_labelled(
        (20, 20, 50, 60), image=np.random.default_rng(0).integers(0, 256, (*INPUT_HW, 3), np.uint8)
    )
    warped = warp(labelled, IDENTITY_DRAW, AugmentOptions())
    np.testing.assert_array_equal(warped.image, labelled.image)
    np.testing.assert_allclose(warped.boxes_xyxy, labelled.boxes_xyxy)


def test_scale_is_about_centre():
    warped, _ = warp_boxes(
        np.array([[60.0, 38, 100, 58]]), affine_matrix(replace(IDENTITY_DRAW, scale=0.5), INPUT_HW), 0
    )
    np.testing.assert_allclose(warped, [[70, 43, 90, 53]])


def test_translation_axes_scale_by_width_or_height():
    draw = replace(IDENTITY_DRAW, shift_xy=(0.1, 0.05))
    np.testing.assert_allclose(affine_matrix(draw, INPUT_HW)[:2, 2], [16, 4.8])
    np.testing.assert_allclose(affine_matrix(draw, INPUT_HW, "published")[:2, 2], [9.6, 8])


def test_shear_is_after_translation():
    draw = replace(IDENTITY_DRAW, shift_xy=(0.0, 0.1), shear_xy=(45, 0))
    np.testing.assert_allclose(affine_matrix(draw, INPUT_HW), [[1, 1, 9.6], [0, 1, 9.6], [0, 0, 1]], atol=1e-12)


@pytest.mark.parametrize(
    "draw",
    [
        replace(IDENTITY_DRAW, shift_xy=(0.1, -0.1)),
        replace(IDENTITY_DRAW, shift_xy=(-0.08, 0.05), scale=0.7),
        replace(IDENTITY_DRAW, scale=1.2, mirrored=True),
        replace(IDENTITY_DRAW, shear_xy=(2, -2)),
        replace(IDENTITY_DRAW, angle=5),
        replace(IDENTITY_DRAW, angle=-5, scale=0.8, shift_xy=(0.05, 0.1), shear_xy=(1, 1), mirrored=True),
    ],
)
@pytest.mark.parametrize("axes", ["correct", "published"])
def test_boxes_follow_the_pixels(draw, axes):
    warped = warp(make_labelled((60, 30, 80, 66)), draw, AugmentOptions(translation_axes=axes))
    assert len(warped.boxes_xyxy) == 1
    np.testing.assert_allclose(drawn_box(warped.image), warped.boxes_xyxy[0], atol=2)


def test_warp_boxes_shrinks_rotated_hull():
    boxes_xyxy = np.array([[40.0, 30, 60, 70]])
    matrix = affine_matrix(replace(IDENTITY_DRAW, angle=30), INPUT_HW)
    turned, straight = warp_boxes(boxes_xyxy, matrix, 30)[0], warp_boxes(boxes_xyxy, matrix, 0)[0]
    shrunk = (turned[:, 2:] - turned[:, :2]) / (straight[:, 2:] - straight[:, :2])
    np.testing.assert_allclose(shrunk, np.cos(np.radians(30)) ** 0.5)
    np.testing.assert_allclose(turned.sum(), straight.sum())


@pytest.mark.parametrize(
    ("box", "scale", "kept"),
    [
        ((50, 40, 58.1, 60), 0.5, True),
        ((50, 40, 57.9, 60), 0.5, False),  # 3.95 wide
        ((50, 40, 70, 47.9), 0.5, False),  # 3.95 high
        ((10, 10, 60, 60), 0.32, True),
        ((10, 10, 60, 60), 0.31, False),  # 0.096 of the area
        ((10, 10, 109, 20), 1.0, True),
        ((10, 10, 20, 111), 1.0, False),  # 10.1 : 1
    ],
)
def test_warp_boxes_keep_mask(box, scale, kept):
    boxes_xyxy = np.array([box], dtype=np.float64)
    _, kept = warp_boxes(boxes_xyxy, affine_matrix(replace(IDENTITY_DRAW, scale=scale), INPUT_HW), 0)
    assert kept.tolist() == [kept]


def test_out_of_frame_option_keeps_or_drops_boxes():
    labelled = make_labelled((2, 40, 12, 60), (60, 40, 70, 60))
    draw = replace(IDENTITY_DRAW, shift_xy=(-0.1, 0))
    kept = warp(labelled, draw, AugmentOptions())
    dropped = warp(labelled, draw, AugmentOptions(out_of_frame="drop"))
    assert kept.identities.tolist() == [0, 1]
    assert kept.boxes_xyxy[0].tolist() == [-14, 40, -4, 60]
    assert dropped.identities.tolist() == [1]
    assert (kept.classes.tolist(), dropped.classes.tolist()) == ([0, 1], [1])


def test_touches_requires_overlap():
    boxes_xyxy = np.array([[-5.0, 0, 0, 9], [-5, 0, 1, 9], [160, 5, 170, 9], [150, 90, 170, 99], [3, 96, 9, 99]])
    assert touches(boxes_xyxy, INPUT_HW).tolist() == [False, True, False, True, False]


def test_flip_swaps_left_and_right():
    labelled = make_labelled((10, 20, 30, 60), (100, 5, 150, 90))
    mirrored = warp(labelled, replace(IDENTITY_DRAW, mirrored=True), AugmentOptions())
    np.testing.assert_allclose(mirrored.boxes_xyxy, [[130, 20, 150, 60], [10, 5, 60, 90]])
    np.testing.assert_array_equal(mirrored.image, labelled.image[:, ::-1])
    np.testing.assert_allclose(mirror_boxes(mirrored.boxes_xyxy, 160), labelled.boxes_xyxy)


def test_warp_without_objects():
    warped = warp(make_labelled(), replace(IDENTITY_DRAW, angle=3, mirrored=True), AugmentOptions(out_of_frame="drop"))
    assert warped.boxes_xyxy.shape == (0, 4)
    assert warped.image.shape == (*INPUT_HW, 3)


def test_warp_fills_border_with_grey():
    warped = warp(make_labelled(), replace(IDENTITY_DRAW, scale=0.5), AugmentOptions())
    assert warped.image[0, 0].tolist() == [128, 128, 128]

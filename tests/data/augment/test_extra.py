"""Tests of extra augmentations; each object has its own colour, so that pixels identify objects."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.augment.affine import AugmentOptions, LabelledImage
from fairmot.data.augment.extra import MIN_VISIBLE, add_extras, add_jpeg_noise, blur, erase, mix_up, mosaic
from fairmot.utils.seed import make_rng

INPUT_HW = (96, 160)
seeds = st.integers(0, 10**6)


def colour_of(identity):
    return np.array([250, 20 + 40 * (identity % 6), 20 + 40 * (identity // 6)])


def painted(seed, first=0, count=4):
    """Return an image of people, some truncated; identities from `first`, classes are half of them."""
    rng = np.random.default_rng(seed)
    height, width = INPUT_HW
    left = np.arange(count) * (width / count) + rng.uniform(-15, 3, count)
    top = rng.uniform(-30, height - 25, count)
    boxes = np.stack([left, top, left + rng.uniform(12, 30, count), top + rng.uniform(20, 70, count)], axis=1).round()
    image = np.zeros((height, width, 3), dtype=np.uint8)
    identities = np.arange(first, first + count)
    for identity, (x0, y0, x1, y1) in zip(identities, boxes.astype(int), strict=True):
        image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = colour_of(identity)
    return LabelledImage(image, boxes, identities, identities // 2)


def part_in(image, box_xyxy):
    x0, y0, x1, y1 = box_xyxy.round().astype(int).clip(0, [INPUT_HW[1], INPUT_HW[0]] * 2)
    return image[y0:y1, x0:x1].astype(int)


def colour_fraction(labelled, row):
    part = part_in(labelled.image, labelled.boxes_xyxy[row])
    return (part == colour_of(labelled.identities[row])).all(axis=-1).mean()


@given(seeds)
def test_mosaic_boxes_follow_pixels(seed):
    originals = [painted(seed + number, first=6 * number) for number in range(4)]
    made = mosaic(originals, make_rng(seed))
    assert made.image.shape == (*INPUT_HW, 3)
    assert len(set(made.identities.tolist())) == len(made.identities)
    np.testing.assert_array_equal(made.classes, made.identities // 2)
    sides = made.boxes_xyxy[:, 2:] - made.boxes_xyxy[:, :2]
    assert (sides > 4).all()
    assert made.boxes_xyxy.min(initial=0) >= 0
    assert (made.boxes_xyxy[:, 2:] <= [INPUT_HW[1], INPUT_HW[0]]).all()
    boxes_before = np.concatenate([labelled.boxes_xyxy for labelled in originals])
    areas = dict(
        zip(
            np.concatenate([labelled.identities for labelled in originals]).tolist(),
            (boxes_before[:, 2:] - boxes_before[:, :2]).prod(axis=1),
            strict=True,
        )
    )
    for row, identity in enumerate(made.identities.tolist()):
        assert sides[row].prod() >= MIN_VISIBLE * areas[identity] - 1e-6
        assert colour_fraction(made, row) > 0.4  # neighbours may stand before them, never another tile


@given(seeds)
def test_mosaic_keeps_visible_objects(seed):
    originals = [painted(seed + number, first=6 * number) for number in range(4)]
    made = mosaic(originals, make_rng(seed))
    for labelled in originals:
        for identity, box in zip(labelled.identities.tolist(), labelled.boxes_xyxy, strict=True):
            visible = (made.image == colour_of(identity)).all(axis=-1).sum()
            if identity not in made.identities:
                assert visible <= max(0.35 * (box[2:] - box[:2]).prod(), 6 * 100)


def test_mosaic_clips_and_drops_boxes_at_tile():
    people = LabelledImage(
        np.zeros((*INPUT_HW, 3), np.uint8), np.array([[0.0, 0, 160, 96]]), np.array([3]), np.array([1])
    )
    background = LabelledImage(
        np.full((*INPUT_HW, 3), 9, np.uint8), np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, int)
    )
    kept = dropped = 0
    for seed in range(60):
        made = mosaic([people, background, background, background], make_rng(seed))
        y, x = (made.image[..., 0] == 0).any(axis=1).sum(), (made.image[..., 0] == 0).any(axis=0).sum()
        if y * x >= MIN_VISIBLE * 96 * 160:
            kept += 1
            assert made.boxes_xyxy.tolist() == [[0, 0, x, y]]
        else:
            dropped += 1
            assert len(made.boxes_xyxy) == 0
    assert kept
    assert dropped


@given(seeds)
def test_mix_up_has_objects_of_both(seed):
    one, other = painted(seed), painted(seed + 1, first=10)
    made = mix_up(one, other, make_rng(seed))
    assert made.identities.tolist() == [*one.identities, *other.identities]
    assert made.classes.tolist() == [*one.classes, *other.classes]
    np.testing.assert_array_equal(made.boxes_xyxy, np.concatenate([one.boxes_xyxy, other.boxes_xyxy]))
    lower, upper = np.minimum(one.image, other.image), np.maximum(one.image, other.image)
    assert ((made.image >= lower) & (made.image <= upper)).all()
    differ = one.image != other.image
    weights = (made.image.astype(float) - other.image)[differ] / (one.image.astype(float) - other.image)[differ]
    assert 0.05 < np.median(weights) < 0.95


@given(seeds)
def test_erase_keeps_visible_objects(seed):
    labelled = painted(seed, count=6)
    made = erase(labelled, make_rng(seed))
    assert (made.image != labelled.image).any()
    for row, identity in enumerate(labelled.identities.tolist()):
        before, after = (part_in(image, labelled.boxes_xyxy[row]) for image in (labelled.image, made.image))
        left = 1.0 if before.size == 0 else (before == after).all(axis=-1).mean()
        assert (identity in made.identities) == (left >= MIN_VISIBLE)
    where = np.isin(labelled.identities, made.identities)
    np.testing.assert_array_equal(made.boxes_xyxy, labelled.boxes_xyxy[where])
    np.testing.assert_array_equal(made.classes, labelled.classes[where])


@pytest.mark.parametrize("change", [blur, add_jpeg_noise])
@given(seed=seeds)
def test_blur_and_jpeg_keep_labels(change, seed):
    labelled = painted(seed)
    before = labelled.image.copy()
    made = change(labelled, make_rng(seed))
    assert (made.image.shape, made.image.dtype) == (before.shape, np.uint8)
    np.testing.assert_array_equal(labelled.image, before)
    for name in ("boxes_xyxy", "identities", "classes"):
        np.testing.assert_array_equal(getattr(made, name), getattr(labelled, name))
    off = made.image.astype(float) - before
    assert 0 < np.abs(off).mean() < 25
    assert np.abs(off.mean(axis=(0, 1))).max() < 8  # neither brighter nor darker


def test_blur_keeps_image_position():
    image = np.zeros((41, 41, 3), dtype=np.uint8)
    image[20, 20] = 255
    none = np.zeros(0, dtype=np.int64)
    for seed in range(40):
        made = blur(LabelledImage(cv2.dilate(image, np.ones((9, 9))), np.zeros((0, 4)), none, none), make_rng(seed))
        weights = made.image[..., 0].astype(float)
        y, x = np.mgrid[:41, :41]
        middle = (weights * y).sum() / weights.sum(), (weights * x).sum() / weights.sum()
        np.testing.assert_allclose(middle, (20, 20), atol=0.3)


def test_disabled_extras_draw_nothing():
    labelled, rng = painted(0), make_rng(5)

    def another():
        raise AssertionError("not asked for")

    assert add_extras(labelled, rng, AugmentOptions(), another) is labelled
    assert rng.random() == make_rng(5).random()


@pytest.mark.parametrize(("name", "asked"), [("mosaic", 3), ("mixup", 1), ("erase", 0), ("blur", 0), ("jpeg", 0)])
def test_extras_occur_with_their_probability(name, asked):
    originals, changed, calls = [painted(number, first=6 * number) for number in range(5)], 0, []

    def another():
        calls.append(1)
        return originals[1 + len(calls) % 4]

    for seed in range(200):
        made = add_extras(originals[0], make_rng(seed), AugmentOptions(**{name: 0.3}), another)
        changed += made is not originals[0]
    assert 40 < changed < 80
    assert len(calls) == asked * changed


@given(seeds)
def test_extras_depend_on_rng_only(seed):
    options = AugmentOptions(mosaic=0.5, mixup=0.5, erase=0.5, blur=0.5, jpeg=0.5)
    one, other = (add_extras(painted(1), make_rng(seed), options, lambda: painted(2, first=8)) for _ in range(2))
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)


def test_extras_without_objects():
    none = np.zeros(0, dtype=np.int64)
    empty = LabelledImage(np.zeros((*INPUT_HW, 3), np.uint8), np.zeros((0, 4)), none, none)
    options = AugmentOptions(mosaic=1, mixup=1, erase=1, blur=1, jpeg=1)
    made = add_extras(empty, make_rng(0), options, lambda: empty)
    assert made.boxes_xyxy.shape == (0, 4)
    assert made.image.shape == (*INPUT_HW, 3)

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.locations import SHARED
from helpers.small_sequences import index_samples
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.augment.affine import AugmentOptions, draw_augmentation
from fairmot.data.joint_dataset import read_augmented, read_letterboxed
from fairmot.data.samples import Sample
from fairmot.formats.images import read_image, write_image
from fairmot.formats.motchallenge import find_sequences
from fairmot.geometry.letterbox import apply_letterbox, fit_letterbox
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

MINI = SHARED / "data" / "mot17-mini"
INPUT_HW = (152, 272)
OPTIONS = AugmentOptions()


def street(height, width, seed=0):
    """Noise of several widths, as detailed as a photograph."""
    rng, image = np.random.default_rng(seed), np.full((height, width, 3), 40.0)
    for cell, strength in ((40, 90), (10, 60), (4, 40)):
        noise = rng.uniform(0, strength, (max(2, height // cell), max(2, width // cell), 3))
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    return image.clip(0, 255).astype(np.uint8)


def sample_of(folder, size_hw=(270, 480), suffix=".jpg"):
    path = folder / f"{size_hw[0]}x{size_hw[1]}{suffix}"
    if not path.exists():
        write_image(path, street(*size_hw), quality=90)
    boxes_tlwh = np.array([[100.0, 60, 40, 120], [-30, 20, 50, 90], [300, 200, 60, 140]]) * size_hw[0] / 270
    return Sample(path, boxes_tlwh, np.array([4, 9, -1]), np.array([0, 1, 0]))


def both(sample, seed, options=OPTIONS):
    draw = draw_augmentation(make_rng(seed), options)
    return [
        read_augmented(sample, draw, replace(options, implementation=path), input_hw=INPUT_HW)
        for path in ("fast", "full")
    ]


def difference(fast, full):
    return cv2.absdiff(fast.image, full.image).mean()


@given(
    seed=st.integers(0, 10**6),
    size_hw=st.sampled_from([(270, 480), (271, 481), (540, 961), (120, 160), (480, 270)]),
    suffix=st.sampled_from([".jpg", ".png"]),
)
def test_both_paths_give_the_same_people_and_nearly_the_same_pixels(tmp_path_factory, seed, size_hw, suffix):
    sample = sample_of(tmp_path_factory.getbasetemp() / "streets", size_hw, suffix)
    fast, full = both(sample, seed)
    for name in ("boxes_xyxy", "identities", "classes"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(full, name))
    assert difference(fast, full) < 3  # 2.05 at most in 1500 draws


@pytest.mark.dataset
def test_real_frames_differ_by_less_than_two_of_255():
    if not MINI.is_dir():
        pytest.skip("mot17-mini is not beside the repository")
    samples = index_samples(find_sequences(MINI))
    differences = []
    for place in range(len(samples)):
        draw = draw_augmentation(make_rng(place), OPTIONS)
        fast, full = (
            read_augmented(samples[place], draw, AugmentOptions(implementation=path), input_hw=(608, 1088))
            for path in ("fast", "full")
        )
        np.testing.assert_array_equal(fast.boxes_xyxy, full.boxes_xyxy)
        differences.append(difference(fast, full))
    assert max(differences) < 2
    assert np.mean(differences) < 0.7


def test_without_augmentation_pixels_are_the_letterboxed_image(tmp_path):
    sample = sample_of(tmp_path)
    picture = read_letterboxed(sample, input_hw=INPUT_HW)
    expected = apply_letterbox(read_image(sample.image_path), fit_letterbox((270, 480), INPUT_HW))
    np.testing.assert_array_equal(picture.image, expected)
    assert (picture.identities.tolist(), picture.classes.tolist()) == ([4, 9, -1], [0, 1, 0])


@pytest.mark.parametrize("path", ["fast", "full"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, path):
    sample = replace(sample_of(tmp_path), image_path=tmp_path / "gone.jpg")
    draw = draw_augmentation(make_rng(0), OPTIONS)
    with pytest.raises(InputError, match=r"gone\.jpg: no such image"):
        read_augmented(sample, draw, AugmentOptions(implementation=path), input_hw=INPUT_HW)

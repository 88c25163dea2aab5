"""Parity of the letterbox and its inverse with the reference implementation."""

import hashlib

import cv2
import numpy as np
import pytest
from helpers.locations import FIXTURES, SHARED

from fairmot.geometry.letterbox import apply_letterbox, fit_letterbox, undo_published

REFERENCE = SHARED / "reference" / "parts"
INPUT_HW = (608, 1088)
# SHA-256 of the reference letterbox of `patterned()`: letterbox_down.npz's `image`, row by row.
DOWN_SHA256 = "21ad6ba9ad8df25b7dc022023395913ca926411cc4cc9d4978b980bf02c7b73d"

pytestmark = pytest.mark.parity


def patterned():
    y, x = np.mgrid[:1080, :1920]
    return np.stack([(x // 3 + y) % 256, (x * y // 64) % 256, (x ^ y) % 256], axis=-1).astype(np.uint8)


def reference(name):
    if not REFERENCE.is_dir():
        pytest.skip(f"needs {REFERENCE}")
    return REFERENCE / name


def test_downscaled_pixels_equal_the_reference():
    letterbox = fit_letterbox((1080, 1920), INPUT_HW)
    image = apply_letterbox(patterned(), letterbox)
    assert hashlib.sha256(image.tobytes()).hexdigest() == DOWN_SHA256
    assert (letterbox.ratio, letterbox.pad_left, letterbox.pad_top) == (608 / 1080, 3.5, 0)


@pytest.mark.dataset
@pytest.mark.parametrize("name", ["letterbox", "letterbox_down"])
def test_pixels_ratio_and_padding_equal_the_reference(name):
    expected = np.load(reference(f"{name}.npz"))
    image = patterned() if name == "letterbox_down" else cv2.imread(str(reference("letterbox_input.png")))
    letterbox = fit_letterbox(image.shape[:2], INPUT_HW)
    np.testing.assert_array_equal(apply_letterbox(image, letterbox), expected["image"])
    assert letterbox.ratio == expected["ratio"]
    assert (letterbox.pad_left, letterbox.pad_top) == tuple(expected["pad"])


def check_undo(arrays):
    cells = arrays["detections"][0, :, :4].astype(np.float64)
    map_hw = arrays["heatmap"].shape[2:]
    names = [name for name in arrays.files if name.startswith("image_")]
    assert names
    for name in names:
        width, height = map(int, name.removeprefix("image_").split("x"))
        letterbox = fit_letterbox((height, width), (map_hw[0] * 4, map_hw[1] * 4))
        np.testing.assert_allclose(undo_published(cells * 4, letterbox), arrays[name][:, :4], atol=2e-4)


def test_undo_equals_the_reference():
    check_undo(np.load(FIXTURES / "decode.npz"))


@pytest.mark.dataset
def test_undo_equals_the_reference_at_full_size():
    check_undo(np.load(reference("decode.npz")))

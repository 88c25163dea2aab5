"""Parity of the training targets with the reference implementation; sizes and offsets to 1e-4 cells."""

import numpy as np
import pytest
from helpers.locations import FIXTURES, SHARED

from fairmot.codec.encode import encode
from fairmot.geometry.boxes import cxcywh_to_xyxy
from fairmot.geometry.letterbox import fit_letterbox, letterbox_boxes

REFERENCE = SHARED / "reference" / "parts"

pytestmark = pytest.mark.parity


def check_image(arrays, number):
    labels, heatmap = arrays[f"labels{number}"], arrays[f"hm{number}"]
    height, width = (int(side) for side in arrays[f"shape{number}"][:2])
    input_hw = (heatmap.shape[1] * 4, heatmap.shape[2] * 4)
    boxes_xyxy = cxcywh_to_xyxy(labels[:, 2:] * [width, height, width, height])
    letterbox = fit_letterbox((height, width), input_hw)
    identities, slots = labels[:, 1].astype(np.int64), len(arrays[f"ind{number}"])
    targets = encode(letterbox_boxes(boxes_xyxy, letterbox), identities, input_hw=input_hw, max_objects=slots)
    mask = arrays[f"reg_mask{number}"].astype(bool)
    assert len(targets.indices) == mask.sum()
    np.testing.assert_array_equal(targets.heatmap, heatmap)
    np.testing.assert_array_equal(targets.indices, arrays[f"ind{number}"][mask])
    np.testing.assert_array_equal(targets.identities, arrays[f"ids{number}"][mask])
    np.testing.assert_allclose(targets.sizes_ltrb, arrays[f"wh{number}"][mask], atol=1e-4)
    np.testing.assert_allclose(targets.offsets, arrays[f"reg{number}"][mask], atol=1e-4)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_targets_equal_the_reference(number):
    check_image(np.load(FIXTURES / "targets.npz"), number)


@pytest.mark.dataset
@pytest.mark.parametrize("number", [0, 1, 2, 3, 4])
def test_targets_equal_the_reference_at_full_size(number):
    if not REFERENCE.is_dir():
        pytest.skip(f"needs {REFERENCE}")
    check_image(np.load(REFERENCE / "targets.npz"), number)

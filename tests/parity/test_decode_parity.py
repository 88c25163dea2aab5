"""Peaks and boxes equal the published decoder's."""

import numpy as np
import pytest
import torch
from helpers.locations import SHARED
from helpers.published import FIXTURES

from fairmot.codec.decode import decode

FULL = SHARED / "reference" / "parts" / "decode.npz"
pytestmark = pytest.mark.parity


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(FIXTURES / "decode.npz", id="compact"),
        pytest.param(
            FULL,
            id="full",
            marks=[pytest.mark.dataset, pytest.mark.skipif(not FULL.exists(), reason=f"needs {FULL.name}")],
        ),
    ],
)
def test_detections(path):
    reference = np.load(path)
    maps = [torch.from_numpy(reference[name]) for name in ("heatmap", "size_ltrb", "offset")]
    expected = reference["detections"]
    peaks = decode(*maps, top_k=expected.shape[1])
    np.testing.assert_array_equal(peaks.indices_BK, reference["indices"])
    np.testing.assert_array_equal(peaks.scores_BK, expected[..., 4])
    np.testing.assert_array_equal(peaks.classes_BK, expected[..., 5])
    np.testing.assert_allclose(peaks.boxes_BK4, expected[..., :4], atol=1e-4, rtol=0)

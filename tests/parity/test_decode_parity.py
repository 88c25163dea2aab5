"""Parity of the decoder with the reference implementation."""

import numpy as np
import pytest
import torch
from helpers.locations import SHARED
from helpers.reference_arrays import FIXTURES

from fairmot.codec.decode import decode
from fairmot.codec.head_reader import DenseHeadReader

FULL = SHARED / "reference" / "parts" / "decode.npz"
FULL_SET = [pytest.mark.dataset, pytest.mark.skipif(not FULL.exists(), reason=f"needs {FULL}")]
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("path", [FIXTURES / "decode.npz", pytest.param(FULL, marks=FULL_SET)], ids=["compact", "full"])
def test_decode_equals_the_reference_detections(path):
    reference = np.load(path)
    heatmap, size, offset = (torch.from_numpy(reference[name]) for name in ("heatmap", "size_ltrb", "offset"))
    expected = reference["detections"]
    peaks = decode(heatmap, DenseHeadReader(size), DenseHeadReader(offset), top_k=expected.shape[1])
    np.testing.assert_array_equal(peaks.points.indices_BK, reference["indices"])
    np.testing.assert_array_equal(peaks.scores_BK, expected[..., 4])
    np.testing.assert_array_equal(peaks.classes_BK, expected[..., 5])
    np.testing.assert_allclose(peaks.boxes_BK4, expected[..., :4], atol=1e-4, rtol=0)

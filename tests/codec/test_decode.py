"""Decoder: inverse of the encoder, limits of top_k."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.codec.decode import decode
from fairmot.codec.encode import encode
from fairmot.codec.head_reader import DenseHeadReader
from fairmot.codec.points import gather_at

MAP_HW = (24, 40)
cells = st.lists(
    st.tuples(st.integers(1, 22), st.integers(1, 38)),
    min_size=0,
    max_size=12,
    unique_by=lambda p: (p[0] // 3, p[1] // 3),
)


@settings(deadline=None, max_examples=60)
@given(cells=cells, seed=st.integers(0, 1000))
def test_decode_inverts_encode(cells, seed):
    """Boxes whose centres are three cells apart are recovered to a thousandth of a pixel."""
    rng = np.random.default_rng(seed)
    centres = np.array([(x + f, y + g) for (y, x), f, g in zip(cells, *rng.random((2, len(cells))), strict=True)])
    far = [c for n, c in enumerate(centres) if all(np.abs(c - d).max() > 3 for d in centres[:n])]
    centres = np.array(far).reshape(-1, 2) * 4
    sizes = rng.uniform(4, 60, (len(centres), 2))
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    targets = encode(boxes, np.arange(len(boxes)), input_hw=(MAP_HW[0] * 4, MAP_HW[1] * 4))
    size_map, offset_map = torch.zeros(1, 4, *MAP_HW), torch.zeros(1, 2, *MAP_HW)
    indices = torch.from_numpy(targets.indices)
    size_map.view(4, -1)[:, indices] = torch.from_numpy(targets.sizes_ltrb).T
    offset_map.view(2, -1)[:, indices] = torch.from_numpy(targets.offsets).T
    peaks = decode(
        torch.from_numpy(targets.heatmap)[None], DenseHeadReader(size_map), DenseHeadReader(offset_map), top_k=50
    )
    found = peaks.scores_BK[0] == 1.0
    assert set(peaks.points.indices_BK[0, found].tolist()) == set(targets.indices.tolist())
    by_cell = dict(zip(peaks.points.indices_BK[0, found].tolist(), peaks.boxes_BK4[0, found].numpy() * 4, strict=True))
    for cell, box in zip(targets.indices.tolist(), boxes, strict=True):
        np.testing.assert_allclose(by_cell[cell], box, atol=1e-3)


def test_top_k_above_the_number_of_cells_returns_all_cells():
    size, offset = DenseHeadReader(torch.ones(2, 4, 2, 4)), DenseHeadReader(torch.zeros(2, 2, 2, 4))
    peaks = decode(torch.rand(2, 3, 2, 4), size, offset, top_k=500)
    assert peaks.scores_BK.shape == (2, 24)
    assert peaks.classes_BK.max() <= 2
    assert peaks.points.indices_BK.max() < 8


def test_gather_at_returns_values_of_cells():
    values = torch.arange(24.0).view(1, 2, 3, 4)
    np.testing.assert_array_equal(gather_at(values, torch.tensor([[0, 7]]))[0], [[0, 12], [7, 19]])

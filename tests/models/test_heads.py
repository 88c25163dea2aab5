"""Heads give equal values on the full map, in tiles and at single cells."""

import pytest
import torch

from fairmot.codec.decode import decode
from fairmot.codec.points import gather_at
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.heads import Head, patches_at
from fairmot.models.layers import tiling

SLIM = ["MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "32"]


def relative(value, reference):
    return float((value - reference).norm() / reference.norm())


@pytest.mark.parametrize("backbone", ["dla_34", "yolo"], ids=["ReLU", "SiLU"])
@pytest.mark.parametrize("num_values", [None, 5])
def test_sparse_heads_at_peaks_and_borders_equal_dense_heads(backbone, num_values):
    torch.manual_seed(0)
    model = build_model(load_cfg(None, [*SLIM, "MODEL.BACKBONE", backbone])).eval()
    images = torch.rand(3, 3, 96, 160)
    with torch.inference_mode():
        outputs, heads = model(images), model.sparse_heads(images, num_embedding_values=num_values)
        assert torch.equal(heads.heatmap_BCHW, outputs.heatmap)
        peaks = decode(heads.heatmap_BCHW.sigmoid(), heads.size_ltrb, heads.offset, top_k=60)
        borders = torch.tensor([0, 39, 23 * 40, 24 * 40 - 1]).expand(3, -1)
        indices = torch.cat([peaks.points.indices_BK, borders], dim=1)
        for name in ("size_ltrb", "offset", "embedding"):
            dense, reader = getattr(outputs, name), getattr(heads, name)
            dense = dense[:, :num_values] if name == "embedding" else dense
            torch.testing.assert_close(reader.dense(), dense)
            values, expected = reader.at(indices), gather_at(dense, indices)
            for image in range(3):
                assert relative(values[image], expected[image]) <= 1e-5, (name, image)


def test_sparse_heads_without_cells_give_empty_values():
    heads = build_model(load_cfg(None, SLIM)).eval().sparse_heads(torch.rand(2, 3, 32, 32))
    assert heads.embedding.at(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0, 64)


def test_patches_outside_the_map_are_zero():
    features = torch.arange(1.0, 13.0).view(1, 1, 3, 4)
    patch = patches_at(features, torch.tensor([[3]]))
    assert patch.flatten().tolist() == [0, 0, 0, 3, 4, 0, 7, 8, 0]


@pytest.mark.parametrize("tile_bytes", [1, 60_000, 1 << 30], ids=["narrow", "some", "one"])
def test_tiled_head_equals_untiled_head(monkeypatch, tile_bytes):
    monkeypatch.setattr(tiling, "TILE_BYTES", tile_bytes)
    head = Head(8, 3, hidden=16).eval()
    features = torch.rand(2, 8, 45, 20)
    expected = head(features).detach()
    head.is_tiled = True
    torch.testing.assert_close(head(features).detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("height", [96, 104, 64])
def test_tiled_stem_equals_untiled_stem(monkeypatch, height):
    torch.manual_seed(0)
    stem = build_model(load_cfg(None, SLIM)).backbone.eval()
    images = torch.rand(1, 3, height, 64)
    expected = stem._stem(images).detach()
    monkeypatch.setattr(tiling, "TILE_BYTES", 1)
    with torch.inference_mode():
        torch.testing.assert_close(stem._tiled_stem(images), expected, rtol=1e-5, atol=1e-6)

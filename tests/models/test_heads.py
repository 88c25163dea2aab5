"""Heads on the whole map, in bands and at single cells give the same."""

import pytest
import torch

from fairmot.codec.decode import find_peaks
from fairmot.codec.points import gather_at
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.heads import Head, patches_at
from fairmot.models.layers import tiling as bands

SLIM = ["MODEL.WIDTH", "0.25", "MODEL.HEAD_CHANNELS", "32"]


def relative(value, reference):
    return float((value - reference).norm() / reference.norm())


@pytest.mark.parametrize("backbone", ["dla_34", "yolo"], ids=["ReLU", "SiLU"])
def test_heads_at_peaks_equal_the_dense_heads(backbone):
    """For each image of a batch, border cells included."""
    torch.manual_seed(0)
    model = build_model(load_cfg(None, [*SLIM, "MODEL.BACKBONE", backbone])).eval()
    images = torch.rand(3, 3, 96, 160)
    with torch.inference_mode():
        outputs, features = model(images), model.features(images)
        _, _, indices = find_peaks(model.heatmap(features).sigmoid(), top_k=60)
        corners = torch.tensor([0, 39, 23 * 40, 24 * 40 - 1]).expand(3, -1)
        indices = torch.cat([indices, corners], dim=1)
        read = model.read_at(features, indices)
    for name, value in read._asdict().items():
        dense = gather_at(getattr(outputs, name), indices)
        for image in range(3):
            assert relative(value[image], dense[image]) <= 1e-5, (name, image)


def test_no_cell_at_all():
    model = build_model(load_cfg(None, SLIM)).eval()
    read = model.read_at(torch.rand(2, 16, 8, 8), torch.zeros(2, 0, dtype=torch.int64))
    assert read.embedding.shape == (2, 0, 64)


def test_patches_read_zeros_outside():
    features = torch.arange(1.0, 13.0).view(1, 1, 3, 4)
    patch = patches_at(features, torch.tensor([[3]]))
    assert patch.flatten().tolist() == [0, 0, 0, 3, 4, 0, 7, 8, 0]


@pytest.mark.parametrize("band_bytes", [1, 60_000, 1 << 30], ids=["narrow", "some", "whole"])
def test_bands_change_nothing(monkeypatch, band_bytes):
    monkeypatch.setattr(bands, "BAND_BYTES", band_bytes)
    head = Head(8, 3, hidden=16).eval()
    features = torch.rand(2, 8, 45, 20)
    whole = head(features).detach()
    head.banded = True
    torch.testing.assert_close(head(features).detach(), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("height", [96, 104, 64])
def test_bands_of_the_strided_stem(monkeypatch, height):
    torch.manual_seed(0)
    stem = build_model(load_cfg(None, SLIM)).backbone.eval()
    images = torch.rand(1, 3, height, 64)
    whole = stem._stem(images).detach()
    monkeypatch.setattr(bands, "BAND_BYTES", 1)
    with torch.inference_mode():
        torch.testing.assert_close(stem._stem_in_bands(images), whole, rtol=1e-5, atol=1e-6)

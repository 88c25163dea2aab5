"""Output shapes, initialisation and padding of the network."""

import pytest
import torch

from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.layers.conv import bilinear_upsample


def slim(*overrides):
    torch.manual_seed(0)
    return build_model(load_cfg(None, ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", *overrides]))


def test_output_shapes_follow_input_and_configuration():
    model = slim("MODEL.REID_DIM", "12", "MODEL.NUM_CLASSES", "3").eval()
    outputs = model(torch.rand(2, 3, 64, 96))
    assert outputs.heatmap.shape == (2, 3, 16, 24)
    assert outputs.size_ltrb.shape == (2, 4, 16, 24)
    assert outputs.offset.shape == (2, 2, 16, 24)
    assert outputs.embedding.shape == (2, 12, 16, 24)


def test_initial_heatmap_is_near_one_tenth():
    probability = slim()(torch.rand(2, 3, 64, 64)).heatmap.sigmoid()
    assert 0.02 < float(probability.mean()) < 0.3


@pytest.mark.parametrize("input_hw", [(60, 64), (97, 130), (33, 31)])
def test_size_not_a_multiple_of_32_is_padded_with_grey(input_hw):
    """The cells equal those of the image padded by hand, without cells outside the image."""
    model = slim().eval()
    height, width = input_hw
    images = torch.rand(2, 3, height, width)
    padded = torch.full((2, 3, -(-height // 32) * 32, -(-width // 32) * 32), 0.5)
    padded[..., :height, :width] = images
    with torch.inference_mode():
        outputs, features = model(images), model.features(padded)
        rows, columns = -(-height // 4), -(-width // 4)
        expected = model.heads["heatmap"](features[..., :rows, :columns])
    assert outputs.heatmap.shape == (2, 1, rows, columns)
    torch.testing.assert_close(outputs.heatmap, expected)


@pytest.mark.parametrize(("overrides", "length"), [(("16",), 16), (("16", "MODEL.REID_NESTED", "(32,8)"), 32)])
def test_embedding_has_the_longest_trained_length(overrides, length):
    model = slim("MODEL.REID_DIM", *overrides)
    assert model.heads["embedding"][2].out_channels == length


def test_model_builds_on_the_meta_device():
    with torch.device("meta"):
        model = build_model(load_cfg())
    assert next(model.parameters()).is_meta


@pytest.mark.parametrize("factor", [2, 4])
def test_initial_upsampling_is_bilinear(factor):
    ramp = torch.arange(6.0).view(1, 1, 1, 6).expand(1, 1, 6, 6)
    upsampled = bilinear_upsample(1, factor)(ramp).detach()
    reference = torch.nn.functional.interpolate(ramp, scale_factor=factor, mode="bilinear")
    inner = slice(factor, -factor)
    torch.testing.assert_close(upsampled[..., inner, inner], reference[..., inner, inner])

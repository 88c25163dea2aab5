"""The CPU's deformable convolution equals torchvision's operator."""

import pytest
import torch
from torchvision.ops import deform_conv2d

from fairmot.models.layers.deform_conv import DeformConv2d, gather_deform_conv


def made_up(batch, channels, out, height, width, *, reach=2.0, dtype=torch.float32):
    rng = torch.Generator().manual_seed(batch * 1000 + height)

    def draw(*shape):
        return torch.randn(*shape, generator=rng, dtype=dtype)

    tensors = (
        draw(batch, channels, height, width),
        draw(batch, 18, height, width) * reach,
        draw(batch, 9, height, width).sigmoid(),
        draw(out, channels, 3, 3),
        draw(out),
    )
    return [tensor.requires_grad_() for tensor in tensors]


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 5, 7, 9), (2, 16, 8, 12, 20), (3, 1, 1, 1, 1), (1, 4, 4, 2, 33)],
    ids=lambda s: "x".join(map(str, s)),
)
@pytest.mark.parametrize("reach", [0.0, 0.7, 40.0], ids=["still", "near", "far outside"])
def test_outputs_and_gradients_equal_torchvision(shape, reach):
    tensors = made_up(*shape, reach=reach + 1e-3)
    ours = gather_deform_conv(*tensors)
    features, offset, mask, weight, bias = tensors
    theirs = deform_conv2d(features, offset, weight, bias, padding=1, mask=mask)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
    upstream = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1))
    for name, mine, reference in zip(
        ("features", "offset", "mask", "weight", "bias"),
        torch.autograd.grad(ours, tensors, upstream),
        torch.autograd.grad(theirs, tensors, upstream),
        strict=True,
    ):
        assert float((mine - reference).norm()) <= 1e-5 * max(float(reference.norm()), 1.0), name


def test_gradcheck_in_double_precision():
    assert torch.autograd.gradcheck(gather_deform_conv, made_up(1, 2, 3, 4, 5, dtype=torch.float64), atol=1e-6)


def test_a_new_layer_is_a_plain_convolution_at_half_strength():
    torch.manual_seed(0)
    layer = DeformConv2d(6, 4)
    features = torch.randn(2, 6, 9, 11)
    plain = torch.nn.functional.conv2d(features, layer.weight, padding=1)
    expected = 0.5 * plain + layer.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(features), expected, rtol=1e-4, atol=1e-5)

"""Random inputs for the deformable convolutions."""

import torch

NAMES = ("output", "features", "offset", "mask", "weight", "bias")


def made_up(batch, channels, out, height, width, *, reach=2.0, dtype=torch.float32, **options):
    """Features, offset, mask, weight and bias for a 3x3 kernel, or what the options say."""
    kernel, groups, offset_groups = options.get("kernel", 3), options.get("groups", 1), options.get("offset_groups", 1)
    rng = torch.Generator().manual_seed(batch * 1000 + height)
    stride, padding, dilation = (options.get(name, 1) for name in ("stride", "padding", "dilation"))
    out_h, out_w = ((side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for side in (height, width))
    taps = offset_groups * kernel**2

    def draw(*shape):
        return torch.randn(*shape, generator=rng, dtype=dtype)

    tensors = (
        draw(batch, channels, height, width),
        draw(batch, 2 * taps, out_h, out_w) * reach,
        draw(batch, taps, out_h, out_w).sigmoid(),
        draw(out, channels // groups, kernel, kernel),
        draw(out),
    )
    return [tensor.requires_grad_() for tensor in tensors]

"""Random inputs for the deformable convolutions."""

import torch

NAMES = ("output", "features", "offset", "mask", "weight", "bias")


def random_inputs(batch, channels, out, height, width, *, reach=2.0, dtype=torch.float32, **options):
    """Features, offset, mask, weight and bias; options: kernel size (3), stride, padding and dilation (1)."""
    kernel = options.get("kernel", 3)
    rng = torch.Generator().manual_seed(batch * 1000 + height)
    stride, padding, dilation = (options.get(name, 1) for name in ("stride", "padding", "dilation"))
    out_h, out_w = ((side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for side in (height, width))

    def draw(*shape):
        return torch.randn(*shape, generator=rng, dtype=dtype)

    tensors = (
        draw(batch, channels, height, width),
        draw(batch, 2 * kernel**2, out_h, out_w) * reach,
        draw(batch, kernel**2, out_h, out_w).sigmoid(),
        draw(out, channels, kernel, kernel),
        draw(out),
    )
    return [tensor.requires_grad_() for tensor in tensors]

"""Modulated deformable convolution (DCNv2): sample where the layer looks, weighted by what it sees there.

Legend: B images, C input channels, O output channels, H W map size, T the 9 taps of the kernel.
"""

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn
from torch.nn import functional
from torchvision.ops import deform_conv2d

TAPS = 9
FRAME = (1, 2)  # zeros before and behind the map, each way


class DeformConv2d(nn.Module):
    """3x3 modulated deformable convolution that predicts its own offsets and modulation from its input.

    The published network's layer: a plain convolution gives 27 maps, of which the first 18 are the offsets (y and x of
    each of the 9 taps) and the last 9, through a sigmoid, the modulation. Both start at zero: at first the layer is a
    plain convolution at half strength. Source: Zhu et al., Deformable ConvNets v2, 2019, section 3.1.

    On a CPU the sampling is `gather_deform_conv`; elsewhere torchvision's operator, to which it is equal.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        plain = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.weight = plain.weight
        self.bias = plain.bias
        self.conv_offset_mask = nn.Conv2d(in_channels, 3 * TAPS, kernel_size=3, padding=1)
        nn.init.zeros_(self.conv_offset_mask.weight)
        if self.conv_offset_mask.bias is not None:
            nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, O, H, W)."""
        steering = self.conv_offset_mask(features_BCHW)
        offset, modulation = steering[:, : 2 * TAPS], steering[:, 2 * TAPS :].sigmoid()
        if features_BCHW.device.type == "cpu":
            return gather_deform_conv(features_BCHW, offset, modulation, self.weight, self.bias)
        sampled: torch.Tensor = deform_conv2d(features_BCHW, offset, self.weight, self.bias, padding=1, mask=modulation)
        return sampled


def gather_deform_conv(
    features_BCHW: torch.Tensor,
    offset: torch.Tensor,
    modulation: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
) -> torch.Tensor:
    """Same as torchvision's `deform_conv2d` for a 3x3 kernel, stride 1, padding 1, fast on a CPU.

    Each tap is a weighted sum of four neighbouring pixels: one sparse product over the channels-last map samples all
    taps of all places, one matrix product applies the kernel.

    offset: (B, 18, H, W), y and x of each tap; modulation: (B, 9, H, W); weight: (O, C, 3, 3); bias: (O,) or None.
    Returns (B, O, H, W).
    """
    B, C, H, W = features_BCHW.shape
    framed = functional.pad(features_BCHW.permute(0, 2, 3, 1), (0, 0, *FRAME, *FRAME))
    y, x = _sampling_places(offset.view(B, TAPS, 2, H, W))
    strength = modulation.permute(0, 2, 3, 1).flatten()
    sampled: torch.Tensor = _BilinearGather.apply(framed, y, x, strength)
    kernel = weight.permute(2, 3, 1, 0).reshape(TAPS * C, -1)
    out = sampled.view(B * H * W, TAPS * C) @ kernel
    if bias is not None:
        out = out + bias
    return out.view(B, H, W, -1).permute(0, 3, 1, 2).contiguous()


def _sampling_places(offset_BT2HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return y and x, each (N,), of every tap of every place on the framed map; N = B H W T.

    One row and column of zeros before the map and two behind it stand for everything outside, so a place there only
    has to be clamped.
    """
    _, _, _, H, W = offset_BT2HW.shape
    steps = torch.arange(3, device=offset_BT2HW.device)  # -1, 0, 1 and the frame's 1
    rows = torch.arange(H, device=steps.device).view(H, 1, 1) + steps.repeat_interleave(3)
    columns = torch.arange(W, device=steps.device).view(W, 1) + steps.repeat(3)
    offset_2BHWT = offset_BT2HW.permute(2, 0, 3, 4, 1)
    y = (offset_2BHWT[0] + rows).clamp(0, H + 1)
    x = (offset_2BHWT[1] + columns).clamp(0, W + 1)
    return y.flatten(), x.flatten()


class _BilinearGather(torch.autograd.Function):
    """Sample a framed map (B, H', W', C) at y, x (N,), N / B places an image in order, times `strength` (N,).

    Returns (N, C). Forward is one weighted `embedding_bag`; the map's gradient is the transposed sparse product, for
    which SciPy is five times faster on a CPU than the sort behind `embedding_bag`'s own gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, framed: torch.Tensor, y: torch.Tensor, x: torch.Tensor, strength: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(framed, y, x, strength)
        index_N4, share_N4 = _corners(framed, y, x, strength)
        return functional.embedding_bag(index_N4, framed.flatten(0, 2), per_sample_weights=share_N4, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        framed, y, x, strength = ctx.saved_tensors
        index_N4, share_N4 = _corners(framed, y, x, strength)
        pixels = framed.flatten(0, 2)
        ends = np.arange(0, index_N4.numel() + 1, 4, dtype=np.int32)
        shape = (len(index_N4), len(pixels))
        gather = csr_matrix((share_N4.flatten().numpy(), index_N4.flatten().numpy(), ends), shape=shape)
        to_pixels = torch.from_numpy(gather.T @ gradient.contiguous().numpy())
        with torch.enable_grad():
            share_N4.requires_grad_()
            sampled = functional.embedding_bag(index_N4, pixels.detach(), per_sample_weights=share_N4, mode="sum")
            (to_share,) = torch.autograd.grad(sampled, share_N4, gradient)
        return to_pixels.view_as(framed), *_share_gradients(to_share, y.frac(), x.frac(), strength)


def _corners(
    framed: torch.Tensor, y: torch.Tensor, x: torch.Tensor, strength: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the flat indices (N, 4), int32, of the four pixels around each place, and each one's share (N, 4)."""
    images, height, width, _ = framed.shape
    first = torch.arange(images, dtype=torch.int32).repeat_interleave(len(y) // images) * (height * width)
    corner = (y.floor() * width + x.floor()).int() + first
    neighbours = torch.tensor([0, 1, width, width + 1], dtype=torch.int32)
    right, lower = x.frac(), strength * y.frac()
    upper = strength - lower
    lower_right, upper_right = lower * right, upper * right
    shares = torch.stack([upper - upper_right, upper_right, lower - lower_right, lower_right], dim=1)
    return corner[:, None] + neighbours, shares


def _share_gradients(
    to_share: torch.Tensor, below: torch.Tensor, right: torch.Tensor, strength: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry the gradient of the four shares (N, 4) to y, x and strength, each (N,)."""
    upper_left, upper_right, lower_left, lower_right = to_share.T.contiguous()
    upper = torch.lerp(upper_left, upper_right, right)
    lower = torch.lerp(lower_left, lower_right, right)
    across = torch.lerp(upper_right - upper_left, lower_right - lower_left, below)
    return strength * (lower - upper), strength * across, torch.lerp(upper, lower, below)

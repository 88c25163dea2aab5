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
    index_N4, share_N4 = _corner_shares(offset.view(B, TAPS, 2, H, W), modulation)
    pixels = features_BCHW.permute(0, 2, 3, 1).reshape(B * H * W, C)
    sampled: torch.Tensor = _WeightedGather.apply(pixels, index_N4, share_N4)
    kernel = weight.permute(2, 3, 1, 0).reshape(TAPS * C, -1)
    out = sampled.view(B * H * W, TAPS * C) @ kernel
    if bias is not None:
        out = out + bias
    return out.view(B, H, W, -1).permute(0, 3, 1, 2).contiguous()


def _corner_shares(offset_BT2HW: torch.Tensor, modulation_BTHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return, for every place and tap, the flat indices (int32) of its four pixels and each one's share; N = B H W T.

    A pixel outside the map has share 0, as if the map were padded with zeros.
    """
    B, _, _, H, W = offset_BT2HW.shape
    steps = torch.arange(-1, 2, device=offset_BT2HW.device)
    rows = torch.arange(H, device=steps.device).view(H, 1) + steps.repeat_interleave(3).view(TAPS, 1, 1)
    columns = torch.arange(W, device=steps.device) + steps.repeat(3).view(TAPS, 1, 1)
    y, x = offset_BT2HW[:, :, 0] + rows, offset_BT2HW[:, :, 1] + columns
    top, left = y.detach().floor(), x.detach().floor()
    first_pixel = torch.arange(B, device=steps.device, dtype=torch.int32).view(B, 1, 1, 1) * (H * W)
    indices, shares = [], []
    for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (row >= 0) & (row < H) & (column >= 0) & (column < W)
            flat = row.clamp(0, H - 1).int() * W + column.clamp(0, W - 1).int() + first_pixel
            indices.append(flat)
            shares.append(share_y * share_x * (modulation_BTHW * inside))
    return _bags(indices), _bags(shares)


def _bags(corners: list[torch.Tensor]) -> torch.Tensor:
    """Four (B, T, H, W) -> (B H W T, 4)."""
    return torch.stack(corners, dim=-1).permute(0, 2, 3, 1, 4).reshape(-1, 4)


class _WeightedGather(torch.autograd.Function):
    """(P, C) pixels, (N, 4) indices and shares -> (N, C) sums of four pixels each by its share.

    The pixels' gradient is the transposed sparse product: SciPy's is five times faster on a CPU than the sort behind
    `embedding_bag`'s own.
    """

    @staticmethod
    def forward(ctx: Any, pixels: torch.Tensor, index_N4: torch.Tensor, share_N4: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(pixels, index_N4, share_N4)
        return functional.embedding_bag(index_N4, pixels, per_sample_weights=share_N4, mode="sum")

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor]:
        pixels, index_N4, share_N4 = ctx.saved_tensors
        ends = np.arange(0, index_N4.numel() + 1, 4, dtype=np.int32)
        shape = (len(index_N4), len(pixels))
        gather = csr_matrix((share_N4.flatten().numpy(), index_N4.flatten().numpy(), ends), shape=shape)
        to_pixels = torch.from_numpy(gather.T @ gradient.contiguous().numpy())
        with torch.enable_grad():
            share = share_N4.detach().requires_grad_()
            again = functional.embedding_bag(index_N4, pixels.detach(), per_sample_weights=share, mode="sum")
            (to_share,) = torch.autograd.grad(again, share, gradient)
        return to_pixels, None, to_share

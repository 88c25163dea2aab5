"""Concatenation neck of HRNet. Source: Wang et al., HRNet, TPAMI 2020, figure 4 (HRNetV2)."""

from collections.abc import Sequence

import torch
from torch import nn


class ConcatNeck(nn.Module):
    """Bilinear up-sampling of maps of strides 4, 8, 16, ... to stride 4, and concatenation; no parameters."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = sum(channels)
        self.up = nn.ModuleList(
            nn.Upsample(scale_factor=2**level, mode="bilinear") for level in range(1, len(channels))
        )

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps (B, C_i, H/2^(i+2), W/2^(i+2)) -> (B, sum of C_i, H/4, W/4)."""
        upsampled = [up(features) for up, features in zip(self.up, maps[1:], strict=True)]
        return torch.cat([maps[0], *upsampled], dim=1)

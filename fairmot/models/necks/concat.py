"""All maps side by side on the finest. Source: Wang et al., HRNet, TPAMI 2020, figure 4 (HRNetV2)."""

from collections.abc import Sequence

import torch
from torch import nn


class ConcatNeck(nn.Module):
    """Raise maps of strides 4, 8, 16, ... bilinearly to stride 4 and concatenate them; no parameters."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = sum(channels)
        self.up = nn.ModuleList(
            nn.Upsample(scale_factor=2**level, mode="bilinear") for level in range(1, len(channels))
        )

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps (B, C_i, H/2^(i+2), W/2^(i+2)) -> (B, sum of C_i, H/4, W/4)."""
        raised = [up(features) for up, features in zip(self.up, maps[1:], strict=True)]
        return torch.cat([maps[0], *raised], dim=1)

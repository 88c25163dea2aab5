"""YOLOv5 feature pyramid, extended by one level to stride 4. Source: Jocher et al., YOLOv5, release 4.0, 2021.

Legend: B images, C channels, H W of the image.
"""

from collections.abc import Sequence

import torch
from torch import nn

from fairmot.models.layers.conv import initialise_convolutions
from fairmot.models.layers.csp import C3, ConvBnSilu


class YOLONeck(nn.Module):
    """Three stages: reduce the channels, up-sample, concatenate the backbone's map of that stride, merge.

    channels: of the maps of strides 4, 8, 16, 32.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        c4, c8, c16, c32 = channels
        self.out_channels = c4
        self.narrow = nn.ModuleList([ConvBnSilu(c32, c16), ConvBnSilu(c16, c8), ConvBnSilu(c8, c4)])
        self.up = nn.Upsample(scale_factor=2)
        self.merge = nn.ModuleList(C3(2 * count, count, depth=1, shortcut=False) for count in (c16, c8, c4))
        initialise_convolutions(self)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, channels[0], H/4, W/4)."""
        *lateral_maps, features = maps
        for narrow, merge, lateral in zip(self.narrow, self.merge, reversed(lateral_maps), strict=True):
            features = merge(torch.cat([self.up(narrow(features)), lateral], dim=1))
        return features

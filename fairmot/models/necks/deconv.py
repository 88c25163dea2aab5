"""Deconvolution necks: deformable and transposed convolutions from stride 32 to stride 4, without or with a pyramid.

Source: Zhou et al., Objects as Points, 2019, section 5 (after Xiao et al., Simple Baselines, ECCV 2018); the lateral
sums are Lin et al., Feature Pyramid Networks, CVPR 2017, figure 3.
Legend: B images, C channels, H W of the current map.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from fairmot.models.layers.conv import ConvNode, bilinear_upsample
from fairmot.models.layers.deform_conv.layer import DeformConv2d


def deconv_stage(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return the layers of one up-sampling stage: (B, C_in, H, W) -> (B, C_out, 2H, 2W)."""
    return [
        DeformConv2d(in_channels, out_channels),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        bilinear_upsample(out_channels, 2, depthwise=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class DeconvNeck(nn.Module):
    """Three up-sampling stages on the deepest map; the finer maps are not used.

    channels: after each stage, (256, 128, 64) in the reference implementation.
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = channels[-1]
        widths = zip((in_channels, *channels), channels, strict=False)
        self.deconv_layers = nn.Sequential(*(layer for pair in widths for layer in deconv_stage(*pair)))

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, channels[-1], H/4, W/4)."""
        upsampled: torch.Tensor = self.deconv_layers(maps[-1])
        return upsampled


class DeconvFPN(nn.Module):
    """Feature pyramid: after each of three stages the projected backbone map is added and the sum smoothed.

    in_channels: of the maps of strides 4, 8, 16, 32; each stage has the channels of the map it is merged with.
    """

    def __init__(self, in_channels: Sequence[int]) -> None:
        super().__init__()
        c4, c8, c16, c32 = in_channels
        node = partial(ConvNode, conv=DeformConv2d)
        self.out_channels = c4
        self.deconv_layer1 = nn.Sequential(*deconv_stage(c32, c16))
        self.deconv_layer2 = nn.Sequential(*deconv_stage(c16, c8))
        self.deconv_layer3 = nn.Sequential(*deconv_stage(c8, c4))
        self.smooth_layer1, self.project_layer1 = node(c16, c16), node(c16, c16)
        self.smooth_layer2, self.project_layer2 = node(c8, c8), node(c8, c8)
        self.smooth_layer3, self.project_layer3 = node(c4, c4), node(c4, c4)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, in_channels[0], H/4, W/4)."""
        stride4, stride8, stride16, stride32 = maps
        upsampled: torch.Tensor = self.smooth_layer1(self.deconv_layer1(stride32) + self.project_layer1(stride16))
        upsampled = self.smooth_layer2(self.deconv_layer2(upsampled) + self.project_layer2(stride8))
        out: torch.Tensor = self.smooth_layer3(self.deconv_layer3(upsampled) + self.project_layer3(stride4))
        return out

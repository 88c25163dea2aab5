"""From stride 32 to stride 4 by deformable and transposed convolutions, with or without the finer maps' help.

Source: Zhou et al., Objects as Points, 2019, section 5 (after Xiao et al., Simple Baselines, ECCV 2018); the lateral
sums are Lin et al., Feature Pyramid Networks, CVPR 2017, figure 3.
Legend: B images, C channels, H W of the map at hand.
"""

from collections.abc import Sequence

import torch
from torch import nn

from fairmot.models.layers.conv import ConvNode, bilinear_upsample
from fairmot.models.layers.deform_conv.layer import DeformConv2d


def deconv_stage(in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return the layers of one doubling: (B, C_in, H, W) -> (B, C_out, 2H, 2W)."""
    return [
        DeformConv2d(in_channels, out_channels),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        bilinear_upsample(out_channels, 2, depthwise=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class DeconvNeck(nn.Module):
    """Three doublings of the deepest map; the finer maps are not used.

    channels: after each doubling, (256, 128, 64) in the published network.
    """

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.out_channels = channels[-1]
        widths = zip((in_channels, *channels), channels, strict=False)
        self.deconv_layers = nn.Sequential(*(layer for pair in widths for layer in deconv_stage(*pair)))

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, channels[-1], H/4, W/4)."""
        raised: torch.Tensor = self.deconv_layers(maps[-1])
        return raised


class DeconvFPN(nn.Module):
    """Three doublings; after each the projected backbone map of that stride is added and the sum smoothed.

    in_channels: of the maps of strides 4, 8, 16, 32; each doubling goes to the width of the map it meets.
    """

    def __init__(self, in_channels: Sequence[int]) -> None:
        super().__init__()
        c4, c8, c16, c32 = in_channels
        self.out_channels = c4
        self.deconv_layer1 = nn.Sequential(*deconv_stage(c32, c16))
        self.deconv_layer2 = nn.Sequential(*deconv_stage(c16, c8))
        self.deconv_layer3 = nn.Sequential(*deconv_stage(c8, c4))
        self.smooth_layer1, self.project_layer1 = _deformable_node(c16), _deformable_node(c16)
        self.smooth_layer2, self.project_layer2 = _deformable_node(c8), _deformable_node(c8)
        self.smooth_layer3, self.project_layer3 = _deformable_node(c4), _deformable_node(c4)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, in_channels[0], H/4, W/4)."""
        stride4, stride8, stride16, stride32 = maps
        raised: torch.Tensor = self.smooth_layer1(self.deconv_layer1(stride32) + self.project_layer1(stride16))
        raised = self.smooth_layer2(self.deconv_layer2(raised) + self.project_layer2(stride8))
        out: torch.Tensor = self.smooth_layer3(self.deconv_layer3(raised) + self.project_layer3(stride4))
        return out


def _deformable_node(channels: int) -> ConvNode:
    return ConvNode(channels, channels, DeformConv2d)

"""Residual networks (ResNet) of any width. Source: He et al., Deep Residual Learning, CVPR 2016.

Torchvision's `ResNet` has fixed channels; its blocks and parameter names are used here.
Legend: B images, C channels, H W of the current map.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from fairmot.models.layers.conv import conv_bn, initialise_convolutions

Block = type[BasicBlock] | type[Bottleneck]


def residual_layer(block: Block, in_channels: int, planes: int, *, depth: int, stride: int = 1) -> nn.Sequential:
    """Return `depth` blocks, the first of `stride`: (B, C_in, H, W) -> (B, planes x expansion, H/stride, W/stride)."""
    out_channels = planes * block.expansion
    shortcut = None
    if stride != 1 or in_channels != out_channels:
        shortcut = conv_bn(in_channels, out_channels, kernel=1, stride=stride)
    first = block(in_channels, planes, stride, shortcut)
    return nn.Sequential(first, *(block(out_channels, planes) for _ in range(depth - 1)))


class ResNet(nn.Module):
    """ResNet without its classifier: a stem of stride 4 and four layers of blocks.

    depths, planes: of the four layers; `channels` of the maps is planes x the block's expansion.
    """

    def __init__(self, block: Block, depths: Sequence[int], planes: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(count * block.expansion for count in planes)
        self.conv1 = nn.Conv2d(3, planes[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(planes[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        c1, c2, c3, _ = self.channels
        self.layer1 = residual_layer(block, planes[0], planes[0], depth=depths[0])
        self.layer2 = residual_layer(block, c1, planes[1], depth=depths[1], stride=2)
        self.layer3 = residual_layer(block, c2, planes[2], depth=depths[2], stride=2)
        self.layer4 = residual_layer(block, c3, planes[3], depth=depths[3], stride=2)
        initialise_convolutions(self)

    def forward(self, images_B3HW: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> the maps of the four layers, strides 4 to 32."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(images_B3HW))))
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = layer(features)
            maps.append(features)
        return maps

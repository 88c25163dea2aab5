"""Deep Layer Aggregation, DLA-34. Source: Yu et al., Deep Layer Aggregation, CVPR 2018, figures 2 and 3, table 1.

Legend: B images, C channels, H W of the current level.
"""

from collections.abc import Sequence

import torch
from torch import nn

from fairmot.models.layers.conv import conv_bn, conv_bn_relu, initialise_convolutions
from fairmot.models.layers.tiling import tiled


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions; the caller supplies the residual."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, features_BCHW: torch.Tensor, residual_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) and the residual (B, C_out, H/stride, W/stride) -> like the residual."""
        hidden = self.relu(self.bn1(self.conv1(features_BCHW)))
        summed = self.bn2(self.conv2(hidden))
        summed += residual_BCHW
        out: torch.Tensor = self.relu(summed)
        return out


class Root(nn.Module):
    """Aggregation node: 1x1 convolution over the concatenated inputs."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, children: Sequence[torch.Tensor]) -> torch.Tensor:
        """Several (B, C_i, H, W) -> (B, C_out, H, W)."""
        out: torch.Tensor = self.relu(self.bn(self.conv(torch.cat(list(children), dim=1))))
        return out


class Tree(nn.Module):
    """Hierarchical aggregation of depth `levels`; halves the map when stride is 2.

    A tree of depth 2 holds two trees of depth 1 with residual projections of their own, so the outer `project` of the
    reference implementation has no effect. It is kept, frozen, so that reference weights load and save completely.
    """

    def __init__(
        self,
        levels: int,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        aggregates_input: bool,
        extra_channels: int = 0,
    ) -> None:
        super().__init__()
        extra = extra_channels + (in_channels if aggregates_input else 0)
        self.aggregates_input = aggregates_input
        self.is_leaf = levels == 1
        self.downsample = nn.MaxPool2d(stride, stride) if stride > 1 else nn.Identity()
        if self.is_leaf:
            self.tree1: nn.Module = BasicBlock(in_channels, out_channels, stride)
            self.tree2: nn.Module = BasicBlock(out_channels, out_channels, 1)
            self.root = Root(2 * out_channels + extra, out_channels)
        else:
            self.tree1 = Tree(levels - 1, in_channels, out_channels, stride=stride, aggregates_input=False)
            self.tree2 = Tree(
                levels - 1,
                out_channels,
                out_channels,
                stride=1,
                aggregates_input=False,
                extra_channels=out_channels + extra,
            )
        self.project: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.project = conv_bn(in_channels, out_channels, kernel=1).requires_grad_(self.is_leaf)

    def forward(self, features_BCHW: torch.Tensor, children: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, C_out, H/stride, W/stride); the root also aggregates `children`."""
        bottom = self.downsample(features_BCHW)
        kept = [*children, bottom] if self.aggregates_input else list(children)
        if not self.is_leaf:
            first = self.tree1(features_BCHW)
            out: torch.Tensor = self.tree2(first, children=[*kept, first])
            return out
        first = self.tree1(features_BCHW, self.project(bottom))
        second = self.tree2(first, first)
        joined: torch.Tensor = self.root([second, first, *kept])
        return joined


class DLA(nn.Module):
    """DLA-34: six levels, strides 1, 2, 4, 8, 16, 32.

    channels: of the six levels; (16, 32, 64, 128, 256, 512) in the paper. classes: if above 0, the unused ImageNet
    classifier `fc` is kept, frozen, as in the reference weights of dlav0_34. is_tiled: run the stem in tiles
    (inference on a CPU).
    """

    is_tiled = False

    def __init__(self, channels: Sequence[int], *, classes: int = 0) -> None:
        super().__init__()
        self.channels = tuple(channels)
        c0, c1, c2, c3, c4, c5 = channels
        self.base_layer = conv_bn_relu(3, c0, kernel=7)
        self.level0 = conv_bn_relu(c0, c0, kernel=3)
        self.level1 = conv_bn_relu(c0, c1, kernel=3, stride=2)
        self.level2 = Tree(1, c1, c2, stride=2, aggregates_input=False)
        self.level3 = Tree(2, c2, c3, stride=2, aggregates_input=True)
        self.level4 = Tree(2, c3, c4, stride=2, aggregates_input=True)
        self.level5 = Tree(1, c4, c5, stride=2, aggregates_input=True)
        if classes:
            self.fc = nn.Conv2d(c5, classes, 1).requires_grad_(False)
        initialise_convolutions(self)

    def forward(self, images_B3HW: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> the maps of levels 2 to 5, strides 4 to 32."""
        features = self._tiled_stem(images_B3HW) if self.is_tiled else self._stem(images_B3HW)
        maps = []
        for level in (self.level2, self.level3, self.level4, self.level5):
            features = level(features)
            maps.append(features)
        return maps

    def _stem(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.level1(self.level0(self.base_layer(images_B3HW)))
        return features

    def _tiled_stem(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> (B, C, H/2, W/2); the receptive field is 3 + 1 + 1 rows to each side."""
        return tiled(self._stem, images_B3HW, halo=8, stride=2, channels=max(self.channels[:2]))

"""YOLOv5 layers: convolution with SiLU, cross-stage-partial block, pyramid pooling, Focus.

Source: Jocher et al., YOLOv5, release 4.0, 2021; Wang et al., CSPNet, CVPR workshops 2020, figure 2; He et al., Spatial
Pyramid Pooling, ECCV 2014.
Legend: B images, C channels, H W of the current map.
"""

import torch
from torch import nn


class ConvBnSilu(nn.Module):
    """Convolution without bias, batch norm (momentum 0.03, epsilon 1e-3 as in YOLOv5), SiLU."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, C_out, H/stride, W/stride)."""
        out: torch.Tensor = self.act(self.bn(self.conv(features_BCHW)))
        return out


class Focus(nn.Module):
    """Space-to-depth: the four pixels of each 2x2 block become channels, followed by a convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvBnSilu(4 * in_channels, out_channels, kernel=3)

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, C_out, H/2, W/2)."""
        starts = ((0, 0), (1, 0), (0, 1), (1, 1))  # first row and column of each quarter, in YOLOv5's order
        quarters = [images_BCHW[..., row::2, column::2] for row, column in starts]
        out: torch.Tensor = self.conv(torch.cat(quarters, dim=1))
        return out


class CSPBottleneck(nn.Module):
    """1x1 and 3x3 convolution; `shortcut` adds the input."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.cv1 = ConvBnSilu(channels, channels)
        self.cv2 = ConvBnSilu(channels, channels, kernel=3)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        out: torch.Tensor = self.cv2(self.cv1(features_BCHW))
        return features_BCHW + out if self.shortcut else out


class C3(nn.Module):
    """Cross-stage-partial block: `depth` bottlenecks on half of the channels; a 1x1 convolution merges both halves."""

    def __init__(self, in_channels: int, out_channels: int, *, depth: int, shortcut: bool) -> None:
        super().__init__()
        half = out_channels // 2
        self.cv1 = ConvBnSilu(in_channels, half)
        self.cv2 = ConvBnSilu(in_channels, half)
        self.cv3 = ConvBnSilu(2 * half, out_channels)
        self.m = nn.Sequential(*(CSPBottleneck(half, shortcut=shortcut) for _ in range(depth)))

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        halves = [self.m(self.cv1(features_BCHW)), self.cv2(features_BCHW)]
        out: torch.Tensor = self.cv3(torch.cat(halves, dim=1))
        return out


class PyramidPooling(nn.Module):
    """Spatial pyramid pooling: the map and its max-poolings over several windows, merged by a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, windows: tuple[int, ...] = (5, 9, 13)) -> None:
        super().__init__()
        half = in_channels // 2
        self.cv1 = ConvBnSilu(in_channels, half)
        self.cv2 = ConvBnSilu(half * (1 + len(windows)), out_channels)
        self.m = nn.ModuleList(nn.MaxPool2d(window, stride=1, padding=window // 2) for window in windows)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        squeezed = self.cv1(features_BCHW)
        out: torch.Tensor = self.cv2(torch.cat([squeezed, *(pool(squeezed) for pool in self.m)], dim=1))
        return out

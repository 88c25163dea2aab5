"""Convolution blocks with batch norm and ReLU, bilinear transposed convolution, weight initialisation.

Legend: B images, C channels, H W of the current map.
"""

from collections.abc import Callable

import torch
from torch import nn

ConvFactory = Callable[[int, int], nn.Module]
"""Input and output channels -> a convolution that keeps the map's size."""


def conv_bn_relu(in_channels: int, out_channels: int, *, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU."""
    return nn.Sequential(*conv_bn(in_channels, out_channels, kernel=kernel, stride=stride), nn.ReLU(inplace=True))


def conv_bn(in_channels: int, out_channels: int, *, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm."""
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels))


class ConvNode(nn.Module):
    """A convolution made by `conv`, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, conv: ConvFactory) -> None:
        super().__init__()
        self.actf = nn.Sequential(nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
        self.conv = conv(in_channels, out_channels)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C_in, H, W) -> (B, C_out, H, W)."""
        out: torch.Tensor = self.actf(self.conv(features_BCHW))
        return out


def bilinear_upsample(channels: int, factor: int, *, depthwise: bool = True) -> nn.ConvTranspose2d:
    """Return a transposed convolution initialised to bilinear up-sampling by `factor`.

    depthwise: one group per channel; otherwise a full kernel whose off-diagonal weights start at 0.
    """
    groups = channels if depthwise else 1
    layer = nn.ConvTranspose2d(
        channels, channels, 2 * factor, stride=factor, padding=factor // 2, groups=groups, bias=False
    )
    centre = factor - 0.5
    ramp = 1 - (torch.arange(2 * factor) - centre).abs() / factor
    mixing = torch.ones(channels, 1) if depthwise else torch.eye(channels)
    with torch.no_grad():
        layer.weight.copy_(mixing[:, :, None, None] * ramp[:, None] * ramp[None, :])
    return layer


def initialise_convolutions(network: nn.Module) -> None:
    """Initialise all convolutions by He et al. 2015, section 2.2 (fan-out)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

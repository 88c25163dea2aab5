"""Iterative deep aggregation upwards: the maps of all levels meet on one stride-4 map.

Source: Yu et al. 2018, figure 2; Zhang et al., FairMOT, section 4.1 (every convolution of the way up is deformable).
Legend: B images, C channels, H W of the level at hand.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

ConvFactory = Callable[[int, int], nn.Module]


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


def bilinear_upsample(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Return a depth-wise transposed convolution that starts as bilinear up-sampling by `factor`."""
    layer = nn.ConvTranspose2d(
        channels, channels, 2 * factor, stride=factor, padding=factor // 2, groups=channels, bias=False
    )
    centre = factor - 0.5
    ramp = 1 - (torch.arange(2 * factor) - centre).abs() / factor
    with torch.no_grad():
        layer.weight.copy_((ramp[:, None] * ramp[None, :]).expand_as(layer.weight))
    return layer


class IDAUp(nn.Module):
    """Bring maps of several strides to the first one's, one after another, each joined with the one before.

    in_channels, factors: of each map; the first map's factor is 1 and it passes through.
    """

    def __init__(self, channels: int, in_channels: Sequence[int], factors: Sequence[int], conv: ConvFactory) -> None:
        super().__init__()
        self.count = len(in_channels)
        for index in range(1, self.count):
            self.add_module(f"proj_{index}", ConvNode(in_channels[index], channels, conv))
            self.add_module(f"up_{index}", bilinear_upsample(channels, factors[index]))
            self.add_module(f"node_{index}", ConvNode(channels, channels, conv))

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps of falling size -> as many maps (B, channels, H, W) of the first one's size, the first unchanged."""
        joined = [maps[0]]
        for index in range(1, self.count):
            raised = self.get_submodule(f"up_{index}")(self.get_submodule(f"proj_{index}")(maps[index]))
            joined.append(self.get_submodule(f"node_{index}")(raised + joined[-1]))
        return joined


class DLAUp(nn.Module):
    """Aggregate from the deepest level upwards; each round brings one more level to the next finer stride."""

    def __init__(self, channels: Sequence[int], conv: ConvFactory) -> None:
        super().__init__()
        self.rounds = len(channels) - 1
        in_channels = list(channels)
        strides = [2**level for level in range(len(channels))]
        for index in range(self.rounds):
            first = len(channels) - index - 2
            factors = [stride // strides[first] for stride in strides[first:]]
            self.add_module(f"ida_{index}", IDAUp(channels[first], in_channels[first:], factors, conv))
            strides[first + 1 :] = [strides[first]] * (index + 1)
            in_channels[first + 1 :] = [channels[first]] * (index + 1)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps of falling size -> the last map of each round, finest first, the deepest input last."""
        maps = list(maps)
        out = [maps[-1]]
        for index in range(self.rounds):
            first = len(maps) - index - 2
            maps[first:] = self.get_submodule(f"ida_{index}")(maps[first:])
            out.insert(0, maps[-1])
        return out


class DLANeck(nn.Module):
    """DLAUp, then a last IDAUp that joins strides 4, 8 and 16 on the stride-4 map."""

    def __init__(self, channels: Sequence[int], conv: ConvFactory) -> None:
        super().__init__()
        self.out_channels = channels[0]
        self.dla_up = DLAUp(channels, conv)
        self.ida_up = IDAUp(channels[0], channels[:3], [1, 2, 4], conv)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, channels[0], H/4, W/4)."""
        raised: list[torch.Tensor] = self.ida_up(self.dla_up(maps)[:3])
        return raised[-1]

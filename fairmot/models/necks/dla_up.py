"""Iterative deep aggregation upwards: the maps of all levels meet on one stride-4 map.

Source: Yu et al. 2018, figure 2; Zhang et al., FairMOT, section 4.1 (every convolution of the way up is deformable).
Legend: B images, C channels, H W of the level at hand.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from fairmot.models.layers.conv import ConvFactory, ConvNode, bilinear_upsample, conv_bn_relu


class IDANode(NamedTuple):
    """How one more map joins: `project` brings it to the common width, `node` works on it and the one before."""

    project: ConvFactory
    node: ConvFactory
    concatenates: bool  # the two maps stand side by side for `node`; otherwise they are added


def adding(conv: ConvFactory) -> IDANode:
    """Return the junction that adds, with two convolutions made by `conv`."""
    node = partial(ConvNode, conv=conv)
    return IDANode(project=node, node=node, concatenates=False)


CONCATENATING = IDANode(
    project=partial(conv_bn_relu, kernel=1), node=partial(conv_bn_relu, kernel=3), concatenates=True
)


class IDAUp(nn.Module):
    """Bring maps of several strides to the first one's, one after another, each joined with the one before.

    in_channels, factors: of each map; the first map's factor is 1 and it passes through.
    """

    def __init__(self, channels: int, in_channels: Sequence[int], factors: Sequence[int], junction: IDANode) -> None:
        super().__init__()
        self.count = len(in_channels)
        self.concatenates = junction.concatenates
        node_channels = 2 * channels if junction.concatenates else channels
        for index in range(1, self.count):
            self.add_module(f"proj_{index}", junction.project(in_channels[index], channels))
            self.add_module(f"up_{index}", bilinear_upsample(channels, factors[index]))
            self.add_module(f"node_{index}", junction.node(node_channels, channels))

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps of falling size -> as many maps (B, channels, H, W) of the first one's size, the first unchanged."""
        joined = [maps[0]]
        for index in range(1, self.count):
            raised = self.get_submodule(f"up_{index}")(self.get_submodule(f"proj_{index}")(maps[index]))
            joined.append(self.get_submodule(f"node_{index}")(self._meet(joined[-1], raised)))
        return joined

    def _meet(self, before: torch.Tensor, raised: torch.Tensor) -> torch.Tensor:
        if self.concatenates:
            return torch.cat([before, raised], dim=1)
        raised += before
        return raised


class DLAUp(nn.Module):
    """Aggregate from the deepest level upwards; each round brings one more level to the next finer stride."""

    def __init__(self, channels: Sequence[int], junction: IDANode) -> None:
        super().__init__()
        self.rounds = len(channels) - 1
        in_channels = list(channels)
        strides = [2**level for level in range(len(channels))]
        for index in range(self.rounds):
            first = len(channels) - index - 2
            factors = [stride // strides[first] for stride in strides[first:]]
            self.add_module(f"ida_{index}", IDAUp(channels[first], in_channels[first:], factors, junction))
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
    """DLAUp, then, unless `last_round` is off, an IDAUp that joins strides 4, 8 and 16 on the stride-4 map."""

    def __init__(self, channels: Sequence[int], junction: IDANode, *, last_round: bool = True) -> None:
        super().__init__()
        self.out_channels = channels[0]
        self.dla_up = DLAUp(channels, junction)
        self.ida_up = IDAUp(channels[0], channels[:3], [1, 2, 4], junction) if last_round else None

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, channels[0], H/4, W/4)."""
        raised: list[torch.Tensor] = self.dla_up(maps)
        if self.ida_up is None:
            return raised[0]
        joined: list[torch.Tensor] = self.ida_up(raised[:3])
        return joined[-1]

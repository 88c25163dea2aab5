"""DLA up-sampling by iterative deep aggregation (IDA): the maps of all levels are merged into one stride-4 map.

Source: Yu et al. 2018, figure 2; Zhang et al., FairMOT, section 4.1 (all convolutions are deformable).
Legend: B images, C channels, H W of the current level.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from fairmot.models.layers.conv import ConvFactory, ConvNode, bilinear_upsample, conv_bn_relu


class IDANode(NamedTuple):
    """Layers that merge one more map: `project` sets its channels, `node` follows the merge with the previous map."""

    project: ConvFactory
    node: ConvFactory
    concatenates: bool  # concatenate the two maps instead of adding them


def additive_node(conv: ConvFactory) -> IDANode:
    """Return the node that adds, with two convolutions made by `conv`."""
    node = partial(ConvNode, conv=conv)
    return IDANode(project=node, node=node, concatenates=False)


CONCAT_NODE = IDANode(project=partial(conv_bn_relu, kernel=1), node=partial(conv_bn_relu, kernel=3), concatenates=True)


class IDAUp(nn.Module):
    """Up-sample maps of several strides to the first map's stride and merge each with the previous result.

    in_channels, factors: channels and up-sampling factor of each map; the first map has factor 1 and stays unchanged.
    """

    def __init__(self, channels: int, in_channels: Sequence[int], factors: Sequence[int], node: IDANode) -> None:
        super().__init__()
        self.count = len(in_channels)
        self.concatenates = node.concatenates
        node_channels = 2 * channels if node.concatenates else channels
        for index in range(1, self.count):
            self.add_module(f"proj_{index}", node.project(in_channels[index], channels))
            self.add_module(f"up_{index}", bilinear_upsample(channels, factors[index]))
            self.add_module(f"node_{index}", node.node(node_channels, channels))

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps of decreasing size -> as many maps (B, channels, H, W) of the first map's size."""
        merged = [maps[0]]
        for index in range(1, self.count):
            upsampled = self.get_submodule(f"up_{index}")(self.get_submodule(f"proj_{index}")(maps[index]))
            if self.concatenates:
                upsampled = torch.cat([merged[-1], upsampled], dim=1)
            else:
                upsampled += merged[-1]
            merged.append(self.get_submodule(f"node_{index}")(upsampled))
        return merged


class DLAUp(nn.Module):
    """Aggregation from the deepest level upwards; each iteration adds the next finer level."""

    def __init__(self, channels: Sequence[int], node: IDANode) -> None:
        super().__init__()
        self.iterations = len(channels) - 1
        in_channels = list(channels)
        strides = [2**level for level in range(len(channels))]
        for index in range(self.iterations):
            first = len(channels) - index - 2
            factors = [stride // strides[first] for stride in strides[first:]]
            self.add_module(f"ida_{index}", IDAUp(channels[first], in_channels[first:], factors, node))
            strides[first + 1 :] = [strides[first]] * (index + 1)
            in_channels[first + 1 :] = [channels[first]] * (index + 1)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Maps of decreasing size -> the last map of each iteration, finest first, and the deepest input."""
        maps = list(maps)
        out = [maps[-1]]
        for index in range(self.iterations):
            first = len(maps) - index - 2
            maps[first:] = self.get_submodule(f"ida_{index}")(maps[first:])
            out.insert(0, maps[-1])
        return out


class DLANeck(nn.Module):
    """DLAUp and, if `final_ida`, an IDAUp that merges strides 4, 8 and 16 into the stride-4 map."""

    def __init__(self, channels: Sequence[int], node: IDANode, *, final_ida: bool = True) -> None:
        super().__init__()
        self.out_channels = channels[0]
        self.dla_up = DLAUp(channels, node)
        self.ida_up = IDAUp(channels[0], channels[:3], [1, 2, 4], node) if final_ida else None

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Maps of strides 4, 8, 16, 32 -> (B, channels[0], H/4, W/4)."""
        aggregated: list[torch.Tensor] = self.dla_up(maps)
        if self.ida_up is None:
            return aggregated[0]
        merged: list[torch.Tensor] = self.ida_up(aggregated[:3])
        return merged[-1]

"""High-resolution networks: branches of four strides side by side, exchanging maps after every module.

Source: Wang et al., Deep High-Resolution Representation Learning, TPAMI 2020, figures 2 and 3.
Legend: B images, C channels, H W of the map at hand. Branch b has stride 4 x 2^b.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from fairmot.models.backbones.resnet import residual_layer
from fairmot.models.layers.conv import conv_bn, conv_bn_relu, initialise_convolutions

BLOCKS = 4  # residual blocks of a branch in one module


def raised_to(in_channels: int, out_channels: int, factor: int) -> nn.Sequential:
    """1x1 convolution, batch norm, nearest up-sampling by `factor`."""
    return nn.Sequential(*conv_bn(in_channels, out_channels, kernel=1), nn.Upsample(scale_factor=factor))


def lowered_to(in_channels: int, out_channels: int, halvings: int) -> nn.Sequential:
    """3x3 convolutions of stride 2 with batch norm and ReLU; the last changes the channels and has no ReLU."""
    steps = [conv_bn_relu(in_channels, in_channels, kernel=3, stride=2) for _ in range(halvings - 1)]
    return nn.Sequential(*steps, conv_bn(in_channels, out_channels, kernel=3, stride=2))


class Fusion(nn.ModuleDict):
    """What the branch `target` receives: the sum of all, each brought to its stride and channels; keys are branches."""

    def __init__(self, target: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.target = target
        for source, count in enumerate(channels):
            if source > target:
                self[str(source)] = raised_to(count, channels[target], 2 ** (source - target))
            elif source < target:
                self[str(source)] = lowered_to(count, channels[target], target - source)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """One (B, C_b, H_b, W_b) a branch -> the target's shape."""
        total: torch.Tensor
        total, *others = [layer(maps[int(source)]) for source, layer in self.items()]
        for other in (maps[self.target], *others):
            total += other
        return total


class Exchange(nn.Module):
    """Residual blocks on each branch, then every branch receives the sum of all, brought to its stride.

    channels: of the branches, finest first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_layer(BasicBlock, count, count, depth=BLOCKS) for count in channels)
        self.fuse_layers = nn.ModuleList(Fusion(target, channels) for target in range(len(channels)))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """One (B, C_b, H_b, W_b) a branch -> the same shapes."""
        worked = [branch(features) for branch, features in zip(self.branches, maps, strict=True)]
        return [self.relu(fusion(worked)) for fusion in self.fuse_layers]


class ExchangeStage(nn.Sequential):
    """Several exchanges one after another."""

    def __init__(self, channels: Sequence[int], modules: int) -> None:
        super().__init__(*(Exchange(channels) for _ in range(modules)))


class HRNet(nn.Module):
    """Stem of stride 4, one bottleneck layer, then three stages that add a branch each.

    channels: of the four branches; (18, 36, 72, 144) is HRNet-W18. stem: of the stem, 64 in the published network.
    modules: exchanges of each stage.
    """

    def __init__(self, channels: Sequence[int], *, stem: int, modules: tuple[int, int, int] = (1, 4, 3)) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.conv1 = nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, stem, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(Bottleneck, stem, stem, depth=4)
        first = stem * Bottleneck.expansion
        start = conv_bn_relu(first, channels[0], kernel=3)
        new = [
            nn.Sequential(conv_bn_relu(source, count, kernel=3, stride=2))
            for source, count in pairwise((first, *channels[1:]))
        ]
        self.transition1 = nn.ModuleDict({"0": start, "1": new[0]})
        self.stage2 = ExchangeStage(channels[:2], modules[0])
        self.transition2 = nn.ModuleDict({"2": new[1]})
        self.stage3 = ExchangeStage(channels[:3], modules[1])
        self.transition3 = nn.ModuleDict({"3": new[2]})
        self.stage4 = ExchangeStage(channels, modules[2])
        initialise_convolutions(self)
        _slow_running_statistics(self)

    def forward(self, images_B3HW: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> the maps of the four branches, strides 4 to 32."""
        features = self.relu(self.bn1(self.conv1(images_B3HW)))
        features = self.layer1(self.relu(self.bn2(self.conv2(features))))
        maps: list[torch.Tensor] = self.stage2([layer(features) for layer in self.transition1.values()])
        maps = self.stage3([*maps, self.transition2["2"](maps[-1])])
        out: list[torch.Tensor] = self.stage4([*maps, self.transition3["3"](maps[-1])])
        return out


def _slow_running_statistics(network: HRNet) -> None:
    """As published: momentum 0.01 in the stem and in every residual block, torch's 0.1 between the branches."""
    blocks = [module for module in network.modules() if isinstance(module, BasicBlock | Bottleneck)]
    norms = [module for block in blocks for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in (network.bn1, network.bn2, *norms):
        norm.momentum = 0.01

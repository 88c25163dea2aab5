"""High-Resolution Network (HRNet): parallel branches of four strides that exchange features after every module.

Source: Wang et al., Deep High-Resolution Representation Learning, TPAMI 2020, figures 2 and 3.
Legend: B images, C channels, H W of the current map. Branch b has stride 4 x 2^b.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from fairmot.models.backbones.resnet import residual_layer
from fairmot.models.layers.conv import conv_bn, conv_bn_relu, initialise_convolutions

BLOCKS = 4  # residual blocks of a branch in one module


class FuseLayer(nn.ModuleDict):
    """Sum of all branches, each resampled to the stride and channels of the branch `target`; keys are branches.

    Coarser branches pass a 1x1 convolution and nearest up-sampling, finer ones 3x3 convolutions of stride 2, of which
    the last changes the channels and has no ReLU.
    """

    def __init__(self, target: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.target = target
        out_channels = channels[target]
        for source, count in enumerate(channels):
            if source > target:
                upsample = nn.Upsample(scale_factor=2 ** (source - target))
                self[str(source)] = nn.Sequential(*conv_bn(count, out_channels, kernel=1), upsample)
            elif source < target:
                steps = [conv_bn_relu(count, count, kernel=3, stride=2) for _ in range(target - source - 1)]
                self[str(source)] = nn.Sequential(*steps, conv_bn(count, out_channels, kernel=3, stride=2))

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """One (B, C_b, H_b, W_b) per branch -> the target's shape."""
        total: torch.Tensor
        total, *others = [layer(maps[int(source)]) for source, layer in self.items()]
        for other in (maps[self.target], *others):
            total += other
        return total


class HighResolutionModule(nn.Module):
    """Residual blocks on each branch, followed by multi-resolution fusion.

    channels: of the branches, finest first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_layer(BasicBlock, count, count, depth=BLOCKS) for count in channels)
        self.fuse_layers = nn.ModuleList(FuseLayer(target, channels) for target in range(len(channels)))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """One (B, C_b, H_b, W_b) per branch -> the same shapes."""
        maps = [branch(features) for branch, features in zip(self.branches, maps, strict=True)]
        return [self.relu(fuse(maps)) for fuse in self.fuse_layers]


def make_stage(channels: Sequence[int], count: int) -> nn.Sequential:
    """Return `count` high-resolution modules."""
    return nn.Sequential(*(HighResolutionModule(channels) for _ in range(count)))


class HRNet(nn.Module):
    """Stem of stride 4, one bottleneck layer, and three stages that each add a branch.

    channels: of the four branches; (18, 36, 72, 144) is HRNet-W18. stem: channels of the stem, 64 in the paper.
    modules: high-resolution modules of each stage.
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
        self.stage2 = make_stage(channels[:2], modules[0])
        self.transition2 = nn.ModuleDict({"2": new[1]})
        self.stage3 = make_stage(channels[:3], modules[1])
        self.transition3 = nn.ModuleDict({"3": new[2]})
        self.stage4 = make_stage(channels, modules[2])
        initialise_convolutions(self)
        _set_momentum(self)

    def forward(self, images_B3HW: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> the maps of the four branches, strides 4 to 32."""
        features = self.relu(self.bn1(self.conv1(images_B3HW)))
        features = self.layer1(self.relu(self.bn2(self.conv2(features))))
        maps: list[torch.Tensor] = self.stage2([layer(features) for layer in self.transition1.values()])
        maps = self.stage3([*maps, self.transition2["2"](maps[-1])])
        out: list[torch.Tensor] = self.stage4([*maps, self.transition3["3"](maps[-1])])
        return out


def _set_momentum(network: HRNet) -> None:
    """Momentum 0.01 in the stem and residual blocks, torch's 0.1 elsewhere, as in the reference implementation."""
    blocks = [module for module in network.modules() if isinstance(module, BasicBlock | Bottleneck)]
    norms = [module for block in blocks for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in (network.bn1, network.bn2, *norms):
        norm.momentum = 0.01

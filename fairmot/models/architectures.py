"""The published networks below their heads, by name: a factory takes the channel multiplier `MODEL.WIDTH`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from fairmot.models.backbones.dla import DLA
from fairmot.models.backbones.hrnet import HRNet
from fairmot.models.backbones.resnet import Block, ResNet
from fairmot.models.backbones.yolo import YOLOBackbone
from fairmot.models.layers.deform_conv.layer import DeformConv2d
from fairmot.models.necks.concat import ConcatNeck
from fairmot.models.necks.deconv import DeconvFPN, DeconvNeck
from fairmot.models.necks.dla_up import CONCATENATING, DLANeck, IDANode, adding
from fairmot.models.necks.yolo_fpn import YOLONeck
from fairmot.models.weight_names import DLA_PREFIXES, HRNET_PREFIXES, RESNET_PREFIXES, YOLO_PREFIXES, Prefixes
from fairmot.utils.registry import Registry


class BackboneNeck(NamedTuple):
    """What a backbone's factory returns."""

    backbone: nn.Module  # (B, 3, H, W) images -> maps
    neck: nn.Module  # those maps -> one (B, channels, H/4, W/4) map
    channels: int
    prefixes: Prefixes  # published names -> ours, backbone and neck
    max_head_channels: int | None = None  # where the published heads are narrower than the others' 256
    head_activation: Callable[[], nn.Module] = partial(nn.ReLU, inplace=True)  # between a head's two convolutions


BackboneNeckFactory = Callable[[float], BackboneNeck]
"""Channel multiplier -> everything below the heads."""

BACKBONES: Registry[BackboneNeckFactory] = Registry("MODEL.BACKBONE")

DEPTHS_18, DEPTHS_34 = (2, 2, 2, 2), (3, 4, 6, 3)


def make_dla(width: float, *, junction: IDANode, last_round: bool = True, classes: int = 0) -> BackboneNeck:
    """DLA-34 with its way up; the variants differ in the junctions of that way."""
    channels = scale_channels((16, 32, 64, 128, 256, 512), width)
    neck = DLANeck(channels[2:], junction, last_round=last_round)
    return BackboneNeck(DLA(channels, classes=classes), neck, neck.out_channels, prefixes=DLA_PREFIXES)


def make_resdcn(width: float, *, block: Block, depths: Sequence[int]) -> BackboneNeck:
    """ResNet, then three deformable and transposed convolutions."""
    backbone = ResNet(block, depths, scale_channels((64, 128, 256, 512), width))
    neck = DeconvNeck(backbone.channels[-1], scale_channels((256, 128, 64), width))
    return BackboneNeck(backbone, neck, neck.out_channels, prefixes=RESNET_PREFIXES)


def make_resfpndcn(width: float, *, depths: Sequence[int]) -> BackboneNeck:
    """ResNet and a feature pyramid of deformable convolutions."""
    backbone = ResNet(BasicBlock, depths, scale_channels((64, 128, 256, 512), width))
    neck = DeconvFPN(backbone.channels)
    return BackboneNeck(backbone, neck, neck.out_channels, prefixes=RESNET_PREFIXES)


def make_hrnet(width: float, *, finest: int) -> BackboneNeck:
    """HRNet whose four branches have `finest`, twice, four and eight times as many channels, side by side."""
    stem, *channels = scale_channels((64, finest, 2 * finest, 4 * finest, 8 * finest), width)
    neck = ConcatNeck(channels)
    return BackboneNeck(HRNet(channels, stem=stem), neck, neck.out_channels, prefixes=HRNET_PREFIXES)


@BACKBONES.register("yolo")
def make_yolo(width: float) -> BackboneNeck:
    """YOLOv5-s, one level further up; its published heads are 64 channels wide and have its activation."""
    backbone = YOLOBackbone(scale_channels((32, 64, 128, 256, 512), width))
    neck = YOLONeck(backbone.channels)
    return BackboneNeck(
        backbone,
        neck,
        neck.out_channels,
        prefixes=YOLO_PREFIXES,
        max_head_channels=64,
        head_activation=partial(nn.SiLU, inplace=True),
    )


plain_conv = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False)

BACKBONES.register("dla_34")(partial(make_dla, junction=adding(DeformConv2d)))
BACKBONES.register("dlaconv_34")(partial(make_dla, junction=adding(plain_conv)))
BACKBONES.register("dlav0_34")(partial(make_dla, junction=CONCATENATING, last_round=False, classes=1000))
BACKBONES.register("resdcn_18")(partial(make_resdcn, block=BasicBlock, depths=DEPTHS_18))
BACKBONES.register("resdcn_34")(partial(make_resdcn, block=BasicBlock, depths=DEPTHS_34))
BACKBONES.register("resdcn_50")(partial(make_resdcn, block=Bottleneck, depths=DEPTHS_34))
BACKBONES.register("resfpndcn_34")(partial(make_resfpndcn, depths=DEPTHS_34))
BACKBONES.register("hrnet_18")(partial(make_hrnet, finest=18))
BACKBONES.register("hrnet_32")(partial(make_hrnet, finest=32))


def scale_channels(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Multiply each count by `width`, to the nearest multiple of 8, at least 8; width 1 changes nothing.

    >>> scale_channels((16, 64, 512), 0.25)
    (8, 16, 128)
    """
    return tuple(count if width == 1.0 else max(8, round(count * width / 8) * 8) for count in channels)

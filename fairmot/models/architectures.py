"""Registry of the backbone and neck architectures of `MODEL.BACKBONE`."""

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
from fairmot.models.necks.dla_up import CONCAT_NODE, DLANeck, IDANode, additive_node
from fairmot.models.necks.yolo_fpn import YOLONeck
from fairmot.models.weight_names import DLA_PREFIXES, HRNET_PREFIXES, RESNET_PREFIXES, YOLO_PREFIXES, Prefixes
from fairmot.utils.registry import Registry


class BackboneNeck(NamedTuple):
    """The network below the heads."""

    backbone: nn.Module  # (B, 3, H, W) images -> maps
    neck: nn.Module  # those maps -> one (B, channels, H/4, W/4) map
    channels: int
    prefixes: Prefixes  # reference names -> ours, of backbone and neck
    max_head_channels: int | None = None  # limit where the reference heads have less than 256
    head_activation: Callable[[], nn.Module] = partial(nn.ReLU, inplace=True)  # between a head's two convolutions


BackboneNeckFactory = Callable[[float], BackboneNeck]
"""Channel multiplier `MODEL.WIDTH` -> backbone and neck."""

BACKBONES: Registry[BackboneNeckFactory] = Registry("MODEL.BACKBONE")

DEPTHS_18, DEPTHS_34 = (2, 2, 2, 2), (3, 4, 6, 3)


def make_dla(width: float, *, node: IDANode, final_ida: bool = True, classes: int = 0) -> BackboneNeck:
    """DLA-34 and its up-sampling neck; the variants differ in the neck's nodes."""
    channels = scale_channels((16, 32, 64, 128, 256, 512), width)
    neck = DLANeck(channels[2:], node, final_ida=final_ida)
    return BackboneNeck(DLA(channels, classes=classes), neck, neck.out_channels, prefixes=DLA_PREFIXES)


def make_resdcn(width: float, *, block: Block, depths: Sequence[int]) -> BackboneNeck:
    """ResNet and three stages of deformable and transposed convolutions."""
    backbone = ResNet(block, depths, scale_channels((64, 128, 256, 512), width))
    neck = DeconvNeck(backbone.channels[-1], scale_channels((256, 128, 64), width))
    return BackboneNeck(backbone, neck, neck.out_channels, prefixes=RESNET_PREFIXES)


def make_resfpndcn(width: float, *, depths: Sequence[int]) -> BackboneNeck:
    """ResNet and a feature pyramid of deformable convolutions."""
    backbone = ResNet(BasicBlock, depths, scale_channels((64, 128, 256, 512), width))
    neck = DeconvFPN(backbone.channels)
    return BackboneNeck(backbone, neck, neck.out_channels, prefixes=RESNET_PREFIXES)


def make_hrnet(width: float, *, finest: int) -> BackboneNeck:
    """HRNet with 1, 2, 4 and 8 times `finest` channels in its four branches, which the neck concatenates."""
    stem, *channels = scale_channels((64, finest, 2 * finest, 4 * finest, 8 * finest), width)
    neck = ConcatNeck(channels)
    return BackboneNeck(HRNet(channels, stem=stem), neck, neck.out_channels, prefixes=HRNET_PREFIXES)


@BACKBONES.register("yolo")
def make_yolo(width: float) -> BackboneNeck:
    """YOLOv5-s with one more up-sampling level; its reference heads have 64 channels and SiLU."""
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

BACKBONES.register("dla_34")(partial(make_dla, node=additive_node(DeformConv2d)))
BACKBONES.register("dlaconv_34")(partial(make_dla, node=additive_node(plain_conv)))
BACKBONES.register("dlav0_34")(partial(make_dla, node=CONCAT_NODE, final_ida=False, classes=1000))
BACKBONES.register("resdcn_18")(partial(make_resdcn, block=BasicBlock, depths=DEPTHS_18))
BACKBONES.register("resdcn_34")(partial(make_resdcn, block=BasicBlock, depths=DEPTHS_34))
BACKBONES.register("resdcn_50")(partial(make_resdcn, block=Bottleneck, depths=DEPTHS_34))
BACKBONES.register("resfpndcn_34")(partial(make_resfpndcn, depths=DEPTHS_34))
BACKBONES.register("hrnet_18")(partial(make_hrnet, finest=18))
BACKBONES.register("hrnet_32")(partial(make_hrnet, finest=32))


def scale_channels(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Multiply each count by `width`, rounded to a multiple of 8, at least 8; width 1 leaves them unchanged.

    >>> scale_channels((16, 64, 512), 0.25)
    (8, 16, 128)
    """
    return tuple(count if width == 1.0 else max(8, round(count * width / 8) * 8) for count in channels)

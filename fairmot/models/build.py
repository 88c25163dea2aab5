"""From the MODEL section to a network."""

from collections.abc import Callable

from torch import nn

from fairmot.config.node import CfgNode
from fairmot.models.backbones.dla import DLA
from fairmot.models.heads import make_heads
from fairmot.models.joint_detector import JointDetector
from fairmot.models.layers.channels import scale_channels
from fairmot.models.layers.deform_conv import DeformConv2d
from fairmot.models.necks.dla_up import DLANeck
from fairmot.utils.registry import Registry

BodyFactory = Callable[[float], tuple[nn.Module, nn.Module, int]]
"""Channel multiplier -> backbone, neck, channels of the neck's map."""

BACKBONES: Registry[BodyFactory] = Registry("MODEL.BACKBONE")


@BACKBONES.register("dla_34")
def make_dla_34(width: float) -> tuple[nn.Module, nn.Module, int]:
    """DLA-34 with deformable up-sampling, the published default."""
    channels = scale_channels((16, 32, 64, 128, 256, 512), width)
    neck = DLANeck(channels[2:], DeformConv2d)
    return DLA(channels), neck, neck.out_channels


def build_model(cfg: CfgNode) -> JointDetector:
    """Return the network that `cfg.MODEL` describes, with random weights, in training mode."""
    backbone, neck, channels = BACKBONES[cfg.MODEL.BACKBONE](cfg.MODEL.WIDTH)
    heads = make_heads(
        channels,
        num_classes=cfg.MODEL.NUM_CLASSES,
        reid_dim=cfg.MODEL.REID_DIM,
        hidden=cfg.MODEL.HEAD_CHANNELS,
        heatmap_bias=cfg.MODEL.HEATMAP_BIAS,
    )
    return JointDetector(backbone, neck, heads)

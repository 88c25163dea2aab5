"""From the MODEL section to a network."""

from fairmot.config.derived import embedding_lengths
from fairmot.config.node import CfgNode
from fairmot.models.architectures import BACKBONES
from fairmot.models.heads import make_heads
from fairmot.models.joint_detector import JointDetector
from fairmot.models.norms import set_norms
from fairmot.models.weight_names import HEAD_PREFIXES


def build_model(cfg: CfgNode) -> JointDetector:
    """Return the network that `cfg.MODEL` describes, with random weights, in training mode."""
    body = BACKBONES[cfg.MODEL.BACKBONE](cfg.MODEL.WIDTH)
    heads = make_heads(
        body.channels,
        num_classes=cfg.MODEL.NUM_CLASSES,
        reid_dim=embedding_lengths(cfg)[0],
        hidden=min(cfg.MODEL.HEAD_CHANNELS, body.max_head_channels or cfg.MODEL.HEAD_CHANNELS),
        heatmap_bias=cfg.MODEL.HEATMAP_BIAS,
        activation=body.head_activation,
    )
    model = JointDetector(body.backbone, body.neck, heads, prefixes=(*body.prefixes, *HEAD_PREFIXES))
    set_norms(model, cfg.MODEL.NORM)
    return model

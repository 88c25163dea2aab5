"""Builder of the network from the MODEL section."""

from fairmot.config.derived import embedding_lengths
from fairmot.config.node import CfgNode
from fairmot.models.architectures import BACKBONES
from fairmot.models.heads import make_heads
from fairmot.models.joint_detector import JointDetector
from fairmot.models.norms import set_norms
from fairmot.models.weight_names import HEAD_PREFIXES


def build_model(cfg: CfgNode) -> JointDetector:
    """Return the network that `cfg.MODEL` describes, randomly initialised and in training mode."""
    base = BACKBONES[cfg.MODEL.BACKBONE](cfg.MODEL.WIDTH)
    heads = make_heads(
        base.channels,
        num_classes=cfg.MODEL.NUM_CLASSES,
        reid_dim=embedding_lengths(cfg)[0],
        hidden=min(cfg.MODEL.HEAD_CHANNELS, base.max_head_channels or cfg.MODEL.HEAD_CHANNELS),
        heatmap_bias=cfg.MODEL.HEATMAP_BIAS,
        activation=base.head_activation,
    )
    model = JointDetector(base.backbone, base.neck, heads, prefixes=(*base.prefixes, *HEAD_PREFIXES))
    set_norms(model, cfg.MODEL.NORM)
    return model

"""From the LOSS section to a criterion."""

from fairmot.config.node import CfgNode
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.joint import JointLoss, UncertaintyWeighting


def build_criterion(cfg: CfgNode, *, num_identities: int) -> JointLoss:
    """Return the joint loss for `num_identities` training identities (at least 1 class is kept)."""
    return JointLoss(
        IdentityLoss(cfg.MODEL.REID_DIM, max(1, num_identities)),
        UncertaintyWeighting(start_det=cfg.LOSS.START_DET, start_id=cfg.LOSS.START_ID),
        weights=(cfg.LOSS.HEATMAP_WEIGHT, cfg.LOSS.SIZE_WEIGHT, cfg.LOSS.OFFSET_WEIGHT),
    )

"""From the LOSS section to a criterion."""

from collections.abc import Sequence

from fairmot.config.node import CfgNode
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.joint import JointLoss, UncertaintyWeighting


def build_criterion(cfg: CfgNode, *, num_identities: int | Sequence[int]) -> JointLoss:
    """Return the joint loss for so many training identities, of the one class or of each (0 and more)."""
    return JointLoss(
        IdentityLoss(cfg.MODEL.REID_DIM, num_identities),
        UncertaintyWeighting(start_det=cfg.LOSS.START_DET, start_id=cfg.LOSS.START_ID),
        weights=(cfg.LOSS.HEATMAP_WEIGHT, cfg.LOSS.SIZE_WEIGHT, cfg.LOSS.OFFSET_WEIGHT),
    )

"""Builders of the criterion from the LOSS section."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from fairmot.config.derived import embedding_lengths
from fairmot.config.node import CfgNode
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.joint import JointLoss
from fairmot.losses.matryoshka import MatryoshkaLoss
from fairmot.losses.partial_fc import PartialFCLoss
from fairmot.losses.softmax_losses import CircleLoss, FocalCrossEntropy
from fairmot.losses.task_weighting import MGDAUB, FixedWeighting, GradNorm, PCGrad, TaskWeighting, UncertaintyWeighting
from fairmot.losses.triplet import TripletLoss
from fairmot.utils.distributed import Distributed


def build_criterion(
    cfg: CfgNode, *, num_identities: int | Sequence[int], world: Distributed | None = None, seed: int = 0
) -> JointLoss:
    """Return the joint loss for a number of training identities (0 or more), of the only class or of each class.

    world: ranks that a sampled classifier is sharded over; seed: of its initial weights and its samples.
    """
    return JointLoss(
        build_identity(cfg, num_identities=num_identities, world=world, seed=seed),
        build_task_weighting(cfg),
        weights=(cfg.LOSS.HEATMAP_WEIGHT, cfg.LOSS.SIZE_WEIGHT, cfg.LOSS.OFFSET_WEIGHT),
        sampling=cfg.MODEL.REID_SAMPLING,
    )


def build_identity(
    cfg: CfgNode, *, num_identities: int | Sequence[int], world: Distributed | None = None, seed: int = 0
) -> nn.Module:
    """Return the identity loss LOSS.IDENTITY, for each trained length of the embedding (MODEL.REID_NESTED)."""
    loss, count, lengths = cfg.LOSS, num_identities, embedding_lengths(cfg)
    focal = FocalCrossEntropy(gamma=loss.FOCAL_GAMMA)
    circle = CircleLoss(margin=loss.CIRCLE_MARGIN, scale=loss.CIRCLE_SCALE)
    triplet = TripletLoss(margin=loss.TRIPLET_MARGIN)
    kinds: dict[str, Callable[[int], nn.Module]] = {
        "cross_entropy": lambda length: IdentityLoss(length, count),
        "focal": lambda length: IdentityLoss(length, count, logit_loss=focal),
        "circle": lambda length: IdentityLoss(length, count, logit_loss=circle, cosine=True),
        "triplet": lambda _: triplet,
        "partial_fc": partial(PartialFCLoss, num_identities=count, rate=loss.SAMPLE_RATE, seed=seed, world=world),
    }
    parts = {length: kinds[loss.IDENTITY](length) for length in lengths}
    return parts[lengths[0]] if len(lengths) == 1 else MatryoshkaLoss(parts)


def build_task_weighting(cfg: CfgNode) -> TaskWeighting:
    """Return the task weighting LOSS.BALANCE."""
    loss = cfg.LOSS
    kinds: dict[str, Callable[[], TaskWeighting]] = {
        "uncertainty": partial(UncertaintyWeighting, start_det=loss.START_DET, start_id=loss.START_ID),
        "fixed": partial(FixedWeighting, loss.TASK_WEIGHTS),
        "gradnorm": partial(GradNorm, alpha=loss.GRADNORM_ALPHA, rate=loss.GRADNORM_LR),
        "mgda_ub": partial(MGDAUB, normalize=loss.MGDA_NORM),
        "pcgrad": partial(PCGrad, loss.TASK_WEIGHTS),
    }
    return kinds[loss.BALANCE]()

"""From the SOLVER section to an optimiser and its schedule."""

from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import MultiStepLR

from fairmot.config.node import CfgNode
from fairmot.optim.groups import parameter_groups


def build_optimizer(cfg: CfgNode, *, model: nn.Module, criterion: nn.Module) -> Optimizer:
    """Return Adam over every trainable parameter of network *and* criterion (classifier, loss weights)."""
    groups = parameter_groups(model=model, criterion=criterion)
    return Adam(groups, lr=cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY, fused=True)


def build_schedule(cfg: CfgNode, optimizer: Optimizer) -> MultiStepLR:
    """Return the step schedule: the rate is multiplied by GAMMA after each epoch in STEPS. Step it once an epoch."""
    return MultiStepLR(optimizer, milestones=list(cfg.SOLVER.STEPS), gamma=cfg.SOLVER.GAMMA)

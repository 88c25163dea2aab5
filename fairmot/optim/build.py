"""Builders of the optimizer and the learning rate schedule from the SOLVER section."""

from collections.abc import Callable
from functools import partial

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fairmot.config.node import CfgNode
from fairmot.optim.groups import parameter_groups, split_sharded_groups
from fairmot.optim.schedules import ClosedFormSchedule, Rate, cosine_rate, step_rate, warmed_up
from fairmot.optim.sparse import CompositeOptimizer


def build_optimizer(cfg: CfgNode, *, model: nn.Module, criterion: nn.Module) -> Optimizer:
    """Return the optimizer of all trainable parameters of network and criterion (classifier, loss weights).

    `model` is the network itself: in a wrapper (DistributedDataParallel) its backbone would not be found.
    Adam adds weight decay to the gradient; AdamW decouples it (Loshchilov & Hutter, Decoupled Weight Decay
    Regularization, ICLR 2019); SGD has plain, not Nesterov, momentum. Sharded tables with sparse gradients have groups
    of their own in a `CompositeOptimizer`.
    """
    solver = cfg.SOLVER
    sgd = partial(SGD, momentum=solver.MOMENTUM)
    optimizers: dict[str, Callable[..., Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": sgd}
    groups = parameter_groups(
        model=model,
        criterion=criterion,
        base_lr=solver.BASE_LR,
        backbone_lr=solver.BACKBONE_LR,
        weight_decay=solver.WEIGHT_DECAY,
    )
    dense, tables = split_sharded_groups(groups)
    make = partial(optimizers[solver.OPTIMIZER], lr=solver.BASE_LR, fused=solver.FUSED)
    return CompositeOptimizer(make, dense=dense, tables=tables) if tables else make(dense)


def build_schedule(cfg: CfgNode, optimizer: Optimizer, *, steps_per_epoch: int) -> LRScheduler:
    """Return the schedule, to be stepped once an optimizer step; after its last step the rate stays constant.

    steps_per_epoch: optimizer steps, 1 or more, else ValueError. `step` multiplies the rate by GAMMA after each epoch
    in MILESTONES; `cosine` decays it to FINAL_LR times BASE_LR over EPOCHS; both rise over the first WARMUP steps.
    """
    if steps_per_epoch < 1:
        raise ValueError(f"steps_per_epoch: {steps_per_epoch}, must be 1 or more")
    solver = cfg.SOLVER
    milestones = [epoch * steps_per_epoch for epoch in solver.MILESTONES]
    rates: dict[str, Rate] = {
        "step": partial(step_rate, milestones=milestones, gamma=solver.GAMMA),
        "cosine": partial(cosine_rate, steps=solver.EPOCHS * steps_per_epoch, final=solver.FINAL_LR),
    }
    rate = partial(warmed_up, rate=rates[solver.SCHEDULE], warmup=solver.WARMUP, power=solver.WARMUP_POWER)
    return ClosedFormSchedule(optimizer, rate)

"""From the SOLVER section to an optimiser and its schedule."""

from collections.abc import Callable
from functools import partial

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fairmot.config.node import CfgNode
from fairmot.optim.groups import parameter_groups, require_each_once, take_out_tables
from fairmot.optim.schedules import ClosedFormSchedule, Rate, cosine_rate, step_rate, warmed_up
from fairmot.optim.sparse import JoinedOptimizer, RowAdam, RowSGD


def build_optimizer(cfg: CfgNode, *, model: nn.Module, criterion: nn.Module) -> Optimizer:
    """Return the optimiser over every trainable parameter of network *and* criterion (classifier, loss weights).

    `model` is the network itself: in a wrapper (DistributedDataParallel) its backbone would not be found.
    Adam adds the decay to the gradient; AdamW takes it from the weight beside the step (Loshchilov & Hutter, Decoupled
    Weight Decay Regularization, ICLR 2019); SGD has plain, not Nesterov, momentum. Split parameters, of which a step's
    gradient has some rows only, have an optimiser of the same kind beside it, in groups of their own.
    """
    solver = cfg.SOLVER
    optimizers: dict[str, Callable[..., Optimizer]] = {
        "adam": Adam,
        "adamw": AdamW,
        "sgd": partial(SGD, momentum=solver.MOMENTUM),
    }
    groups = parameter_groups(
        model=model,
        criterion=criterion,
        base_lr=solver.BASE_LR,
        backbone_lr=solver.BACKBONE_LR,
        weight_decay=solver.WEIGHT_DECAY,
    )
    dense, tables = take_out_tables(groups)
    require_each_once([*dense, *tables], model=model, criterion=criterion)
    optimizer = optimizers[solver.OPTIMIZER](dense, lr=solver.BASE_LR, fused=solver.FUSED)
    if not tables:
        return optimizer
    by_rows: dict[str, Callable[..., Optimizer]] = {
        "adam": RowAdam,
        "adamw": partial(RowAdam, decoupled=True),
        "sgd": partial(RowSGD, momentum=solver.MOMENTUM),
    }
    return JoinedOptimizer([optimizer, by_rows[solver.OPTIMIZER](tables, lr=solver.BASE_LR)])


def build_schedule(cfg: CfgNode, optimizer: Optimizer, *, steps_per_epoch: int) -> LRScheduler:
    """Return the schedule; step it once an optimiser step. Past the last step the rate stays where it ended.

    steps_per_epoch: optimiser steps, 1 or more, ValueError otherwise. `step` multiplies the rate by GAMMA after each
    epoch in STEPS; `cosine` lowers it to FINAL_LR of its height over EPOCHS; both rise over the first WARMUP steps.
    """
    if steps_per_epoch < 1:
        raise ValueError(f"steps_per_epoch: {steps_per_epoch}, must be 1 or more")
    solver = cfg.SOLVER
    rates: dict[str, Rate] = {
        "step": partial(
            step_rate, milestones=[epoch * steps_per_epoch for epoch in solver.MILESTONES], gamma=solver.GAMMA
        ),
        "cosine": partial(cosine_rate, steps=solver.EPOCHS * steps_per_epoch, final=solver.FINAL_LR),
    }
    rate = partial(warmed_up, rate=rates[solver.SCHEDULE], warmup=solver.WARMUP, power=solver.WARMUP_POWER)
    return ClosedFormSchedule(optimizer, rate)

"""Builder of the training state, for `fairmot train` and its benchmark."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.amp import GradScaler

from fairmot.config.node import CfgNode
from fairmot.engine.ema import average_of
from fairmot.engine.state import TrainState
from fairmot.losses.build import build_criterion
from fairmot.models.memory_format import to_channels_last
from fairmot.optim.build import build_optimizer, build_schedule
from fairmot.utils.distributed import Distributed


def build_train_state(
    cfg: CfgNode,
    model: nn.Module,
    *,
    num_identities: Sequence[int],
    steps_per_epoch: int,
    device: torch.device,
    world: Distributed | None = None,
) -> TrainState:
    """Return `model`, moved to `device`, with criterion, optimizer, schedule, scaler and average by SOLVER and LOSS."""
    world = world or Distributed()
    model.to(device)
    if cfg.SOLVER.CHANNELS_LAST:
        to_channels_last(model)
    criterion = build_criterion(cfg, num_identities=num_identities, world=world, seed=cfg.SEED).to(device)
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    return TrainState(
        model,
        criterion,
        optimizer,
        build_schedule(cfg, optimizer, steps_per_epoch=steps_per_epoch),
        scaler=GradScaler(device.type, enabled=cfg.SOLVER.PRECISION == "fp16"),
        average=average_of(model, decay=cfg.SOLVER.EMA_DECAY) if cfg.SOLVER.EMA_DECAY else None,
        world=world,
    )

"""All that a resume needs."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from fairmot.engine.ema import average_state, load_average_state
from fairmot.engine.sharded_state import gather_optimizer_state, gather_state, shard_optimizer_state, shard_state
from fairmot.utils.distributed import Distributed, is_sharded


@dataclass
class Progress:
    """Where a run stands: finished epochs, finished batches of the epoch under way, optimiser steps, best score.

    skipped: how many of the steps were left out, since their loss was not finite; validated: the last epoch that was.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = -1.0
    skipped: int = 0
    validated: int = 0


@dataclass
class TrainState:
    """Network, criterion (classifier and loss weights), optimiser, schedule, scaler, average and progress of one run.

    schedule: stepped once an optimiser step; scaler: of fp16's gradients, one that is not enabled does nothing;
    average: of the network's weights (`average_of`), None for none; world: the processes that train together.

    A run that saves its `state_dict`, stops, and loads it again goes on bit for bit (on one machine, on a CPU).
    """

    model: nn.Module
    criterion: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    scaler: GradScaler = field(default_factory=lambda: GradScaler("cpu", enabled=False))
    average: AveragedModel | None = None
    progress: Progress = field(default_factory=Progress)
    world: Distributed = field(default_factory=Distributed)

    @property
    def is_sharded(self) -> bool:
        """Whether a process holds but a part: all must then take part in saving, and the first one gets the whole."""
        return self.world.world_size > 1 and any(map(is_sharded, self.criterion.parameters()))

    @property
    def scored_model(self) -> nn.Module:
        """The network to validate and use: the average where there is one."""
        return self.model if self.average is None else self.average.module

    def state_dict(self) -> dict[str, Any]:
        """Return everything as nested dicts of tensors and numbers: what `torch.load(weights_only=True)` accepts.

        Where the state `is_sharded` all processes must call this together; the first one gets the whole.
        """
        return {
            "model": self.model.state_dict(),
            "criterion": gather_state(self.criterion, self.world),
            "optimizer": gather_optimizer_state(self.optimizer, self.world),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.average is None else average_state(self.average),
            "progress": dict(vars(self.progress)),
            "rng": {"torch": torch.get_rng_state(), "cuda": _cuda_rng_states()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put everything back, the random number generators included; of a whole table a process takes its rows.

        Another number of processes may have saved it. Raises RuntimeError or ValueError where it does not fit.
        """
        self.model.load_state_dict(state["model"])
        self.criterion.load_state_dict(shard_state(self.criterion, state["criterion"], self.world))
        self.optimizer.load_state_dict(shard_optimizer_state(self.optimizer, state["optimizer"], self.world))
        _lay_like_weights(self.optimizer)
        self.schedule.load_state_dict(state["schedule"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            load_average_state(self.average, state["ema"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["rng"]["torch"])
        if len(state["rng"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["rng"]["cuda"])


def _lay_like_weights(optimizer: Optimizer) -> None:
    """Lay moments in memory as the weights are: another device may have them otherwise, and fused updates trust it."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value).detach()


def _cuda_rng_states() -> list[torch.Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

"""Training state: everything that a resume needs."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from fairmot.engine.sharded_state import gather_optimizer_state, gather_state, shard_optimizer_state, shard_state
from fairmot.utils.distributed import Distributed, is_sharded


@dataclass
class Progress:
    """Progress of a run."""

    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the current epoch
    step: int = 0  # optimizer steps
    best: float = -1.0  # best validation score
    skipped: int = 0  # steps that were skipped for a non-finite loss
    validated: int = 0  # number of the last epoch with a validation


@dataclass
class TrainState:
    """Network, criterion (classifier and loss weights), optimizer, schedule, scaler, average and progress of one run.

    schedule: stepped once an optimizer step; scaler: of fp16 gradients, without effect when disabled;
    average: of the network's weights (`average_of`), or None; world: the ranks that train together.

    Saving the `state_dict` and loading it continues a run bit-exactly (on the CPU of one machine).
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
        """Whether ranks hold shards: all must then call `state_dict`, which is full on the main process only."""
        return self.world.world_size > 1 and any(map(is_sharded, self.criterion.parameters()))

    @property
    def scored_model(self) -> nn.Module:
        """Network to validate and use: the average, if any."""
        return self.model if self.average is None else self.average.module

    def state_dict(self) -> dict[str, Any]:
        """Return nested dicts of tensors and numbers, as `torch.load(weights_only=True)` accepts.

        If the state `is_sharded`, all ranks must call this together; the main process gets the full tables.
        """
        average, ema = self.average, None
        if average is not None:
            ema = {"model": average.module.state_dict(), "updates": int(average.n_averaged)}
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {
            "model": self.model.state_dict(),
            "criterion": gather_state(self.criterion, self.world),
            "optimizer": gather_optimizer_state(self.optimizer, self.world),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": ema,
            "progress": dict(vars(self.progress)),
            "rng": {"torch": torch.get_rng_state(), "cuda": cuda},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load a full `state_dict`, random number generators included; a rank takes its shard of sharded tables.

        Another number of ranks may have saved it. Raises RuntimeError or ValueError where it does not fit.
        """
        self.model.load_state_dict(state["model"])
        self.criterion.load_state_dict(shard_state(self.criterion, state["criterion"], self.world))
        self.optimizer.load_state_dict(shard_optimizer_state(self.optimizer, state["optimizer"], self.world))
        _match_memory_format(self.optimizer)
        self.schedule.load_state_dict(state["schedule"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.module.load_state_dict(state["ema"]["model"])
            self.average.n_averaged.fill_(state["ema"]["updates"])
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["rng"]["torch"])
        if len(state["rng"]["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["rng"]["cuda"])


def _match_memory_format(optimizer: Optimizer) -> None:
    """Give moments the memory format of their weights, which fused updates rely on; it depends on the device."""
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value).detach()

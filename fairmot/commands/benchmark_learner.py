"""One way of training that takes its turn beside others, as `fairmot benchmark train` has them."""

import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

import torch

from fairmot.commands.run import seed_libraries
from fairmot.commands.train_state import build_train_state
from fairmot.config.node import CfgNode
from fairmot.data.loader import TrainLoader
from fairmot.engine.build import build_train_options
from fairmot.engine.feed import feed
from fairmot.engine.trainer import Trainer
from fairmot.models.build import build_model
from fairmot.models.made_up import load_made_up_weights
from fairmot.utils.memory import peak_memory

AROUND = 2  # batches a turn beside the timed ones: one before, one after that is only loaded


def make_trainer(cfg: CfgNode, *, num_identities: Sequence[int], steps_per_epoch: int, device: torch.device) -> Trainer:
    """Return a trainer as `fairmot train` has it, at made-up weights and without hooks."""
    seed_libraries(cfg.SEED)
    model = build_model(cfg)
    load_made_up_weights(model)
    state = build_train_state(
        cfg, model.train(), num_identities=num_identities, steps_per_epoch=steps_per_epoch, device=device
    )
    return Trainer(state, build_train_options(cfg), device=device)


class Learner:
    """One way of training, and what its turns took.

    seconds, waiting: of each turn's timed steps, and the share of it that they waited for data;
    peak_mib: of memory from its making to the end of its first turn, on top of what was in use before; None where the
        system does not tell.
    """

    def __init__(self, cfg: CfgNode, loader: TrainLoader, *, device: torch.device, steps: int) -> None:
        self.cfg = cfg
        self.images = steps * cfg.SOLVER.BATCH_SIZE
        self.seconds: list[float] = []
        self.waiting: list[float] = []
        self.peak_mib: float | None = None
        self._loader, self._device, self._steps = loader, device, steps
        self._trainer: Trainer | None = None

    def start(self) -> None:
        """Make the network and all that belongs to it, and take a turn that only counts for memory."""
        self.peak_mib = peak_memory(lambda: self._turn(0), device=self._device)

    def take_turn(self, number: int) -> None:
        """Take turn `number` (1 and on) and note its time."""
        seconds, waited = self._turn(number)
        self.seconds.append(seconds)
        self.waiting.append(waited / seconds)

    def stop(self) -> None:
        """Give the memory back."""
        self._trainer = None

    def _turn(self, number: int) -> tuple[float, float]:
        """Return how long the timed steps took, and how much of it they waited."""
        trainer, loader, device = self._made(), self._loader, self._device
        drawn = loader.epoch(number, start_batch=len(loader) - self._steps - AROUND)
        batches = feed(drawn, device, ahead=trainer.options.prefetch, pace=trainer.pace)
        trainer.train_step(next(batches))
        _wait_for(device)
        trainer.pace.restart()
        for batch in islice(batches, self._steps):
            trainer.train_step(batch)
        _wait_for(device)
        taken = time.perf_counter() - trainer.pace.started, trainer.pace.waited
        deque(batches, maxlen=0)  # the last one, so that no worker is at it in another's turn
        return taken

    def _made(self) -> Trainer:
        if self._trainer is None:
            self._trainer = make_trainer(
                self.cfg,
                num_identities=self._loader.dataset.identity_counts,
                steps_per_epoch=len(self._loader),
                device=self._device,
            )
        return self._trainer


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""The training loop: knows no data set, architecture or loss by name."""

import time
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Protocol

import torch
from torch import nn

from fairmot.codec.render import complete_heatmap
from fairmot.engine.hooks import Hook, StepResult, detach
from fairmot.engine.state import TrainState
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import LossTerms
from fairmot.utils.errors import InputError


class EpochLoader(Protocol):
    """Batches of one epoch, from any batch on; the same for the same arguments."""

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterable[Batch]:
        """Return the batches of `epoch` (from 0), the first `start_batch` left out."""


class Outcome(Enum):
    """Why training ended."""

    FINISHED = "finished"
    STEP_LIMIT = "step limit"
    INTERRUPTED = "interrupted"


class Trainer:
    """Run epochs of optimiser steps from wherever `state` stands.

    epochs: in all, those already done included; max_steps: optimiser steps in all, 0 for no limit;
    clip_norm: largest gradient norm over all parameters, 0 for no clipping.
    """

    def __init__(
        self,
        state: TrainState,
        *,
        device: torch.device,
        epochs: int,
        max_steps: int = 0,
        clip_norm: float = 0.0,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self.state = state
        self.device = device
        self.epochs = epochs
        self.max_steps = max_steps
        self.clip_norm = clip_norm
        self.hooks = list(hooks)
        self.is_sound = True
        self.images_per_second = 0.0
        self._stop_asked = False

    def request_stop(self) -> None:
        """Ask the loop to end after the step under way; safe to call from a signal handler."""
        self._stop_asked = True

    def fit(self, loader: EpochLoader) -> Outcome:
        """Train until the epochs or steps are done or a stop is asked for; InputError when a loss is not finite."""
        for hook in self.hooks:
            hook.before_fit(self)
        try:
            while self.state.progress.epoch < self.epochs:
                outcome = self._run_epoch(loader)
                if outcome is not Outcome.FINISHED:
                    return outcome
            return Outcome.FINISHED
        except BaseException:
            self.is_sound = False
            raise
        finally:
            for hook in self.hooks:
                hook.after_fit(self)

    def _run_epoch(self, loader: EpochLoader) -> Outcome:
        progress = self.state.progress
        self.state.model.train()
        started, images = time.perf_counter(), 0
        for batch in loader.epoch(progress.epoch, start_batch=progress.batch):
            if self.max_steps and progress.step >= self.max_steps:
                return Outcome.STEP_LIMIT
            result = self.train_step(batch.to(self.device))
            progress.batch += 1
            progress.step += 1
            images += len(batch.names)
            self.images_per_second = images / (time.perf_counter() - started)
            for hook in self.hooks:
                hook.after_step(self, result)
            if self._stop_asked:
                return Outcome.INTERRUPTED
        progress.epoch, progress.batch = progress.epoch + 1, 0
        self.state.schedule.step()
        for hook in self.hooks:
            hook.after_epoch(self)
        return Outcome.INTERRUPTED if self._stop_asked else Outcome.FINISHED

    def train_step(self, batch: Batch) -> StepResult:
        """One optimiser step over `batch`, already on the device; a heatmap that it lacks is rendered there."""
        batch = complete_heatmap(batch)
        outputs = self.state.model(batch.images_B3HW)
        terms: LossTerms = self.state.criterion(outputs, batch)
        require_finite(terms, batch, self.state.progress.step)
        self.state.optimizer.zero_grad(set_to_none=True)
        terms.total.backward()  # type: ignore[no-untyped-call]
        if self.clip_norm:
            nn.utils.clip_grad_norm_(self._parameters(), self.clip_norm)
        self.state.optimizer.step()
        return StepResult(batch, detach(outputs), LossTerms(*(term.detach() for term in terms)))

    def _parameters(self) -> list[nn.Parameter]:
        return [value for group in self.state.optimizer.param_groups for value in group["params"]]


def require_finite(terms: LossTerms, batch: Batch, step: int) -> None:
    """Raise InputError naming the losses that are not finite and the batch's files."""
    broken = [name for name, value in terms._asdict().items() if not bool(torch.isfinite(value))]
    if broken:
        raise InputError(
            f"step {step + 1}: loss not finite ({', '.join(broken)}) on the batch {', '.join(batch.names)}; "
            "look at these files' labels, or lower SOLVER.BASE_LR; the last checkpoint is as it was"
        )

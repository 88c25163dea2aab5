"""What may happen around training steps. A hook overrides what it needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

from fairmot.formats.checkpoint import write_checkpoint
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import Fairness, HeadOutputs, LossTerms

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from fairmot.engine.trainer import Trainer


PREVIOUS = "previous.pt"


class StepResult(NamedTuple):
    """One optimiser step: what went in and what came out, outside the graph."""

    batch: Batch  # of this process; where gradients are accumulated, the first part
    outputs: HeadOutputs  # of that batch
    terms: LossTerms  # of the whole step, all processes together, on the CPU
    fairness: Fairness | None = None  # of the whole step, where the meter reads it


class Hook:
    """Called by `Trainer.fit` in the order of the list it was given."""

    def before_fit(self, trainer: Trainer) -> None:
        """Once, before the first step."""

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """After each optimiser step; `trainer.state.progress` already counts it."""

    def skipped_step(self, trainer: Trainer, message: str) -> None:
        """Where a step is left out since its loss is not finite, before `after_step`; `message` is a line."""

    def after_epoch(self, trainer: Trainer) -> None:
        """After each whole epoch; `trainer.state.progress.epoch` already counts it."""

    def after_fit(self, trainer: Trainer) -> None:
        """Once, however the run ended, exceptions included."""


class CheckpointHook(Hook):
    """Write `path` every `every` epochs, and when training ends or is asked to stop.

    path: None on a process that does not write, and only gives its part of a state that is split over the processes.
    every_steps: write it at every so many steps too, 0 for at none. The one before stays as `previous.pt` beside it.
    """

    def __init__(self, path: Path | None, *, extra: dict[str, Any], every: int = 1, every_steps: int = 0) -> None:
        self.path = path
        self.extra = extra
        self.every = every
        self.every_steps = every_steps
        self._saved: tuple[int, int, float] | None = None

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Save at the steps that `every_steps` names."""
        del result
        if self.every_steps and trainer.state.progress.step % self.every_steps == 0:
            self._save(trainer)

    def after_epoch(self, trainer: Trainer) -> None:
        """Save at the epochs that `every` names."""
        if trainer.state.progress.epoch % self.every == 0:
            self._save(trainer)

    def after_fit(self, trainer: Trainer) -> None:
        """Save where the run stopped, unless it broke in a step (the last good checkpoint is kept then).

        Where the processes would have to meet for it, they must have ended at the same step.
        """
        if trainer.state_is_consistent and (trainer.stopped_together or not trainer.state.is_sharded):
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        """Write what has changed since the last time: steps, or what validation found."""
        progress = trainer.state.progress
        now = (progress.step, progress.validated, progress.best)
        if now == self._saved:
            return
        previous = None if self.path is None else self.path.with_name(PREVIOUS)
        _write_state(trainer, self.path, self.extra, previous=previous)
        self._saved = now


def _write_state(trainer: Trainer, path: Path | None, extra: dict[str, Any], *, previous: Path | None = None) -> None:
    """Write a checkpoint of the state; without a path only give this process's part, where the state is split."""
    if path is not None:
        write_checkpoint(path, {**trainer.state.state_dict(), **extra}, previous=previous)
    elif trainer.state.is_sharded:
        trainer.state.state_dict()


class ValidationHook(Hook):
    """Call `evaluate` every `every` epochs and keep the checkpoint of the best score as `best_path`.

    All processes call `evaluate` and get the same score; those that are to write nothing have no `best_path`. A
    validation that a run ended in is made up for when it goes on.
    """

    def __init__(
        self, evaluate: Callable[[Trainer], float], best_path: Path | None, *, extra: dict[str, Any], every: int
    ) -> None:
        self.evaluate = evaluate
        self.best_path = best_path
        self.extra = extra
        self.every = every

    def before_fit(self, trainer: Trainer) -> None:
        """Validate where the run stands, if that is due and was not done."""
        if trainer.state.progress.batch == 0:
            self.after_epoch(trainer)

    def after_epoch(self, trainer: Trainer) -> None:
        """Validate; a score above the best so far is written."""
        progress = trainer.state.progress
        is_due = progress.epoch % max(self.every, 1) == 0 or progress.epoch == trainer.options.epochs
        if self.every and is_due and progress.epoch > progress.validated:
            score = self.evaluate(trainer)
            progress.validated = progress.epoch
            trainer.state.model.train()
            if score > progress.best:
                progress.best = score
                _write_state(trainer, self.best_path, self.extra)


class ScalarsHook(Hook):
    """Write losses, learning rate and loss weights to TensorBoard every `every` steps."""

    def __init__(self, writer: SummaryWriter, *, every: int = 10) -> None:
        self.writer = writer
        self.every = every

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Write the step's losses."""
        step = trainer.state.progress.step
        if step % self.every:
            return
        for name, value in result.terms._asdict().items():
            self.writer.add_scalar(f"loss/{name}", float(value), step)
        for group in trainer.state.optimizer.param_groups:
            self.writer.add_scalar(f"rate/{group['name']}", group["lr"], step)
        for name, parameter in trainer.state.criterion.named_parameters():
            if parameter.numel() == 1:
                self.writer.add_scalar(f"balance/{name.rpartition('.')[2]}", float(parameter.detach()), step)


class FairnessHook(Hook):
    """Tell TensorBoard, and `write` as a row, how the two tasks stood where a step was read."""

    def __init__(self, writer: SummaryWriter, write: Callable[[dict[str, Any]], None]) -> None:
        self.writer = writer
        self.write = write

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Pass the step's reading on, if there is one and it is finite (float16's gradients may overflow)."""
        if result.fairness is None or not all(map(math.isfinite, result.fairness)):
            return
        progress, values = trainer.state.progress, result.fairness._asdict()
        for name, value in values.items():
            self.writer.add_scalar(f"fairness/{name}", value, progress.step)
        self.write({"epoch": progress.epoch, "step": progress.step, "fairness": values})


class ImagesHook(Hook):
    """Hand the first batch of every `every`-th epoch to `show`, which draws it."""

    def __init__(self, show: Callable[[StepResult, int], None], *, every: int = 1) -> None:
        self.show = show
        self.every = every
        self._shown_epoch = -1

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Show the first batch seen of an epoch that `every` names."""
        progress = trainer.state.progress
        if self.every and progress.epoch % self.every == 0 and progress.epoch != self._shown_epoch:
            self._shown_epoch = progress.epoch
            self.show(result, progress.step)


class ProgressHook(Hook):
    """A bar over the whole run (losses, images/s, time left) where stderr is a terminal, and a line an epoch."""

    def __init__(self, log: Callable[[str], None], *, steps_per_epoch: int) -> None:
        self.log = log
        self.steps_per_epoch = steps_per_epoch
        self._bar: tqdm[Any] | None = None
        self._sums: dict[str, float] = {}
        self._seen = 0

    def before_fit(self, trainer: Trainer) -> None:
        """Open the bar where a resumed run stands."""
        total = trainer.options.max_steps or trainer.options.epochs * self.steps_per_epoch
        self._bar = tqdm(total=total, initial=trainer.state.progress.step, unit="step", disable=None, leave=False)

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Advance; average the losses over the epoch."""
        if math.isfinite(float(result.terms.total)):  # a step that was left out counts in no mean
            self._seen += 1
            for name, value in result.terms._asdict().items():
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
        if self._bar is None or self._bar.disable:
            return
        epoch = f"epoch {trainer.state.progress.epoch + 1}/{trainer.options.epochs}"
        self._bar.set_description(epoch, refresh=False)
        self._bar.set_postfix_str(
            f"{self._losses()} {trainer.throughput.images_per_second:.1f} images/s", refresh=False
        )
        self._bar.update()

    def after_epoch(self, trainer: Trainer) -> None:
        """Say the epoch's mean losses in one line and start the sums anew."""
        rate = max(group["lr"] for group in trainer.state.optimizer.param_groups)
        waits = f"waiting for data {trainer.throughput.waiting:.0%}"
        speed = f"{trainer.throughput.images_per_second:.1f} images/s, {waits}, next rate {rate:.1e}"
        self.log(f"epoch {trainer.state.progress.epoch}/{trainer.options.epochs}: {self._losses()} ({speed})")
        self._sums, self._seen = {}, 0

    def skipped_step(self, trainer: Trainer, message: str) -> None:
        """Say so."""
        del trainer
        self.log(f"warning: {message}")

    def after_fit(self, trainer: Trainer) -> None:
        """Close the bar."""
        del trainer
        if self._bar is not None:
            self._bar.close()

    def _losses(self) -> str:
        return " ".join(f"{name} {total / max(1, self._seen):.3f}" for name, total in self._sums.items())

"""What may happen around training steps. A hook overrides what it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from tqdm import tqdm

from fairmot.formats.checkpoint import write_checkpoint
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import HeadOutputs, LossTerms

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from fairmot.engine.trainer import Trainer


class StepResult(NamedTuple):
    """One optimiser step: what went in and what came out (detached)."""

    batch: Batch
    outputs: HeadOutputs
    terms: LossTerms


class Hook:
    """Called by `Trainer.fit` in the order of the list it was given."""

    def before_fit(self, trainer: Trainer) -> None:
        """Once, before the first step."""

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """After each optimiser step; `trainer.state.progress` already counts it."""

    def after_epoch(self, trainer: Trainer) -> None:
        """After each whole epoch; `trainer.state.progress.epoch` already counts it."""

    def after_fit(self, trainer: Trainer) -> None:
        """Once, however the run ended, exceptions included."""


class CheckpointHook(Hook):
    """Write `last.pt` every `every` epochs, and when training ends or is asked to stop."""

    def __init__(self, path: Path, *, extra: dict[str, Any], every: int = 1) -> None:
        self.path = path
        self.extra = extra
        self.every = every
        self._saved_step = -1

    def after_epoch(self, trainer: Trainer) -> None:
        """Save at the epochs that `every` names."""
        if trainer.state.progress.epoch % self.every == 0:
            self._save(trainer)

    def after_fit(self, trainer: Trainer) -> None:
        """Save where the run stopped, unless it broke (a broken run keeps its last good checkpoint)."""
        if trainer.is_sound and self._saved_step != trainer.state.progress.step:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        write_checkpoint(self.path, {**trainer.state.state_dict(), **self.extra})
        self._saved_step = trainer.state.progress.step


class ValidationHook(Hook):
    """Call `evaluate` every `every` epochs and keep the checkpoint of the best score as `best_path`."""

    def __init__(
        self, evaluate: Callable[[Trainer], float], best_path: Path, *, extra: dict[str, Any], every: int
    ) -> None:
        self.evaluate = evaluate
        self.best_path = best_path
        self.extra = extra
        self.every = every

    def after_epoch(self, trainer: Trainer) -> None:
        """Validate; a score above the best so far is written."""
        progress = trainer.state.progress
        if self.every and (progress.epoch % self.every == 0 or progress.epoch == trainer.epochs):
            score = self.evaluate(trainer)
            trainer.state.model.train()
            if score > progress.best:
                progress.best = score
                write_checkpoint(self.best_path, {**trainer.state.state_dict(), **self.extra})


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
        total = trainer.max_steps or trainer.epochs * self.steps_per_epoch
        self._bar = tqdm(total=total, initial=trainer.state.progress.step, unit="step", disable=None, leave=False)

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Advance; average the losses over the epoch."""
        self._seen += 1
        for name, value in result.terms._asdict().items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        if self._bar is None or self._bar.disable:
            return
        self._bar.set_description(f"epoch {trainer.state.progress.epoch + 1}/{trainer.epochs}", refresh=False)
        rate = self._bar.format_dict["rate"] or 0.0
        self._bar.set_postfix_str(f"{self._losses()} {rate * len(result.batch.names):.1f} images/s", refresh=False)
        self._bar.update()

    def after_epoch(self, trainer: Trainer) -> None:
        """Say the epoch's mean losses in one line and start the sums anew."""
        rate = trainer.state.optimizer.param_groups[0]["lr"]
        speed = f"{trainer.images_per_second:.1f} images/s, next rate {rate:.1e}"
        self.log(f"epoch {trainer.state.progress.epoch}/{trainer.epochs}: {self._losses()} ({speed})")
        self._sums, self._seen = {}, 0

    def after_fit(self, trainer: Trainer) -> None:
        """Close the bar."""
        del trainer
        if self._bar is not None:
            self._bar.close()

    def _losses(self) -> str:
        return " ".join(f"{name} {total / max(1, self._seen):.3f}" for name, total in self._sums.items())


def detach(outputs: HeadOutputs) -> HeadOutputs:
    """Return the same maps outside the graph."""
    return HeadOutputs(*(torch.Tensor.detach(value) for value in outputs))

"""Hooks of the training loop: checkpoints, validation, TensorBoard, progress."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from fairmot.engine.trainer import Hook, StepResult, Trainer
from fairmot.formats.checkpoint import write_checkpoint

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PREVIOUS = "previous.pt"


class CheckpointHook(Hook):
    """Write a checkpoint to `path` every `every` epochs and at the end of training; keep the last as `previous.pt`.

    path: None on ranks that do not write, and only contribute to a sharded state.
    every_steps: interval of additional checkpoints in steps, 0 for none.
    """

    def __init__(self, path: Path | None, *, extra: dict[str, Any], every: int = 1, every_steps: int = 0) -> None:
        self.path = path
        self.extra = extra
        self.every = every
        self.every_steps = every_steps
        self._saved: tuple[int, int, float] | None = None

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Save every `every_steps` steps."""
        del result
        if self.every_steps and trainer.state.progress.step % self.every_steps == 0:
            self._save(trainer)

    def after_epoch(self, trainer: Trainer) -> None:
        """Save every `every` epochs."""
        if trainer.state.progress.epoch % self.every == 0:
            self._save(trainer)

    def after_fit(self, trainer: Trainer) -> None:
        """Save the final state, unless an exception ended the run within a step.

        A sharded state is saved only if all ranks ended after the same step.
        """
        if trainer.state_is_consistent and (trainer.stopped_together or not trainer.state.is_sharded):
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        """Save, unless neither step nor validation result has changed since the last time."""
        progress = trainer.state.progress
        current = (progress.step, progress.validated, progress.best)
        if current == self._saved:
            return
        previous = None if self.path is None else self.path.with_name(PREVIOUS)
        _write_state(trainer, self.path, self.extra, previous=previous)
        self._saved = current


def _write_state(trainer: Trainer, path: Path | None, extra: dict[str, Any], *, previous: Path | None = None) -> None:
    """Write a checkpoint; without a path only take part in gathering a sharded state."""
    if path is not None:
        write_checkpoint(path, {**trainer.state.state_dict(), **extra}, previous=previous)
    elif trainer.state.is_sharded:
        trainer.state.state_dict()


class ValidationHook(Hook):
    """Call `evaluate` every `every` epochs and after the last; write the checkpoint of the best score to `best_path`.

    All ranks call `evaluate` and get the same score; `best_path` is None on ranks that do not write. A resumed run
    repeats a validation that was interrupted.
    """

    def __init__(
        self, evaluate: Callable[[Trainer], float], best_path: Path | None, *, extra: dict[str, Any], every: int
    ) -> None:
        self.evaluate = evaluate
        self.best_path = best_path
        self.extra = extra
        self.every = every

    def before_fit(self, trainer: Trainer) -> None:
        """Validate after a resume, if a validation is due and was not finished."""
        if trainer.state.progress.batch == 0:
            self.after_epoch(trainer)

    def after_epoch(self, trainer: Trainer) -> None:
        """Validate, and write a checkpoint for a new best score."""
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
    """Write losses, learning rates and loss weights to TensorBoard every `every` steps, and fairness where measured.

    write: called with the row of a fairness measurement.
    """

    def __init__(self, writer: "SummaryWriter", write: Callable[[dict[str, Any]], None], *, every: int = 10) -> None:
        self.writer = writer
        self.write = write
        self.every = every

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Write the scalars of the step, without a fairness that is not finite (float16 gradients may overflow)."""
        progress = trainer.state.progress
        scalars: dict[str, float] = {}
        if result.fairness is not None and all(map(math.isfinite, result.fairness)):
            fairness = result.fairness._asdict()
            scalars |= {f"fairness/{name}": value for name, value in fairness.items()}
            self.write({"epoch": progress.epoch, "step": progress.step, "fairness": fairness})
        if progress.step % self.every == 0:
            scalars |= {f"loss/{name}": float(value) for name, value in result.terms._asdict().items()}
            scalars |= {f"rate/{group['name']}": group["lr"] for group in trainer.state.optimizer.param_groups}
            for name, parameter in trainer.state.criterion.named_parameters():
                if parameter.numel() == 1:
                    scalars[f"balance/{name.rpartition('.')[2]}"] = float(parameter.detach())
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, progress.step)


class ImagesHook(Hook):
    """Call `show` with the first result of every `every`-th epoch, and its step."""

    def __init__(self, show: Callable[[StepResult, int], None], *, every: int = 1) -> None:
        self.show = show
        self.every = every
        self._shown_epoch = -1

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Show the first result of an epoch."""
        progress = trainer.state.progress
        if self.every and progress.epoch % self.every == 0 and progress.epoch != self._shown_epoch:
            self._shown_epoch = progress.epoch
            self.show(result, progress.step)


class ProgressHook(Hook):
    """Log a line per epoch, and show a progress bar where stderr is a terminal."""

    def __init__(self, log: Callable[[str], None], *, steps_per_epoch: int) -> None:
        self.log = log
        self.steps_per_epoch = steps_per_epoch
        self._bar: tqdm[Any] | None = None
        self._sums: dict[str, float] = {}
        self._count = 0

    def before_fit(self, trainer: Trainer) -> None:
        """Open the progress bar, at the step that a resumed run continues from."""
        total = trainer.options.max_steps or trainer.options.epochs * self.steps_per_epoch
        self._bar = tqdm(total=total, initial=trainer.state.progress.step, unit="step", disable=None, leave=False)

    def after_step(self, trainer: Trainer, result: StepResult) -> None:
        """Update the bar and the losses' means over the epoch."""
        if math.isfinite(float(result.terms.total)):  # skipped steps do not count
            self._count += 1
            for name, value in result.terms._asdict().items():
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
        if self._bar is None or self._bar.disable:
            return
        epoch = f"epoch {trainer.state.progress.epoch + 1}/{trainer.options.epochs}"
        speed = f"{trainer.throughput.images_per_second:.1f} images/s"
        self._bar.set_description(epoch, refresh=False)
        self._bar.set_postfix_str(f"{self._losses()} {speed}", refresh=False)
        self._bar.update()

    def after_epoch(self, trainer: Trainer) -> None:
        """Log the epoch's mean losses and the speed, and reset the means."""
        rate = max(group["lr"] for group in trainer.state.optimizer.param_groups)
        waiting = f"waiting for data {trainer.throughput.waiting:.0%}"
        speed = f"{trainer.throughput.images_per_second:.1f} images/s, {waiting}, next rate {rate:.1e}"
        self.log(f"epoch {trainer.state.progress.epoch}/{trainer.options.epochs}: {self._losses()} ({speed})")
        self._sums, self._count = {}, 0

    def skipped_step(self, trainer: Trainer, message: str) -> None:
        """Log the message."""
        del trainer
        self.log(f"warning: {message}")

    def after_fit(self, trainer: Trainer) -> None:
        """Close the bar."""
        del trainer
        if self._bar is not None:
            self._bar.close()

    def _losses(self) -> str:
        return " ".join(f"{name} {total / max(1, self._count):.3f}" for name, total in self._sums.items())

"""The training loop: knows no data set, architecture or loss by name."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fairmot.codec.render_heatmap import complete_heatmap
from fairmot.engine.hooks import Hook, StepResult
from fairmot.engine.model_with_loss import (
    ForwardOutputs,
    ModelWithLoss,
    StepOutputs,
    TaskWeightingLike,
    describe_fairness,
    read_gradients,
)
from fairmot.engine.prefetch import Throughput, prefetch_to_device
from fairmot.engine.state import TrainState
from fairmot.engine.task_gradients import TaskGradients
from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import LossTerms, TaskGradientStats
from fairmot.utils.distributed import Distributed, is_sharded
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


@dataclass(frozen=True)
class TrainOptions:
    """How to train.

    epochs: in all, those already done included; max_steps: optimiser steps in all, 0 for no limit;
    clip_norm: largest gradient norm over all parameters, 0 for no clipping;
    accumulate: parts that a batch goes through the network in, one after the other, for less memory;
    precision, compiled: see `ModelWithLoss`; prefetch: see `feed`;
    max_nonfinite_steps: how many steps whose loss or gradient is not finite are left out before a run stops;
    fairness_interval: steps between readings of the tasks' gradients for hooks to tell of, 0 for none.
    """

    epochs: int
    max_steps: int = 0
    clip_norm: float = 0.0
    accumulation_steps: int = 1
    precision: str = "fp32"
    compiled: bool = False
    prefetch: bool = True
    max_nonfinite_steps: int = 0
    fairness_interval: int = 0


class Trainer:
    """Run epochs of optimiser steps from wherever `state` stands.

    Every process of `world` runs one, with its own share of each batch; all then make the same steps.
    `state_is_consistent`: whether `state` is between two steps; `stopped_together`: whether training ended, on all
    ranks at the same step; `throughput`: speed of the current epoch.
    """

    def __init__(
        self,
        state: TrainState,
        options: TrainOptions,
        *,
        device: torch.device,
        world: Distributed | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self.state = state
        self.options = options
        self.device = device
        self.world = world or Distributed()
        self.hooks = list(hooks)
        self.state_is_consistent = True
        self.stopped_together = False
        self.throughput = Throughput()
        self._stop_asked = False  # here
        self._stop_agreed = False  # by all processes, at the same step
        self._balance: TaskWeightingLike = state.criterion.balance  # type: ignore[assignment]
        self._pass: nn.Module = ModelWithLoss(
            state.model,
            state.criterion,
            precision=options.precision,
            compiled=options.compiled,
            tells_heads_apart=self._balance.merges_gradients,
        )
        if self.world.world_size > 1:
            self._pass = _join(self._pass)

    def request_stop(self) -> None:
        """Ask the loop to end after the step under way; safe to call from a signal handler."""
        self._stop_asked = True

    def fit(self, loader: EpochLoader) -> Outcome:
        """Train until all is done or a stop is asked for; InputError when a loss or gradient is not finite."""
        for hook in self.hooks:
            hook.before_fit(self)
        with ExitStack() as stack:  # every hook is told of the end, whatever another one raises
            for hook in reversed(self.hooks):
                stack.callback(hook.after_fit, self)
            while self.state.progress.epoch < self.options.epochs:
                outcome = self._run_epoch(loader)
                if outcome is not Outcome.FINISHED:
                    self.stopped_together = True
                    return outcome
            self.stopped_together = True
        return Outcome.FINISHED

    def _run_epoch(self, loader: EpochLoader) -> Outcome:
        progress, options = self.state.progress, self.options
        self.state.model.train()
        self.throughput.restart()
        batches = loader.epoch(progress.epoch, start_batch=progress.batch)
        for batch in prefetch_to_device(batches, self.device, ahead=options.prefetch, pace=self.throughput):
            if options.max_steps and progress.step >= options.max_steps:
                return Outcome.STEP_LIMIT
            self._advance(batch)
            if self._stop_agreed or (self._stop_asked and self.world.world_size == 1):
                return Outcome.INTERRUPTED
        progress.epoch, progress.batch = progress.epoch + 1, 0
        for hook in self.hooks:
            hook.after_epoch(self)
        is_stopped = self._any_stop() and progress.epoch < options.epochs
        return Outcome.INTERRUPTED if is_stopped else Outcome.FINISHED

    def _advance(self, batch: Batch) -> None:
        """Make one step, count it and tell the hooks."""
        result = self.train_step(batch)
        progress = self.state.progress
        progress.batch += 1
        progress.step += 1
        self.state_is_consistent = True
        self.throughput.images += len(batch.image_paths) * self.world.world_size
        for hook in self.hooks:
            hook.after_step(self, result)

    def train_step(self, batch: Batch) -> StepResult:
        """One optimiser step over `batch`, already on the device; a heatmap that it lacks is rendered there."""
        state, parts = self.state, complete_heatmap(batch).split(self.options.accumulation_steps)
        counts = self._count(parts)
        self.state_is_consistent = False  # from here on something of the state may have changed
        statistics = [value.clone() for value in state.model.buffers()] if self.options.max_nonfinite_steps else []
        state.optimizer.zero_grad(set_to_none=True)
        apart = TaskGradients(self._parameters(), self.world) if self._balance.merges_gradients else None
        learned = [self._learn_from(part, counts, apart, is_last=part is parts[-1]) for part in parts]
        if apart is not None:
            apart.join(self._balance.merge_gradients)
        reading = self._join_readings(learned, counts)
        fairness = None
        if reading is not None and self._meters_now():
            fairness = describe_fairness(reading, self._balance.weights())
        own = torch.stack([torch.stack(share.terms) for share in learned])
        norm = self._gradient_norm()
        terms = self._agree(own.mean(0), norm)
        if self._is_finite(terms, own, batch):
            self._update(norm, reading)
        else:
            for value, before in zip(state.model.buffers(), statistics, strict=True):
                value.copy_(before)
        state.schedule.step()
        terms.pop("gradient")
        return StepResult(parts[0], learned[0].outputs, LossTerms(**terms), fairness)

    def _count(self, parts: Sequence[Batch]) -> ObjectCounts:
        counts = [part.count_objects() for part in parts]
        if len(parts) == self.world.world_size == 1:
            return counts[0]
        sums = self.world.all_reduce(torch.stack([torch.stack(count[:3]) for count in counts]).sum(0))
        centres, objects, identities = sums.unbind()
        return ObjectCounts(centres, objects, identities, shares=len(parts) * self.world.world_size)

    def _learn_from(
        self, part: Batch, counts: ObjectCounts, apart: TaskGradients | None, *, is_last: bool
    ) -> StepOutputs:
        """Add the gradients of one part, to those of each task where they are kept `apart`.

        The processes' are joined with the last part; DistributedDataParallel does it where they are not apart.
        """
        joint, accumulate = self._pass, self.options.accumulation_steps
        waits = isinstance(joint, DistributedDataParallel) and (apart is not None or not is_last)
        with joint.no_sync() if waits else nullcontext():  # type: ignore[operator]
            passed: ForwardOutputs = joint(part, counts)
            reading = self._read(passed, counts)
            tasks = (passed.losses.detection, passed.losses.identity)
            total = self._balance(*tasks)
            if apart is None:
                torch.autograd.backward(self.state.scaler.scale(total / accumulate))
            else:
                weighted = [weight * loss for weight, loss in zip(self._balance.weights(), tasks, strict=True)]
                apart.add([self.state.scaler.scale(loss / accumulate) for loss in weighted])
        terms = passed.losses.with_total(total)
        return StepOutputs(passed.outputs, LossTerms(*(term.detach() for term in terms)), reading)

    def _meters_now(self) -> bool:
        every = self.options.fairness_interval
        return bool(every) and (self.state.progress.step + 1) % every == 0

    def _read(self, passed: ForwardOutputs, counts: ObjectCounts) -> TaskGradientStats | None:
        """Return this part's own reading, where one is wanted; hand all processes' to a balance that wants it now."""
        if self._balance.needs_gradients == "never" and not self._meters_now():
            return None
        scaler = self.state.scaler
        scale = scaler.get_scale() if scaler.is_enabled() else 1.0
        reading = read_gradients(passed.losses, passed.shared, scale=scale)
        if self._balance.needs_gradients == "before":
            self._balance.update(self._sum_readings([reading], counts))
        return reading

    def _join_readings(self, learned: Sequence[StepOutputs], counts: ObjectCounts) -> TaskGradientStats | None:
        """Return the step's reading for those who take it after the parts: a balance, or the meter."""
        if self._balance.needs_gradients != "after" and not self._meters_now():
            return None
        return self._sum_readings([share.reading for share in learned if share.reading is not None], counts)

    def _sum_readings(self, readings: Sequence[TaskGradientStats], counts: ObjectCounts) -> TaskGradientStats:
        """Return the reading of a whole step: the shares' gradients on their maps lie one beside the other."""
        own = torch.stack([torch.cat([reading.products_3, reading.losses_2]) for reading in readings]).sum(0)
        products_3, losses_2 = torch.split(self.world.all_reduce(own), [3, 2])
        return TaskGradientStats(products_3 / counts.shares**2, losses_2 / counts.shares)

    def _gradient_norm(self) -> torch.Tensor | None:
        """Return the norm over all parameters; None where the scaler looks after gradients that are not finite."""
        gradients = [value.grad for value in self._parameters() if value.grad is not None]
        return None if self.state.scaler.is_enabled() else nn.utils.get_total_norm(gradients)

    def _agree(self, own: torch.Tensor, norm: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """Join the processes' losses and wishes to stop, and read them: here a step waits for its GPU.

        Returns the losses of the whole step by name, and the gradient's norm, as far as its being finite goes.
        """
        told = own.new_tensor([float(self._stop_asked), 0.0])
        if norm is not None:
            told[1] = norm
        *values, stops, norms = self.world.all_reduce(torch.cat([own / self.world.world_size, told])).cpu().unbind()
        self._stop_agreed = bool(stops)
        return {**LossTerms(*values)._asdict(), "gradient": norms}

    def _any_stop(self) -> bool:
        return bool(self.world.all_reduce(torch.tensor([float(self._stop_asked)], device=self.device)))

    def _is_finite(self, terms: dict[str, torch.Tensor], own: torch.Tensor, batch: Batch) -> bool:
        """Tell whether the step's losses and gradient are; InputError where too many were not.

        own: this process's losses.
        """
        broken = [name for name, value in terms.items() if not bool(torch.isfinite(value))]
        if not broken:
            return True
        progress = self.state.progress
        is_here = broken == ["gradient"] or not bool(torch.isfinite(own).all())
        names = [name for share in self.world.all_gather_object(batch.image_paths if is_here else ()) for name in share]
        what = f"step {progress.step + 1}: loss not finite ({', '.join(broken)}) on the batch {', '.join(names)}"
        if progress.skipped >= self.options.max_nonfinite_steps:
            advice = "look at these files' labels, or lower SOLVER.BASE_LR; the last checkpoint is as it was"
            raise InputError(f"{what}; {advice}")
        progress.skipped += 1
        for hook in self.hooks:
            hook.skipped_step(self, f"{what}; left out ({progress.skipped} of {self.options.max_nonfinite_steps})")
        return False

    def _update(self, norm: torch.Tensor | None, reading: TaskGradientStats | None) -> None:
        if reading is not None and self._balance.needs_gradients == "after":
            self._balance.update(reading)
        state, largest = self.state, self.options.clip_norm
        if largest and norm is not None:
            nn.utils.clip_grads_with_norm_(self._parameters(), largest, norm)
        elif largest:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(self._parameters(), largest)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        if state.average is not None:
            state.average.update_parameters(state.model)

    def _parameters(self) -> list[nn.Parameter]:
        """Return what all processes have alike and train; by module, not by group: rounding depends on the order."""
        both = (self.state.model, self.state.criterion)
        values = [value for module in both for value in module.parameters()]
        return [value for value in values if value.requires_grad and not is_sharded(value)]


def _join(joint: nn.Module) -> DistributedDataParallel:
    """Let the processes' gradients be joined, but for those of rows that each has for itself."""
    own = [name for name, value in joint.named_parameters() if is_sharded(value)]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(joint, own)  # type: ignore[no-untyped-call]
    return DistributedDataParallel(joint, gradient_as_bucket_view=True)

"""Training loop, independent of data sets, architectures and losses.

Reading order: `Trainer.fit`, `run_epoch`, `train_step`, `forward_backward`, `update`.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fairmot.codec.render_heatmap import complete_heatmap
from fairmot.engine.model_with_loss import ForwardOutputs, ModelWithLoss
from fairmot.engine.prefetch import Throughput, prefetch_to_device
from fairmot.engine.state import TrainState
from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import Fairness, HeadOutputs, LossTerms
from fairmot.utils.distributed import Distributed, is_sharded
from fairmot.utils.errors import InputError


class EpochLoader(Protocol):
    """Source of an epoch's batches; equal arguments give equal batches."""

    def epoch(self, epoch: int, *, start_batch: int = 0) -> Iterable[Batch]:
        """Return the batches of `epoch` (from 0), starting at `start_batch`."""


class Outcome(Enum):
    """Reason for the end of training."""

    FINISHED = "finished"
    STEP_LIMIT = "step limit"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class TrainOptions:
    """Options of the training loop.

    epochs: total number, including those before a resume; max_steps: optimizer steps in total, 0 for no limit;
    clip_norm: maximum gradient norm over all parameters, 0 for no clipping;
    accumulation_steps: equal parts of a batch that pass through the network one after another, to save memory;
    precision, compiled: see `ModelWithLoss`; prefetch: see `prefetch_to_device`;
    max_nonfinite_steps: steps of a run with a non-finite loss or gradient that are skipped before it stops;
    fairness_interval: steps between measurements of the task gradients for hooks, 0 for none.
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


class StepResult(NamedTuple):
    """Inputs and outputs of one optimizer step, detached."""

    batch: Batch  # of this rank; with gradient accumulation its first part
    outputs: HeadOutputs  # of that batch
    terms: LossTerms  # of the full step over all ranks, on the CPU
    fairness: Fairness | None = None  # of the full step, where it is measured


class Hook:
    """Base class; `Trainer.fit` calls its hooks in the order of their list."""

    def before_fit(self, trainer: "Trainer") -> None:
        """Called once, before the first step."""

    def after_step(self, trainer: "Trainer", result: StepResult) -> None:
        """Called after each optimizer step, which `trainer.state.progress` already counts."""

    def skipped_step(self, trainer: "Trainer", message: str) -> None:
        """Called before `after_step` where a step was skipped for a non-finite loss; `message` is one line."""

    def after_epoch(self, trainer: "Trainer") -> None:
        """Called after each complete epoch, which `trainer.state.progress.epoch` already counts."""

    def after_fit(self, trainer: "Trainer") -> None:
        """Called once at the end of the run, after exceptions too."""


class Trainer:
    """Training loop over optimizer steps, continuing from the progress in `state`.

    Every rank of `world` runs one on its own fraction of each batch; all make the same steps. Task weightings and
    options that read task gradients need `TaskGradientTrainer`; `choose_trainer` selects the class.

    state_is_consistent: False while a step is changing `state`. stopped_together: whether training has ended, on all
    ranks after the same step. throughput: speed of the current epoch.
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
        self.fairness: Fairness | None = None  # of the last step, where a subclass measures it
        self.weighting: Any = state.criterion.balance  # losses.task_weighting.TaskWeighting
        self.model_with_loss: nn.Module = ModelWithLoss(
            state.model, state.criterion, precision=options.precision, compiled=options.compiled
        )
        if self.world.world_size > 1:  # averages the gradients over the ranks, except those of sharded parameters
            sharded = [name for name, value in self.model_with_loss.named_parameters() if is_sharded(value)]
            exclude = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
            exclude(self.model_with_loss, sharded)  # type: ignore[no-untyped-call]
            self.model_with_loss = DistributedDataParallel(self.model_with_loss, gradient_as_bucket_view=True)
        self._stop_requested = False  # on this rank
        self._stop_agreed = False  # by all ranks, after the same step

    def request_stop(self) -> None:
        """Request the end of training after the current step; safe to call from a signal handler."""
        self._stop_requested = True

    def fit(self, loader: EpochLoader) -> Outcome:
        """Train until the last epoch, the step limit or a stop request.

        Every hook's `after_fit` is called, whatever is raised. Raises InputError for a non-finite loss or gradient.
        """
        outcome = Outcome.FINISHED
        for hook in self.hooks:
            hook.before_fit(self)
        with ExitStack() as stack:
            for hook in reversed(self.hooks):
                stack.callback(hook.after_fit, self)
            while outcome is Outcome.FINISHED and self.state.progress.epoch < self.options.epochs:
                outcome = self.run_epoch(loader)
            self.stopped_together = True
        return outcome

    def run_epoch(self, loader: EpochLoader) -> Outcome:
        """Train on the remaining batches of the current epoch."""
        progress, options = self.state.progress, self.options
        self.state.model.train()
        self.throughput.restart()
        batches = loader.epoch(progress.epoch, start_batch=progress.batch)
        for batch in prefetch_to_device(batches, self.device, ahead=options.prefetch, throughput=self.throughput):
            if options.max_steps and progress.step >= options.max_steps:
                return Outcome.STEP_LIMIT
            result = self.train_step(batch)
            progress.batch += 1
            progress.step += 1
            self.state_is_consistent = True
            self.throughput.images += len(batch.image_paths) * self.world.world_size
            for hook in self.hooks:
                hook.after_step(self, result)
            if self._stop_agreed or (self._stop_requested and self.world.world_size == 1):
                return Outcome.INTERRUPTED
        progress.epoch, progress.batch = progress.epoch + 1, 0
        for hook in self.hooks:
            hook.after_epoch(self)
        requests = self.world.all_reduce(torch.tensor([float(self._stop_requested)], device=self.device))
        return Outcome.INTERRUPTED if bool(requests) and progress.epoch < options.epochs else Outcome.FINISHED

    def train_step(self, batch: Batch) -> StepResult:
        """Make one optimizer step on `batch`, which is on the device; a missing heatmap is rendered there.

        The batch is processed in `accumulation_steps` parts whose gradients add up. The losses are divided by the
        object counts of all parts and ranks, so neither number changes the gradient. A step with a non-finite loss or
        gradient changes neither weights nor batch-norm statistics.
        """
        state, parts = self.state, complete_heatmap(batch).split(self.options.accumulation_steps)
        counts = self._sum_counts(parts)
        self.state_is_consistent = False
        buffers = [value.clone() for value in state.model.buffers()] if self.options.max_nonfinite_steps else []
        state.optimizer.zero_grad(set_to_none=True)
        results = []
        for part in parts:
            results.append(self.forward_backward(part, counts, is_last=part is parts[-1]))
        losses = torch.stack([torch.stack(terms) for _, terms in results])
        gradients = [value.grad for value in self.parameters() if value.grad is not None]
        norm = None if state.scaler.is_enabled() else nn.utils.get_total_norm(gradients)  # the scaler checks for itself
        terms, total_norm = self._reduce(losses.mean(0), norm)
        if self._is_finite(terms, total_norm, losses, batch):
            self.update(norm)
        else:
            for value, before in zip(state.model.buffers(), buffers, strict=True):
                value.copy_(before)
        state.schedule.step()
        return StepResult(parts[0], results[0][0], terms, self.fairness)

    def forward_backward(self, part: Batch, counts: ObjectCounts, *, is_last: bool) -> tuple[HeadOutputs, LossTerms]:
        """Add the gradients of one part of a batch; return its head outputs and losses, detached.

        With several ranks DistributedDataParallel averages the gradients during the last part's backward pass.
        """
        with self._gradient_sync(enabled=is_last):
            forward: ForwardOutputs = self.model_with_loss(part, counts)
            total = self.weighting(forward.losses.detection, forward.losses.identity)
            torch.autograd.backward(self.state.scaler.scale(total / self.options.accumulation_steps))
        return forward.outputs, forward.losses.detached(total)

    def update(self, norm: torch.Tensor | None) -> None:
        """Clip the gradients, step the optimizer and update the average; norm: of the gradients, None with a scaler."""
        state, max_norm = self.state, self.options.clip_norm
        if max_norm and norm is not None:
            nn.utils.clip_grads_with_norm_(self.parameters(), max_norm, norm)
        elif max_norm:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(self.parameters(), max_norm)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        if state.average is not None:
            state.average.update_parameters(state.model)

    def parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters that all ranks hold alike, in module order: the norm's rounding needs one."""
        values = [*self.state.model.parameters(), *self.state.criterion.parameters()]
        return [value for value in values if value.requires_grad and not is_sharded(value)]

    def _sum_counts(self, parts: Sequence[Batch]) -> ObjectCounts:
        """Return the object counts of all parts and ranks."""
        counts = [torch.stack(part.count_objects()[:3]) for part in parts]
        centres, objects, identities = self.world.all_reduce(torch.stack(counts).sum(0)).unbind()
        return ObjectCounts(centres, objects, identities, num_parts=len(parts) * self.world.world_size)

    def _gradient_sync(self, *, enabled: bool) -> AbstractContextManager[None]:
        """Return a context whose backward pass averages gradients over the ranks only where `enabled`."""
        module = self.model_with_loss
        if enabled or not isinstance(module, DistributedDataParallel):
            return nullcontext()
        return cast(AbstractContextManager[None], module.no_sync())

    def _reduce(self, losses: torch.Tensor, norm: torch.Tensor | None) -> tuple[LossTerms, torch.Tensor]:
        """Return the losses of the full step, and the sum of the ranks' gradient norms (0 without), on the CPU.

        One all-reduce that carries the ranks' stop requests too. It is where a step waits for the GPU.
        """
        extra = losses.new_tensor([float(self._stop_requested), 0.0])
        if norm is not None:
            extra[1] = norm
        *terms, stops, norms = self.world.all_reduce(torch.cat([losses / self.world.world_size, extra])).cpu().unbind()
        self._stop_agreed = bool(stops)
        return LossTerms(*terms), norms

    def _is_finite(self, terms: LossTerms, norm: torch.Tensor, losses: torch.Tensor, batch: Batch) -> bool:
        """Return whether losses and gradient are finite; report a step that is skipped, InputError for one too many.

        terms, norm: of the full step; losses: of this rank.
        """
        named = {**terms._asdict(), "gradient": norm}
        broken = [name for name, value in named.items() if not bool(torch.isfinite(value))]
        if not broken:
            return True
        progress = self.state.progress
        is_here = broken == ["gradient"] or not bool(torch.isfinite(losses).all())
        paths = self.world.all_gather_object(batch.image_paths if is_here else ())
        images = ", ".join(path for rank in paths for path in rank)
        message = f"step {progress.step + 1}: loss not finite ({', '.join(broken)}) on the batch {images}"
        if progress.skipped >= self.options.max_nonfinite_steps:
            advice = "check the labels of these files or lower SOLVER.BASE_LR; the last checkpoint is unchanged"
            raise InputError(f"{message}; {advice}")
        progress.skipped += 1
        for hook in self.hooks:
            hook.skipped_step(self, f"{message}; skipped ({progress.skipped} of {self.options.max_nonfinite_steps})")
        return False

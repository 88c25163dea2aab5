"""Gradients of the detection and the identity task, apart: fairness meter, GradNorm, MGDA-UB and PCGrad."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from fairmot.engine.model_with_loss import ForwardOutputs
from fairmot.engine.state import TrainState
from fairmot.engine.trainer import Trainer, TrainOptions
from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import Fairness, HeadOutputs, LossTerms, TaskGradientStats
from fairmot.utils.distributed import Distributed

Merge = Callable[[list[torch.Tensor], list[torch.Tensor]], list[torch.Tensor]]


def choose_trainer(state: TrainState, options: TrainOptions, **kwargs: Any) -> Trainer:
    """Return a `Trainer`, or a `TaskGradientTrainer` where the options or the task weighting need task gradients.

    kwargs: `device`, `world` and `hooks` of the trainer.
    """
    weighting: Any = state.criterion.balance
    is_plain = weighting.needs_gradients == "never" and not weighting.merges_gradients and not options.fairness_interval
    return (Trainer if is_plain else TaskGradientTrainer)(state, options, **kwargs)


class TaskGradientTrainer(Trainer):
    """Trainer that measures or merges the gradients of the two tasks.

    Measured on the shared map: every `fairness_interval` steps for the hooks, and as the task weighting needs them.
    Merged: gradients of the parameters, by a task weighting with `merges_gradients`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create a trainer from the arguments of `Trainer`."""
        super().__init__(*args, **kwargs)
        self._gradients = TaskGradients(self.parameters(), self.world)
        self._part_stats: list[TaskGradientStats] = []  # of this rank's parts of the current step
        self._step_stats: TaskGradientStats | None = None  # of the current step, where it is needed

    def forward_backward(self, part: Batch, counts: ObjectCounts, *, is_last: bool) -> tuple[HeadOutputs, LossTerms]:
        """Add the gradients of one part, by task where the weighting merges them; complete them after the last."""
        weighting, scaler, parts = self.weighting, self.state.scaler, self.options.accumulation_steps
        with self._gradient_sync(enabled=is_last and not weighting.merges_gradients):
            forward: ForwardOutputs = self.model_with_loss(part, counts)
            if weighting.needs_gradients != "never" or self._is_metered():
                self._measure(forward, counts)
            tasks = (forward.losses.detection, forward.losses.identity)
            total = weighting(*tasks)
            if weighting.merges_gradients:
                weighted = [weight * loss for weight, loss in zip(weighting.weights(), tasks, strict=True)]
                self._gradients.add([scaler.scale(loss / parts) for loss in weighted])
            else:
                torch.autograd.backward(scaler.scale(total / parts))
        if is_last:
            self._complete(counts)
        return forward.outputs, forward.losses.detached(total)

    def update(self, norm: torch.Tensor | None) -> None:
        """Update the weights of a weighting that follows the step's gradients, then step the optimizer."""
        if self.weighting.needs_gradients == "after" and self._step_stats is not None:
            self.weighting.update(self._step_stats)
        super().update(norm)

    def _is_metered(self) -> bool:
        interval = self.options.fairness_interval
        return bool(interval) and (self.state.progress.step + 1) % interval == 0

    def _measure(self, forward: ForwardOutputs, counts: ObjectCounts) -> None:
        """Measure the gradients of one part; hand those of all ranks to a weighting that needs them for the total."""
        scaler = self.state.scaler
        stats = measure_task_gradients(forward, scale=scaler.get_scale() if scaler.is_enabled() else 1.0)
        self._part_stats.append(stats)
        if self.weighting.needs_gradients == "before":
            self.weighting.update(self._sum_stats([stats], counts))

    def _complete(self, counts: ObjectCounts) -> None:
        """Merge the tasks' gradients and sum their statistics, once all parts are done."""
        if self.weighting.merges_gradients:
            self._gradients.merge(self.weighting.merge_gradients)
        is_metered, self.fairness = self._is_metered(), None
        if self.weighting.needs_gradients == "after" or is_metered:
            self._step_stats = self._sum_stats(self._part_stats, counts)
            if is_metered:
                self.fairness = describe_fairness(self._step_stats, self.weighting.weights())
        self._part_stats = []

    def _sum_stats(self, stats: Sequence[TaskGradientStats], counts: ObjectCounts) -> TaskGradientStats:
        """Return the statistics of a full step: its gradients on the map are those of all parts, concatenated."""
        own = torch.stack([torch.cat([part.products_3, part.losses_2]) for part in stats]).sum(0)
        products_3, losses_2 = torch.split(self.world.all_reduce(own), [3, 2])
        return TaskGradientStats(products_3 / counts.num_parts**2, losses_2 / counts.num_parts)


class TaskGradients:
    """Gradients of two losses with respect to `parameters` that all ranks hold alike, summed over the parts of a step.

    They need the memory of the parameters twice. Gradients of other (sharded) parameters accumulate as usual.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], world: Distributed) -> None:
        self.parameters = list(parameters)
        self.world = world
        self._sums: tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]] = ({}, {})

    def add(self, losses: Sequence[torch.Tensor]) -> None:
        """Run the backward pass of each loss and add its gradients to the task's sums."""
        for task, (loss, sums) in enumerate(zip(losses, self._sums, strict=True)):
            torch.autograd.backward(loss, retain_graph=task == 0)
            for index, parameter in enumerate(self.parameters):
                if parameter.grad is not None:
                    sums[index] = sums[index] + parameter.grad if index in sums else parameter.grad
                    parameter.grad = None

    def merge(self, merge: Merge) -> None:
        """Set the parameters' gradients: `merge` of both tasks' where both reach them, else those of the one task.

        Each task's gradients are averaged over the ranks first.
        """
        first, second = (self._mean(sums) for sums in self._sums)
        shared = [index for index in first if index in second]
        merged = merge([first[index] for index in shared], [second[index] for index in shared])
        for index, gradient in {**first, **second, **dict(zip(shared, merged, strict=True))}.items():
            self.parameters[index].grad = gradient
        self._sums = ({}, {})

    def _mean(self, sums: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        if self.world.world_size == 1 or not sums:
            return sums
        flat = self.world.all_reduce(torch.cat([value.flatten() for value in sums.values()])) / self.world.world_size
        pieces = torch.split(flat, [value.numel() for value in sums.values()])
        return {  # in the memory format of the weights, which fused optimizers rely on
            index: torch.empty_like(sums[index]).copy_(piece.view_as(sums[index]))
            for piece, index in zip(pieces, sums, strict=True)
        }


def measure_task_gradients(forward: ForwardOutputs, *, scale: float = 1.0) -> TaskGradientStats:
    """Return the dot products of the two losses' gradients on the shared map; the graph is kept.

    scale: loss scale during the backward passes, against underflow in float16; the result is unscaled.
    """
    tasks, shared = (forward.losses.detection, forward.losses.identity), forward.shared
    first, second = (
        torch.autograd.grad(loss * scale, shared, retain_graph=True, materialize_grads=True)[0].flatten()
        for loss in tasks
    )
    if shared.dtype != torch.float64:
        first, second = first.float() / scale, second.float() / scale
    products_3 = torch.stack([first.dot(first), first.dot(second), second.dot(second)])
    return TaskGradientStats(products_3, torch.stack(tasks).detach())


def describe_fairness(stats: TaskGradientStats, weights_2: torch.Tensor) -> Fairness:
    """Return cosine and norms of a full step's task gradients, with the (2,) weights of the losses in the total."""
    g11, g12, g22 = stats.products_3.double().cpu().tolist()
    first, second = weights_2.tolist()
    cosine = g12 / (g11 * g22) ** 0.5 if g11 > 0 and g22 > 0 else 0.0
    return Fairness(cosine, g11**0.5, g22**0.5, first, second)

"""One pass through network and criterion, as one module: so DistributedDataParallel joins the gradients of both."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, cast

import torch
from torch import nn

from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import Fairness, HeadOutputs, LossTerms, TaskGradientStats, TaskLosses

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class SharedMapModel(Protocol):
    """A network whose heads all read one map."""

    def features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return that map."""

    def read(self, features_BCHW: torch.Tensor) -> HeadOutputs:
        """Return what the heads say of it."""


class CriterionLike(Protocol):
    """A criterion that tells the tasks' losses apart."""

    def measure(self, outputs: HeadOutputs, batch: Batch, counts: ObjectCounts | None = None) -> TaskLosses:
        """Return the losses of one share of a step."""


class TaskWeightingLike(Protocol):
    """What weighs the two tasks; see `losses.balance`."""

    needs_gradients: str
    merges_gradients: bool

    def __call__(self, detection: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        """Return the total."""

    def weights(self) -> torch.Tensor:
        """Return (2,) the losses' factors in it."""

    def update(self, reading: TaskGradientStats) -> None:
        """Take in what a step's gradients were."""

    def merge_gradients(self, first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the gradient to go along, from each task's own."""


class ForwardOutputs(NamedTuple):
    """What one share of a step gave."""

    outputs: HeadOutputs  # outside the graph
    losses: TaskLosses
    shared: torch.Tensor  # the map that the heads read


class StepOutputs(NamedTuple):
    """What a share of a step gave once its gradients were added; all outside the graph."""

    outputs: HeadOutputs
    terms: LossTerms
    reading: TaskGradientStats | None


class ModelWithLoss(nn.Module):
    """images -> network -> criterion.

    model: a `SharedMapModel`; criterion: one that `Measures`;
    precision: `bf16` and `fp16` run the network under autocast; the losses are computed from float32 maps.
    compiled: the network goes through `torch.compile`, in two parts, before and behind the shared map;
    tells_heads_apart: the part behind it does not, since a compiled one gives zeros, not nothing, as the gradients of
        heads that a loss does not reach.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: nn.Module,
        *,
        precision: str = "fp32",
        compiled: bool = False,
        tells_heads_apart: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion
        self.dtype = PRECISIONS[precision]
        # functions in a tuple, so that the compiled network's parameters are not the module's a second time
        network = cast(SharedMapModel, model)
        features, read = _compile(network) if compiled else (network.features, network.read)
        self._runs = (features, network.read if tells_heads_apart else read)
        self._measure = cast(CriterionLike, criterion).measure

    def forward(self, batch: Batch, counts: ObjectCounts) -> ForwardOutputs:
        """Return the maps and the losses of one share of a step."""
        features, read = self._runs
        with torch.autocast(batch.images_B3HW.device.type, self.dtype, enabled=self.dtype is not None):
            shared = features(batch.images_B3HW)
            outputs = read(shared)
        if self.dtype is not None:
            outputs = HeadOutputs(*(value.float() for value in outputs))
        losses = self._measure(outputs, batch, counts)
        return ForwardOutputs(HeadOutputs(*(value.detach() for value in outputs)), losses, shared)


def _compile(model: SharedMapModel) -> tuple[Callable[..., torch.Tensor], Callable[..., HeadOutputs]]:
    torch._functorch.config.donated_buffer = False  # the heads' graph is gone through twice where gradients are read
    return torch.compile(model.features), torch.compile(model.read)


def read_gradients(losses: TaskLosses, shared: torch.Tensor, *, scale: float = 1.0) -> TaskGradientStats:
    """Return the dot products of the two losses' gradients on the map; the graph stays for the backward pass.

    scale: what the losses are multiplied by meanwhile, and the products divided by (twice), for float16's sake.
    """
    tasks = (losses.detection, losses.identity)
    first, second = (
        torch.autograd.grad(loss * scale, shared, retain_graph=True, materialize_grads=True)[0] for loss in tasks
    )
    first, second = first.flatten(), second.flatten()
    if shared.dtype != torch.float64:
        first, second = first.float() / scale, second.float() / scale
    products_3 = torch.stack([first.dot(first), first.dot(second), second.dot(second)])
    return TaskGradientStats(products_3, torch.stack(tasks).detach())


def describe_fairness(reading: TaskGradientStats, weights_2: torch.Tensor) -> Fairness:
    """Return a whole step's reading in words: cosine, norms, and the weights that the losses had in the total."""
    g11, g12, g22 = reading.products_3.double().cpu().tolist()
    first, second = weights_2.tolist()
    cosine = g12 / (g11 * g22) ** 0.5 if g11 > 0 and g22 > 0 else 0.0
    return Fairness(cosine, g11**0.5, g22**0.5, first, second)

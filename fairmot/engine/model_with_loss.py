"""Network and criterion as one module, so that DistributedDataParallel averages the gradients of both."""

from typing import NamedTuple, Protocol, cast

import torch
from torch import nn

from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import HeadOutputs, TaskGradientStats, TaskLosses

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class SharedMapModel(Protocol):
    """Network whose heads all read one feature map."""

    def features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return the shared map (B, C, H, W)."""

    def read(self, features_BCHW: torch.Tensor) -> HeadOutputs:
        """Return the outputs of the heads."""


class TaskWeightingLike(Protocol):
    """Weights of the two tasks' losses; see `losses.task_weighting.TaskWeighting`."""

    needs_gradients: str
    merges_gradients: bool

    def __call__(self, detection: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        """Return the total loss."""

    def weights(self) -> torch.Tensor:
        """Return (2,) factors of the losses in the total."""

    def update(self, stats: TaskGradientStats) -> None:
        """Adapt the weights to the gradients of a step."""

    def merge_gradients(self, first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the update direction from the gradients of both tasks."""


class ForwardOutputs(NamedTuple):
    """Result of a forward pass over one part of a batch."""

    outputs: HeadOutputs  # detached
    losses: TaskLosses
    shared: torch.Tensor  # (B, C, H, W) map that the heads read


class ModelWithLoss(nn.Module):
    """Forward pass from images to the losses of both tasks.

    model: a `SharedMapModel`; criterion: `losses.joint.JointLoss`, or a module called in the same way;
    precision: `bf16` and `fp16` run the network under autocast; the losses are computed in float32;
    compiled: run the network through `torch.compile`, trunk and heads as separate graphs. Where the task weighting
        merges gradients the heads stay uncompiled: a compiled graph returns zeros instead of None as the gradients of
        heads that a loss does not reach.
    """

    def __init__(
        self, model: nn.Module, criterion: nn.Module, *, precision: str = "fp32", compiled: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion
        self.dtype = PRECISIONS[precision]
        network, weighting = cast(SharedMapModel, model), cast(TaskWeightingLike, criterion.balance)
        features, read = network.features, network.read
        if compiled:
            torch._functorch.config.donated_buffer = False  # task gradients go through the heads' graph twice
            features = torch.compile(features)
            read = read if weighting.merges_gradients else torch.compile(read)
        self._network = (features, read)  # a tuple, so that compiled modules do not register their parameters again

    def forward(self, batch: Batch, counts: ObjectCounts) -> ForwardOutputs:
        """Return head outputs and losses of one part; counts: of the full optimizer step."""
        features, read = self._network
        with torch.autocast(batch.images_B3HW.device.type, self.dtype, enabled=self.dtype is not None):
            shared = features(batch.images_B3HW)
            outputs = read(shared)
        if self.dtype is not None:
            outputs = HeadOutputs(*(value.float() for value in outputs))
        losses = self.criterion(outputs, batch, counts)
        return ForwardOutputs(HeadOutputs(*(value.detach() for value in outputs)), losses, shared)

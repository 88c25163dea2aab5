"""Network and criterion as one module, so that DistributedDataParallel averages the gradients of both."""

from typing import Any, NamedTuple

import torch
from torch import nn

from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import HeadOutputs, TaskLosses

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class ForwardOutputs(NamedTuple):
    """Result of a forward pass over one part of a batch."""

    outputs: HeadOutputs  # detached
    losses: TaskLosses
    shared: torch.Tensor  # (B, C, H, W) map that the heads read


class ModelWithLoss(nn.Module):
    """Forward pass from images to the losses of both tasks.

    model: network with `features` (images to one shared map) and `read` (that map to `HeadOutputs`);
    criterion: `losses.joint.JointLoss`, or a module with the same call and a task weighting `balance`;
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
        network: Any = model
        weighting: Any = criterion.balance
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

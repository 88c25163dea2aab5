"""One pass through network and criterion, as one module: so DistributedDataParallel joins the gradients of both."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import HeadOutputs, LossTerms

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class JointPass(nn.Module):
    """images -> network -> criterion.

    precision: `bf16` and `fp16` run the network under autocast; the losses are computed from float32 maps.
    compiled: the network goes through `torch.compile`.
    """

    def __init__(
        self, model: nn.Module, criterion: nn.Module, *, precision: str = "fp32", compiled: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self.criterion = criterion
        self.dtype = PRECISIONS[precision]
        # in a tuple, so that the compiled network's parameters are not the module's a second time
        self._run: tuple[Callable[..., Any]] = (torch.compile(model) if compiled else model,)

    def forward(self, batch: Batch, counts: ObjectCounts) -> tuple[HeadOutputs, LossTerms]:
        """Return the maps, outside the graph, and the losses of one share of a step."""
        (run,) = self._run
        with torch.autocast(batch.images_B3HW.device.type, self.dtype, enabled=self.dtype is not None):
            outputs: HeadOutputs = run(batch.images_B3HW)
        if self.dtype is not None:
            outputs = HeadOutputs(*(value.float() for value in outputs))
        terms: LossTerms = self.criterion(outputs, batch, counts)
        return HeadOutputs(*(value.detach() for value in outputs)), terms

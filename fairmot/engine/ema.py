"""Exponential moving average of a network's weights."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def average_of(model: nn.Module, *, decay: float) -> AveragedModel:
    """Return an averaged copy of `model`, in eval mode; call its `update_parameters(model)` after each step.

    Weights and batch-norm statistics become a = d a + (1 - d) w, integers are copied. After n updates d is
    min(decay, (1 + n) / (10 + n)), so that a short training does not stay near its random start.
    Source: Polyak & Juditsky 1992; the rise of d is that of TensorFlow's ExponentialMovingAverage.
    """

    def average(averages: Tensors, values: Tensors, _: torch.Tensor | int) -> None:
        updates = int(averaged.n_averaged)  # on the CPU: the argument may be a copy on a GPU
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + updates) / (10 + updates)))
        else:
            torch._foreach_copy_(averages, values)

    averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    return averaged.eval().requires_grad_(False)

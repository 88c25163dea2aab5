"""The average of a network's weights over its training."""

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


def average_of(model: nn.Module, *, decay: float) -> AveragedModel:
    """Return a copy of `model` that `update_parameters(model)` moves a little towards it after each step.

    Weights and the statistics of batch norms become a = d a + (1 - d) w, whole numbers are copied. d = min(decay,
    (1 + n) / (10 + n)) after n updates: a short training is not held at its random start. The copy stays in eval mode.
    Source: Polyak & Juditsky 1992; the rise of d is TensorFlow's ExponentialMovingAverage.
    """

    def average(averages: Tensors, values: Tensors, _: torch.Tensor | int) -> None:
        updates = int(averaged.n_averaged)  # on the CPU: the argument may be a copy on a GPU
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + updates) / (10 + updates)))
        else:
            torch._foreach_copy_(averages, values)

    averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    return averaged.eval().requires_grad_(False)


def average_state(averaged: AveragedModel) -> dict[str, Any]:
    """Return what `load_average_state` takes: the averaged network, in its own names, and the number of updates."""
    return {"model": averaged.module.state_dict(), "updates": int(averaged.n_averaged)}


def load_average_state(averaged: AveragedModel, state: dict[str, Any]) -> None:
    """Put back what `average_state` gave."""
    averaged.module.load_state_dict(state["model"])
    averaged.n_averaged.fill_(state["updates"])

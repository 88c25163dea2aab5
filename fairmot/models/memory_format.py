"""Channels-last memory format of a network's weights during training."""

import torch
from torch import nn

MIN_CPU_CHANNELS = 16  # with fewer, channels last is slower on a CPU (batch norm's backward pass by ten times)


def to_channels_last(model: nn.Module) -> None:
    """Convert kernels to channels last, on a CPU only those of many output channels; activations follow the kernels."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4 and (parameter.device.type != "cpu" or len(parameter) >= MIN_CPU_CHANNELS):
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

"""How a network's weights lie in memory while it trains."""

import torch
from torch import nn

LEAST_CHANNELS = (
    16  # on a CPU, below: vectors over channels half empty, a batch norm's gradient takes ten times as long
)


def to_channels_last(model: nn.Module) -> None:
    """Lay kernels channels last, on a CPU but for those of few output channels; maps then follow the kernels."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4 and (parameter.device.type != "cpu" or len(parameter) >= LEAST_CHANNELS):
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

"""How a network's weights lie in memory while it trains on a CPU."""

import torch
from torch import nn

LEAST_CHANNELS = 16  # below, vectors over channels stay half empty: a batch norm's gradient takes ten times as long


def lay_for_cpu_training(model: nn.Module) -> None:
    """Lay kernels channels last, but for those of few output channels; maps then follow the kernels."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4 and len(parameter) >= LEAST_CHANNELS:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

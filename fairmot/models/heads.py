"""The heads: one class serves all four, on the whole map or at single cells.

Legend: B images, C channels, H W map size, K cells, N = B * K, T the 9 cells around one, D values a cell.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from fairmot.models.layers.tiling import tiled

KERNEL = 3


class Head(nn.Sequential):
    """3x3 convolution, activation (ReLU), 1x1 convolution; biases start at 0, the output's at `bias`.

    banded: go through the map in bands, so that the hidden maps never lie in memory whole (inference on a CPU).
    Source: Zhang et al., FairMOT, section 4.2.
    """

    banded = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden: int = 256,
        bias: float = 0.0,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        self.hidden_channels = hidden
        hidden_layer = nn.Conv2d(in_channels, hidden, KERNEL, padding=KERNEL // 2)
        output_layer = nn.Conv2d(hidden, out_channels, 1)
        super().__init__(hidden_layer, activation(), output_layer)
        for layer, value in ((hidden_layer, 0.0), (output_layer, bias)):
            if layer.bias is not None:
                nn.init.constant_(layer.bias, value)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, D, H, W)."""
        run: Callable[[torch.Tensor], torch.Tensor] = super().forward
        if not self.banded:
            return run(features_BCHW)
        return tiled(run, features_BCHW, halo=KERNEL // 2, channels=self.hidden_channels)

    def sparse(self, patches_NTC: torch.Tensor, *, num_channels: int | None = None) -> torch.Tensor:
        """Return the head's values (N, D) at N cells, from the 3x3 cells around each, (N, 9, C) in reading order.

        first: how many of the D values to compute; None for all.
        """
        hidden_layer, output_layer = cast(nn.Conv2d, self[0]), cast(nn.Conv2d, self[2])
        kernel_HTC = hidden_layer.weight.permute(0, 2, 3, 1).flatten(1)
        hidden = self[1](functional.linear(patches_NTC.flatten(1), kernel_HTC, hidden_layer.bias))
        bias = None if output_layer.bias is None else output_layer.bias[:num_channels]
        return functional.linear(hidden, output_layer.weight.flatten(1)[:num_channels], bias)


def make_heads(
    in_channels: int,
    *,
    num_classes: int,
    reid_dim: int,
    hidden: int,
    heatmap_bias: float,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.ModuleDict:
    """Return the four heads under the names of `HeadOutputs`."""
    channels = {"heatmap": num_classes, "size_ltrb": 4, "offset": 2, "embedding": reid_dim}
    biases = {"heatmap": heatmap_bias}
    return nn.ModuleDict(
        {
            name: Head(in_channels, count, hidden=hidden, bias=biases.get(name, 0.0), activation=activation)
            for name, count in channels.items()
        }
    )


def patches_at(features_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> torch.Tensor:
    """Return the 3x3 cells around flat cells y * W + x, zeros outside the map: (B * K, 9, C) in reading order."""
    _, _, H, W = features_BCHW.shape
    step = torch.arange(-(KERNEL // 2), KERNEL // 2 + 1, device=indices_BK.device)
    y_BKT = (indices_BK // W)[..., None] + step.repeat_interleave(KERNEL)
    x_BKT = (indices_BK % W)[..., None] + step.repeat(KERNEL)
    is_inside = (y_BKT >= 0) & (y_BKT < H) & (x_BKT >= 0) & (x_BKT < W)
    first_B11 = torch.arange(len(features_BCHW), device=indices_BK.device)[:, None, None] * (H * W)
    cells = first_B11 + y_BKT.clamp(0, H - 1) * W + x_BKT.clamp(0, W - 1)
    rows = features_BCHW.permute(0, 2, 3, 1).flatten(0, 2)
    return (rows[cells] * is_inside[..., None]).flatten(0, 1)

"""Prediction heads, evaluated on the full map or at single cells.

Legend: B images, C channels, H W map size, K cells, N = B * K, T the 9 cells around a cell, D values per cell.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from fairmot.models.layers.tiling import tiled

KERNEL = 3


class Head(nn.Sequential):
    """3x3 convolution, activation (ReLU), 1x1 convolution; biases start at 0, the output's at `bias`.

    is_tiled: process the map in tiles, so that the hidden map is never held in full (inference on a CPU).
    Source: Zhang et al., FairMOT, section 4.2.
    """

    is_tiled = False

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
        if not self.is_tiled:
            return run(features_BCHW)
        return tiled(run, features_BCHW, halo=KERNEL // 2, channels=self.hidden_channels)

    def sparse(self, patches_NTC: torch.Tensor, *, num_channels: int | None = None) -> torch.Tensor:
        """Return the head's values (N, D) at N cells, from the 3x3 patches around them, (N, 9, C) in row-major order.

        num_channels: number of leading values to compute; None for all.
        """
        hidden_layer, output_layer = cast(nn.Conv2d, self[0]), cast(nn.Conv2d, self[2])
        kernel_HTC = hidden_layer.weight.permute(0, 2, 3, 1).flatten(1)
        hidden = self[1](functional.linear(patches_NTC.flatten(1), kernel_HTC, hidden_layer.bias))
        bias = None if output_layer.bias is None else output_layer.bias[:num_channels]
        return functional.linear(hidden, output_layer.weight.flatten(1)[:num_channels], bias)


class SparseHeadReader(NamedTuple):
    """A `HeadReader` that runs the head only at the cells that are read.

    patches: flat cells (B, K) -> `patches_at` of the features; num_channels: leading values to compute, None for all.
    """

    head: Head
    features_BCHW: torch.Tensor
    patches: Callable[[torch.Tensor], torch.Tensor]
    num_channels: int | None = None

    @property
    def map_hw(self) -> tuple[int, int]:
        """Height and width of the map in cells."""
        return self.features_BCHW.shape[-2], self.features_BCHW.shape[-1]

    def at(self, indices_BK: torch.Tensor) -> torch.Tensor:
        """Return the values (B, K, D) at flat cells y * W + x."""
        values_ND = self.head.sparse(self.patches(indices_BK), num_channels=self.num_channels)
        return values_ND.view(*indices_BK.shape, values_ND.shape[-1])

    def dense(self) -> torch.Tensor:
        """Run the head on the full map: (B, D, H, W)."""
        return self.head(self.features_BCHW)[:, : self.num_channels]  # type: ignore[no-any-return]


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
    """Return the 3x3 cells around flat cells y * W + x, zeros outside the map: (B * K, 9, C) in row-major order."""
    _, _, H, W = features_BCHW.shape
    step = torch.arange(-(KERNEL // 2), KERNEL // 2 + 1, device=indices_BK.device)
    y_BKT = (indices_BK // W)[..., None] + step.repeat_interleave(KERNEL)
    x_BKT = (indices_BK % W)[..., None] + step.repeat(KERNEL)
    is_inside = (y_BKT >= 0) & (y_BKT < H) & (x_BKT >= 0) & (x_BKT < W)
    start_B11 = torch.arange(len(features_BCHW), device=indices_BK.device)[:, None, None] * (H * W)
    cells = start_B11 + y_BKT.clamp(0, H - 1) * W + x_BKT.clamp(0, W - 1)
    rows = features_BCHW.permute(0, 2, 3, 1).flatten(0, 2)
    return (rows[cells] * is_inside[..., None]).flatten(0, 1)

"""The heads: one class serves all four."""

import torch
from torch import nn


class Head(nn.Sequential):
    """3x3 convolution, ReLU, 1x1 convolution; biases start at 0, the output's at `bias`.

    Source: Zhang et al., FairMOT, section 4.2.
    """

    def __init__(self, in_channels: int, out_channels: int, *, hidden: int = 256, bias: float = 0.0) -> None:
        hidden_layer = nn.Conv2d(in_channels, hidden, 3, padding=1)
        output_layer = nn.Conv2d(hidden, out_channels, 1)
        super().__init__(hidden_layer, nn.ReLU(inplace=True), output_layer)
        for layer, value in ((hidden_layer, 0.0), (output_layer, bias)):
            if layer.bias is not None:
                nn.init.constant_(layer.bias, value)


def make_heads(in_channels: int, *, num_classes: int, reid_dim: int, hidden: int, heatmap_bias: float) -> nn.ModuleDict:
    """Return the four heads under the names of `HeadOutputs`."""
    return nn.ModuleDict(
        {
            "heatmap": Head(in_channels, num_classes, hidden=hidden, bias=heatmap_bias),
            "size_ltrb": Head(in_channels, 4, hidden=hidden),
            "offset": Head(in_channels, 2, hidden=hidden),
            "embedding": Head(in_channels, reid_dim, hidden=hidden),
        }
    )


def run_heads(heads: nn.ModuleDict, features_BCHW: torch.Tensor) -> dict[str, torch.Tensor]:
    """(B, C, H, W) -> name -> dense map."""
    return {name: head(features_BCHW) for name, head in heads.items()}

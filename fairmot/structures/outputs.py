"""What the network and the losses give.

Legend: B images, C classes, D embedding dimension, H W map size (stride 4), K cells.
"""

from typing import NamedTuple

import torch


class HeadOutputs(NamedTuple):
    """Dense maps of the four heads, as they leave their last convolution."""

    heatmap: torch.Tensor  # (B, C, H, W) logits
    size_ltrb: torch.Tensor  # (B, 4, H, W) distances to left, top, right, bottom in cells
    offset: torch.Tensor  # (B, 2, H, W) centre within its cell, x and y
    embedding: torch.Tensor  # (B, D, H, W) re-ID embedding, not normalised


class CellOutputs(NamedTuple):
    """The same as `HeadOutputs` but for the heatmap, at K cells of each image."""

    size_ltrb: torch.Tensor  # (B, K, 4)
    offset: torch.Tensor  # (B, K, 2)
    embedding: torch.Tensor  # (B, K, D)


class LossTerms(NamedTuple):
    """Scalars; `total` carries the gradient. The others are unweighted."""

    total: torch.Tensor
    heatmap: torch.Tensor
    size: torch.Tensor
    offset: torch.Tensor
    identity: torch.Tensor

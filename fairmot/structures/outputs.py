"""What the network and the losses give.

Legend: B images, C classes, D embedding dimension, H W map size (stride 4).
"""

from typing import NamedTuple

import torch


class HeadOutputs(NamedTuple):
    """Dense maps of the four heads, as they leave their last convolution."""

    heatmap: torch.Tensor  # (B, C, H, W) logits
    size_ltrb: torch.Tensor  # (B, 4, H, W) distances to left, top, right, bottom in cells
    offset: torch.Tensor  # (B, 2, H, W) centre within its cell, x and y
    embedding: torch.Tensor  # (B, D, H, W) re-ID embedding, not normalised


class LossTerms(NamedTuple):
    """Scalars; `total` carries the gradient. The others are unweighted."""

    total: torch.Tensor
    heatmap: torch.Tensor
    size: torch.Tensor
    offset: torch.Tensor
    identity: torch.Tensor

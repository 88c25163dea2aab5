"""What the network and the losses give.

Legend: B images, C classes, D embedding dimension, H W map size (stride 4), K cells, N embeddings.
"""

from typing import NamedTuple

import torch


class HeadOutputs(NamedTuple):
    """Dense maps of the four heads, as they leave their last convolution."""

    heatmap: torch.Tensor  # (B, C, H, W) logits
    size_ltrb: torch.Tensor  # (B, 4, H, W) distances to left, top, right, bottom in cells
    offset: torch.Tensor  # (B, 2, H, W) centre within its cell, x and y
    embedding: torch.Tensor  # (B, D, H, W) re-ID embedding, not normalised


class SparseHeadOutputs(NamedTuple):
    """The same as `HeadOutputs` but for the heatmap, at K cells of each image."""

    size_ltrb: torch.Tensor  # (B, K, 4)
    offset: torch.Tensor  # (B, K, 2)
    embedding: torch.Tensor  # (B, K, D)


class EmbeddingSamples(NamedTuple):
    """N embeddings of objects whose identity is known, as the identity losses take them."""

    embeddings_ND: torch.Tensor  # not normalised
    identities_N: torch.Tensor  # int64 from 0, within the object's class
    classes_N: torch.Tensor  # int64 from 0
    weights_N: torch.Tensor | None = None  # those of one object sum to 1; None where each object has one embedding

    def select_class(self, kind: int) -> "EmbeddingSamples":
        """Return the embeddings of one class."""
        own_N = self.classes_N == kind
        weights_N = None if self.weights_N is None else self.weights_N[own_N]
        return EmbeddingSamples(self.embeddings_ND[own_N], self.identities_N[own_N], self.classes_N[own_N], weights_N)


class TaskLosses(NamedTuple):
    """Scalars with gradients: the two tasks' losses, and the parts of the first; all unweighted but for those parts."""

    detection: torch.Tensor  # weighted sum of heatmap, size and offset
    identity: torch.Tensor
    heatmap: torch.Tensor
    size: torch.Tensor
    offset: torch.Tensor

    def detached(self, total: torch.Tensor) -> "LossTerms":
        """Return the terms to report, with the total loss."""
        terms = (total, self.heatmap, self.size, self.offset, self.identity)
        return LossTerms(*(term.detach() for term in terms))


class TaskGradientStats(NamedTuple):
    """What the two tasks' losses want of the map that they share: sums over all parts and processes of a step."""

    products_3: torch.Tensor  # of the gradients on the map: detection with itself, with identity, identity with itself
    losses_2: torch.Tensor  # detection, identity


class Fairness(NamedTuple):
    """How the two tasks stood to one another in one step."""

    cosine: float  # of their gradients on the shared map, -1 to 1; 0 where one has none
    norm_detection: float  # of the gradient of the unweighted loss
    norm_identity: float
    weight_detection: float  # factor that the loss has in the total
    weight_identity: float


class LossTerms(NamedTuple):
    """Scalars to report; all but `total` are unweighted."""

    total: torch.Tensor
    heatmap: torch.Tensor
    size: torch.Tensor
    offset: torch.Tensor
    identity: torch.Tensor

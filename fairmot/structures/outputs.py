"""Outputs of the network and of the losses.

Legend: B images, C classes, D embedding dimension, H W map size (stride 4), N embeddings.
"""

from typing import NamedTuple

import torch


class HeadOutputs(NamedTuple):
    """Dense maps of the four heads, without activation."""

    heatmap: torch.Tensor  # (B, C, H, W) logits
    size_ltrb: torch.Tensor  # (B, 4, H, W) distances from the centre to left, top, right, bottom in cells
    offset: torch.Tensor  # (B, 2, H, W) centre within its cell, x and y
    embedding: torch.Tensor  # (B, D, H, W) re-ID embedding, not normalised


class EmbeddingSamples(NamedTuple):
    """N embeddings of objects of known identity, the input of the identity losses."""

    embeddings_ND: torch.Tensor  # not normalised
    identities_N: torch.Tensor  # int64 from 0, within the object's class
    classes_N: torch.Tensor  # int64 from 0
    weights_N: torch.Tensor | None = None  # sum to 1 per object; None if each object has one embedding

    def select_class(self, class_id: int) -> "EmbeddingSamples":
        """Return the embeddings of one class."""
        own_N = self.classes_N == class_id
        weights_N = None if self.weights_N is None else self.weights_N[own_N]
        return EmbeddingSamples(self.embeddings_ND[own_N], self.identities_N[own_N], self.classes_N[own_N], weights_N)


class TaskLosses(NamedTuple):
    """Scalars with gradients: the losses of the two tasks and the unweighted terms of the detection loss."""

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
    """Gradients of the two tasks on their shared map: sums over all micro-batches and processes of a step."""

    products_3: torch.Tensor  # dot products of gradients: detection-detection, detection-identity, identity-identity
    losses_2: torch.Tensor  # detection, identity


class Fairness(NamedTuple):
    """Gradient balance of the two tasks in one step."""

    cosine: float  # between the gradients on the shared map, -1 to 1; 0 if one is zero
    norm_detection: float  # of the gradient of the unweighted loss
    norm_identity: float
    weight_detection: float  # factor of the loss in the total
    weight_identity: float


class LossTerms(NamedTuple):
    """Scalars to report; all but `total` are unweighted."""

    total: torch.Tensor
    heatmap: torch.Tensor
    size: torch.Tensor
    offset: torch.Tensor
    identity: torch.Tensor

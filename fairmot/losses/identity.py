"""Re-ID as classification of training identities. Legend: B images, K objects, N objects with an identity, D dims."""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from fairmot.codec.gather import gather_at


def embedding_scale(num_identities: int) -> float:
    """Return the length embeddings are given before the classifier: sqrt(2) ln(n - 1), as published.

    Below four identities that falls under sqrt(2) ln 2, down to minus infinity for one, so it stops there.

    >>> round(embedding_scale(500), 3)
    8.786
    >>> embedding_scale(1) == embedding_scale(3)
    True
    """
    return math.sqrt(2) * math.log(max(num_identities - 1, 2))


class IdentityLoss(nn.Module):
    """Softmax cross-entropy of the embeddings at object centres; owns the classifiers, one a class.

    num_identities: identities of the one class, or of each. The softmax runs over an object's own class, and the
    embedding's scale is that of its class. The loss is the sum of all objects' cross-entropies divided by their
    number, whatever their class: each object weighs the same, and one class gives the published loss.

    `classifier` holds the classes' rows one after another, so that each parameter has a gradient in every step,
    whichever classes a batch shows; a class without identities has no row. With no identity at all one row is kept.
    Objects of unknown identity (-1) are left out; with none left the loss is 0, and finite gradients flow.
    Source: FairMOT, equation 3.
    """

    def __init__(self, reid_dim: int, num_identities: int | Sequence[int]) -> None:
        super().__init__()
        self.counts = _at_least_one(num_identities)
        self.scales = tuple(map(embedding_scale, self.counts))
        self.classifier = nn.Linear(reid_dim, sum(self.counts))

    def forward(
        self,
        embedding_BDHW: torch.Tensor,
        identities_BK: torch.Tensor,
        indices_BK: torch.Tensor,
        mask_BK: torch.Tensor,
        classes_BK: torch.Tensor | None = None,
        known: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, D, H, W) embeddings read at `indices_BK` where `mask_BK`, identities within their class (B, K) -> scalar.

        classes_BK: (B, K) from 0; all 0 when not given. known: objects of known identity to divide by; those of the
        batch if not given.
        """
        if classes_BK is None:
            classes_BK = torch.zeros_like(identities_BK)
        known_BK = mask_BK & (identities_BK >= 0)
        embeddings_BKD = gather_at(embedding_BDHW, indices_BK)
        weights, biases = (
            torch.split(value, list(self.counts)) for value in (self.classifier.weight, self.classifier.bias)
        )
        sums = []
        for kind, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if len(weight):
                chosen_BK = known_BK & (classes_BK == kind)
                unit_ND = functional.normalize(embeddings_BKD[chosen_BK], dim=1)
                logits = functional.linear(self.scales[kind] * unit_ND, weight, bias)
                sums.append(functional.cross_entropy(logits, identities_BK[chosen_BK], reduction="sum"))
        if known is None:
            known = known_BK.sum()
        return torch.stack(sums).sum() / known.clamp(min=1)


def _at_least_one(num_identities: int | Sequence[int]) -> tuple[int, ...]:
    """Return the identities of each class, the first of which gets one where there is none at all."""
    counts = (num_identities,) if isinstance(num_identities, int) else tuple(num_identities)
    return counts if sum(counts) else (1, *counts[1:])

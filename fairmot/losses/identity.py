"""Re-ID as classification of training identities. Legend: B images, K objects, N objects with an identity, D dims."""

import math

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
    """Softmax cross-entropy of the embeddings at object centres; owns the classifier.

    Objects of unknown identity (-1) are left out; with none left the loss is 0, and finite gradients flow.
    Source: FairMOT, equation 3.
    """

    def __init__(self, reid_dim: int, num_identities: int) -> None:
        super().__init__()
        self.scale = embedding_scale(num_identities)
        self.classifier = nn.Linear(reid_dim, num_identities)

    def forward(
        self, embedding_BDHW: torch.Tensor, identities_BK: torch.Tensor, indices_BK: torch.Tensor, mask_BK: torch.Tensor
    ) -> torch.Tensor:
        """(B, D, H, W) embeddings read at `indices_BK` where `mask_BK`, identities (B, K) -> scalar."""
        known_BK = mask_BK & (identities_BK >= 0)
        embeddings_ND = gather_at(embedding_BDHW, indices_BK)[known_BK]
        logits = self.classifier(self.scale * functional.normalize(embeddings_ND, dim=1))
        total = functional.cross_entropy(logits, identities_BK[known_BK], reduction="sum")
        return total / max(1, len(logits))

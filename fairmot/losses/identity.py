"""Re-ID as classification of training identities. Legend: N embeddings, D dims."""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from fairmot.losses.softmax_losses import LogitLoss, cross_entropy
from fairmot.structures.outputs import EmbeddingSamples


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
    """Classification of the embeddings at object centres; owns the classifiers, one a class.

    num_identities: identities of the one class, or of each. An object is told from those of its own class, and the
    embedding's scale is that of its class. The loss is the sum of all objects' losses divided by their number, whatever
    their class: each object weighs the same, and one class with cross-entropy gives the published loss.

    logit_loss: what an object's logits cost, the published softmax cross-entropy if not given.
    cosine: the logits are cosines to the classifier's rows, without scale and bias.

    `classifier` holds the classes' rows one after another, so that each parameter has a gradient in every step,
    whichever classes a batch shows; a class without identities has no row. With no identity at all one row is kept.
    With no object of known identity the loss is 0, and finite gradients flow.
    Source: FairMOT, equation 3.
    """

    def __init__(
        self,
        reid_dim: int,
        num_identities: int | Sequence[int],
        *,
        logit_loss: LogitLoss = cross_entropy,
        cosine: bool = False,
    ) -> None:
        super().__init__()
        self.counts = at_least_one(num_identities)
        self.scales = tuple(map(embedding_scale, self.counts))
        self.logit_loss = logit_loss
        self.cosine = cosine
        self.classifier = nn.Linear(reid_dim, sum(self.counts), bias=not cosine)

    def forward(self, samples: EmbeddingSamples, known: torch.Tensor) -> torch.Tensor:
        """Embeddings and their identities -> scalar, divided by `known`, the objects of known identity in the step."""
        rows = torch.split(self.classifier.weight, list(self.counts))
        biases = [None] * len(rows) if self.cosine else torch.split(self.classifier.bias, list(self.counts))
        sums = []
        for kind, (weight, bias) in enumerate(zip(rows, biases, strict=True)):
            if len(weight):
                own = samples if len(self.counts) == 1 else samples.of_class(kind)
                unit_ND = functional.normalize(own.embeddings_ND, dim=1)
                if self.cosine:
                    logits = functional.linear(unit_ND, functional.normalize(weight, dim=1))
                else:
                    logits = functional.linear(self.scales[kind] * unit_ND, weight, bias)
                sums.append(self.logit_loss(logits, own))
        return torch.stack(sums).sum() / known.clamp(min=1)


def at_least_one(num_identities: int | Sequence[int]) -> tuple[int, ...]:
    """Return the identities of each class, the first of which gets one where there is none at all."""
    counts = (num_identities,) if isinstance(num_identities, int) else tuple(num_identities)
    return counts if sum(counts) else (1, *counts[1:])

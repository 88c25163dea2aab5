"""Identity classification loss of the re-ID embeddings. Legend: N embeddings, D dimensions."""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from fairmot.losses.softmax_losses import LogitLoss, cross_entropy
from fairmot.structures.outputs import EmbeddingSamples


def embedding_scale(num_identities: int) -> float:
    """Return the scale of normalised embeddings before the classifier: sqrt(2) ln(n - 1).

    At least sqrt(2) ln 2, where the reference implementation goes down to minus infinity for one identity.

    >>> round(embedding_scale(500), 3)
    8.786
    >>> embedding_scale(1) == embedding_scale(3)
    True
    """
    return math.sqrt(2) * math.log(max(num_identities - 1, 2))


class IdentityLoss(nn.Module):
    """Classification of embeddings among the training identities of their class.

    num_identities: identities of the only class, or of each class. The loss is the sum over all objects divided by
    their number, so each object has the same weight whatever its class. Without an object of known identity it is 0,
    with finite gradients. Source: FairMOT, equation 3.

    logit_loss: loss of an object's logits, by default softmax cross-entropy as in the reference implementation.
    cosine: use cosines to the classifier's rows as logits, without scale and bias.

    `classifier` contains the rows of all classes one after another (at least one row), so that every parameter has a
    gradient in each step.
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
        self.counts = identity_counts(num_identities)
        self.scales = tuple(map(embedding_scale, self.counts))
        self.logit_loss = logit_loss
        self.cosine = cosine
        self.classifier = nn.Linear(reid_dim, sum(self.counts), bias=not cosine)

    def forward(self, samples: EmbeddingSamples, known: torch.Tensor) -> torch.Tensor:
        """Embeddings and identities -> scalar; known: divisor, objects of known identity in the step (at least 1)."""
        rows = torch.split(self.classifier.weight, list(self.counts))
        biases = [None] * len(rows) if self.cosine else torch.split(self.classifier.bias, list(self.counts))
        sums = []
        for kind, (weight, bias) in enumerate(zip(rows, biases, strict=True)):
            if len(weight):
                own = samples if len(self.counts) == 1 else samples.select_class(kind)
                unit_ND = functional.normalize(own.embeddings_ND, dim=1)
                if self.cosine:
                    logits = functional.linear(unit_ND, functional.normalize(weight, dim=1))
                else:
                    logits = functional.linear(self.scales[kind] * unit_ND, weight, bias)
                sums.append(self.logit_loss(logits, own))
        return torch.stack(sums).sum() / known.clamp(min=1)


def identity_counts(num_identities: int | Sequence[int]) -> tuple[int, ...]:
    """Return the number of identities of each class, with one for the first class where there is none at all."""
    counts = (num_identities,) if isinstance(num_identities, int) else tuple(num_identities)
    return counts if sum(counts) else (1, *counts[1:])

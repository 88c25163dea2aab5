"""Embeddings of several lengths in one. Legend: N embeddings, D dims."""

from collections.abc import Mapping

import torch
from torch import nn

from fairmot.structures.outputs import EmbeddingSamples


class NestedIdentityLoss(nn.Module):
    """The mean of what each prefix of the embeddings costs, so that each is an embedding by itself.

    prefixes: number of first values -> the identity loss of embeddings of that length, with a classifier of its own.
    Each loss normalises its prefix. A mean, where the source has a sum: the balance against detection keeps its meaning
    whatever the number of lengths.
    Source: Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022, equation 1, with equal weights.
    """

    def __init__(self, prefixes: Mapping[int, nn.Module]) -> None:
        super().__init__()
        self.prefixes = nn.ModuleDict({str(length): loss for length, loss in prefixes.items()})

    def forward(self, samples: EmbeddingSamples, known: torch.Tensor) -> torch.Tensor:
        """Embeddings of the greatest length or more -> scalar; known: the objects of known identity in the step."""
        losses = [
            loss(samples._replace(embeddings_ND=samples.embeddings_ND[:, : int(length)]), known)
            for length, loss in self.prefixes.items()
        ]
        return torch.stack(losses).mean()

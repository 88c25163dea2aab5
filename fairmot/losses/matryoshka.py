"""Matryoshka identity loss: embeddings of several lengths in one. Legend: N embeddings, D dimensions."""

from collections.abc import Mapping

import torch
from torch import nn

from fairmot.structures.outputs import EmbeddingSamples


class MatryoshkaLoss(nn.Module):
    """Mean of the identity losses of several prefixes of the embeddings, so that each is an embedding by itself.

    prefixes: number of first values -> identity loss of embeddings of that length, with a classifier of its own.
    Source: Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022, equation 1, with equal weights; a mean
    instead of the sum, so that the weight against detection does not depend on the number of lengths.
    """

    def __init__(self, prefixes: Mapping[int, nn.Module]) -> None:
        super().__init__()
        self.prefixes = nn.ModuleDict({str(length): loss for length, loss in prefixes.items()})

    def forward(self, samples: EmbeddingSamples, known: torch.Tensor) -> torch.Tensor:
        """Embeddings of the greatest length or more -> scalar; known: objects of known identity in the step."""
        losses = [
            loss(samples._replace(embeddings_ND=samples.embeddings_ND[:, : int(length)]), known)
            for length, loss in self.prefixes.items()
        ]
        return torch.stack(losses).mean()

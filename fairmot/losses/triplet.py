"""Batch-hard triplet loss of the re-ID embeddings.

Legend: N embeddings, D dimensions, A anchors, R embeddings processed at a time.
"""

import torch
from torch import nn
from torch.nn import functional

from fairmot.structures.outputs import EmbeddingSamples

ROWS = 1 << 10  # embeddings whose distances to all others are in memory at a time


class TripletLoss(nn.Module):
    """Batch-hard triplet loss: weighted mean over the anchors of [margin + d_positive - d_negative]+.

    d are Euclidean distances between unit embeddings (0 to 2) to the farthest positive (same class and identity) and
    the nearest negative (same class, another identity); an anchor is an embedding that has both. They are searched
    among the images that one forward pass of a rank contains. The mean is multiplied by this pass's fraction of the
    step's objects of known identity, so that the losses of all passes add up. Without an anchor the loss is 0, with
    finite gradients.
    Source: Hermans et al., In Defense of the Triplet Loss for Person Re-Identification, 2017, equation 5.
    """

    def __init__(self, *, margin: float = 0.3) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, samples: EmbeddingSamples, known: torch.Tensor) -> torch.Tensor:
        """Embeddings and their identities -> scalar; known: objects of known identity in the step."""
        weights_N = samples.weights_N
        if weights_N is None:
            weights_N = samples.embeddings_ND.new_ones(len(samples.embeddings_ND))
        unit_ND = functional.normalize(samples.embeddings_ND, dim=1)
        anchors_A, positives_A, negatives_A = mine_triplets(unit_ND.detach(), samples)
        near_A = torch.linalg.vector_norm(unit_ND[anchors_A] - unit_ND[negatives_A], dim=1)
        far_A = torch.linalg.vector_norm(unit_ND[anchors_A] - unit_ND[positives_A], dim=1)  # gradient 0 where equal
        losses_A = (self.margin + far_A - near_A).clamp(min=0)
        weights_A = weights_N[anchors_A]
        mean: torch.Tensor = (weights_A * losses_A).sum() / weights_A.sum().clamp(min=torch.finfo(weights_A.dtype).tiny)
        return mean * weights_N.sum() / known.clamp(min=1)


def mine_triplets(unit_ND: torch.Tensor, samples: EmbeddingSamples) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the indices of the anchors, their farthest positives and nearest negatives: (A,) int64 each.

    >>> unit_ND = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.8, 0.6]])
    >>> identities_N, classes_N = torch.tensor([3, 3, 3, 5]), torch.zeros(4, dtype=torch.int64)
    >>> mine_triplets(unit_ND, EmbeddingSamples(unit_ND, identities_N, classes_N))
    (tensor([0, 1, 2]), tensor([1, 0, 0]), tensor([3, 3, 3]))
    """
    chunks = []
    index_N = torch.arange(len(unit_ND), device=unit_ND.device)
    for rows in torch.split(index_N, ROWS):
        same_class_RN = samples.classes_N[rows, None] == samples.classes_N
        same_identity_RN = samples.identities_N[rows, None] == samples.identities_N
        positive_RN = same_class_RN & same_identity_RN & (rows[:, None] != index_N)
        negative_RN = same_class_RN & ~same_identity_RN
        (anchors_A,) = torch.nonzero(positive_RN.any(1) & negative_RN.any(1), as_tuple=True)
        if len(anchors_A):
            cosines_AN = unit_ND[rows][anchors_A] @ unit_ND.T
            farthest_A = cosines_AN.masked_fill(~positive_RN[anchors_A], torch.inf).argmin(1)
            nearest_A = cosines_AN.masked_fill(~negative_RN[anchors_A], -torch.inf).argmax(1)
            chunks.append(torch.stack([rows[anchors_A], farthest_A, nearest_A]))
    anchors_A, positives_A, negatives_A = torch.cat([index_N.new_zeros((3, 0)), *chunks], dim=1)
    return anchors_A, positives_A, negatives_A

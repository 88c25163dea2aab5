"""Losses of identity logits: cross-entropy, focal, circle. Legend: N embeddings, I identities of a class."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from fairmot.structures.outputs import EmbeddingSamples

LogitLoss = Callable[[torch.Tensor, EmbeddingSamples], torch.Tensor]
"""From (N, I) logits and the samples' identities to the weighted sum of the losses, 0 without embeddings."""


def cross_entropy(logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
    """Return the weighted sum of -log p, p the softmax probability of the true identity."""
    if samples.weights_N is None:
        return functional.cross_entropy(logits_NI, samples.identities_N, reduction="sum")
    return _weighted_sum(functional.cross_entropy(logits_NI, samples.identities_N, reduction="none"), samples)


@dataclass(frozen=True)
class FocalCrossEntropy:
    """Focal loss -(1 - p)^gamma log p with the softmax probability p: well classified embeddings weigh less.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4.

    >>> two = EmbeddingSamples(torch.zeros(1, 1), torch.tensor([0]), torch.tensor([0]))
    >>> loss = FocalCrossEntropy(gamma=2.0)(torch.zeros(1, 2), two)  # p = 1/2: a quarter of log 2
    >>> round(float(loss), 4)
    0.1733
    """

    gamma: float = 2.0

    def __call__(self, logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
        """Return the weighted sum."""
        losses_N = functional.cross_entropy(logits_NI, samples.identities_N, reduction="none")
        error_N = -torch.expm1(-losses_N)  # 1 - p; clamped, since a power below 1 has an infinite slope at 0
        error_N = error_N.clamp(min=torch.finfo(losses_N.dtype).tiny)
        return _weighted_sum(error_N.pow(self.gamma) * losses_N, samples)


@dataclass(frozen=True)
class CircleLoss:
    """Circle loss log(1 + sum_n exp(gamma (a_n (s_n - m) - a_p (s_p - 1 + m)))) of cosines s.

    s_p is the cosine to the weights of the own identity, s_n those to the others. a_p = [1 + m - s_p]+ and
    a_n = [s_n + m]+ are detached: the gradient grows with the distance from the optimum. With one identity the loss is
    0; with two it is log 2 on the circle s_n^2 + (s_p - 1)^2 = 2 m^2.
    Source: Sun et al., Circle Loss, CVPR 2020, equations 4 to 6 with class-level labels (one s_p per embedding).

    margin: m; scale: gamma.
    """

    margin: float = 0.25
    scale: float = 64.0

    def __call__(self, logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
        """Return the weighted sum; `logits_NI` are the cosines."""
        fixed_NI, margin = logits_NI.detach(), self.margin
        is_own_NI = torch.zeros_like(fixed_NI, dtype=torch.bool).scatter_(1, samples.identities_N[:, None], value=True)
        own_NI = (1 + margin - fixed_NI).clamp(min=0) * (logits_NI - (1 - margin))
        others_NI = (fixed_NI + margin).clamp(min=0) * (logits_NI - margin)
        return cross_entropy(self.scale * torch.where(is_own_NI, own_NI, others_NI), samples)


def _weighted_sum(losses_N: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
    return (losses_N if samples.weights_N is None else losses_N * samples.weights_N).sum()

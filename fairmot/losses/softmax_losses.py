"""What the logits of identities cost, given the right ones. Legend: N embeddings, I identities of a class."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional

from fairmot.structures.outputs import EmbeddingSamples


class LogitLoss(Protocol):
    """From (N, I) logits, and samples that say which of them are right, to the sum of the losses by weights."""

    def __call__(self, logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
        """Return a scalar; 0 for no embedding."""


def cross_entropy(logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
    """Return the sum of -log p, p the softmax's probability of the right identity."""
    if samples.weights_N is None:
        return functional.cross_entropy(logits_NI, samples.identities_N, reduction="sum")
    return _sum_by_weights(_cross_entropies(logits_NI, samples), samples)


@dataclass(frozen=True)
class FocalCrossEntropy:
    """The sum of -(1 - p)^gamma log p: embeddings that are told apart well already count less.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4, with the softmax's probability.

    >>> two = EmbeddingSamples(torch.zeros(1, 1), torch.tensor([0]), torch.tensor([0]))
    >>> loss = FocalCrossEntropy(gamma=2.0)(torch.zeros(1, 2), two)  # p = 1/2: a quarter of log 2
    >>> round(float(loss), 4)
    0.1733
    """

    gamma: float = 2.0

    def __call__(self, logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
        """Return the sum by weights."""
        losses_N = _cross_entropies(logits_NI, samples)
        missed_N = (-torch.expm1(-losses_N)).clamp(min=torch.finfo(losses_N.dtype).tiny)  # 1 - p; a power below 1 of 0
        return _sum_by_weights(missed_N.pow(self.gamma) * losses_N, samples)  # would have an infinite slope


@dataclass(frozen=True)
class CircleLoss:
    """The sum of log(1 + sum_n exp(gamma (a_n (s_n - m) - a_p (s_p - 1 + m)))) over cosines s.

    s_p is the cosine to the own identity's weights, s_n those to the others'; a_p = [1 + m - s_p]+ and
    a_n = [s_n + m]+ are held fixed, so that each pulls as hard as it is far from its goal. With one identity there is
    nothing to tell it from: 0. With two the loss is log 2 where s_n^2 + (s_p - 1)^2 = 2 m^2.
    Source: Sun et al., Circle Loss, CVPR 2020, equations 4 to 6 with class-level labels (one s_p an embedding).

    margin: m; scale: gamma.
    """

    margin: float = 0.25
    scale: float = 64.0

    def __call__(self, logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
        """Return the sum by weights; `logits_NI` are the cosines."""
        fixed_NI, margin = logits_NI.detach(), self.margin
        is_own_NI = torch.zeros_like(fixed_NI, dtype=torch.bool).scatter_(1, samples.identities_N[:, None], value=True)
        own_NI = (1 + margin - fixed_NI).clamp(min=0) * (logits_NI - (1 - margin))
        others_NI = (fixed_NI + margin).clamp(min=0) * (logits_NI - margin)
        return cross_entropy(self.scale * torch.where(is_own_NI, own_NI, others_NI), samples)


def _cross_entropies(logits_NI: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
    return functional.cross_entropy(logits_NI, samples.identities_N, reduction="none")


def _sum_by_weights(losses_N: torch.Tensor, samples: EmbeddingSamples) -> torch.Tensor:
    return (losses_N if samples.weights_N is None else losses_N * samples.weights_N).sum()

"""How the two tasks, detection and identity, are weighed against one another.

Legend: g1, g2 the tasks' gradients on the map that they share, L1, L2 their losses, w1, w2 their weights.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import nn

from fairmot.structures.outputs import TaskGradientStats


class TaskWeighting(nn.Module, ABC):
    """Two losses -> the total; what the kinds of balance have in common.

    reads: when `observe` wants a step's `TaskGradientStats`: never, before the total is made, or after the step;
    projects: whether each task has a backward pass of its own, and `join` makes one gradient of the two.
    """

    needs_gradients = "never"
    merges_gradients = False

    def forward(self, detection: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        """Two scalars -> the scalar to minimise."""
        first, second = self.weights()
        total: torch.Tensor = first * detection + second * identity
        return total

    @abstractmethod
    def weights(self) -> torch.Tensor:
        """Return (2,) the factors that the losses have in the total now; none of their values is in a graph."""

    def update(self, reading: TaskGradientStats) -> None:
        """Take in what a step's gradients were."""

    def merge_gradients(self, first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the gradient to go along, from each task's own (lists of tensors of the same shapes)."""
        return [a + b for a, b in zip(first, second, strict=True)]


class UncertaintyWeighting(TaskWeighting):
    """Balance by learnt log variances: 0.5 (e^-s1 L1 + e^-s2 L2 + s1 + s2).

    Source: Kendall et al. 2018, equation 10; FairMOT, equation 5. The result may be negative.
    """

    def __init__(self, *, start_det: float = -1.85, start_id: float = -1.05) -> None:
        super().__init__()
        self.s_det = nn.Parameter(torch.tensor([start_det]))
        self.s_id = nn.Parameter(torch.tensor([start_id]))

    def forward(self, detection: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        """Two scalars -> scalar."""
        weighted = (-self.s_det).exp() * detection + (-self.s_id).exp() * identity + self.s_det + self.s_id
        return 0.5 * weighted.sum()

    def weights(self) -> torch.Tensor:
        """Return 0.5 e^-s of each task."""
        return 0.5 * torch.cat([(-self.s_det).exp(), (-self.s_id).exp()]).detach()


class FixedWeighting(TaskWeighting):
    """The sum of the losses by given weights."""

    def __init__(self, weights: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.register_buffer("fixed_2", torch.tensor(weights), persistent=False)

    def weights(self) -> torch.Tensor:
        """Return the given weights."""
        fixed_2: torch.Tensor = self.get_buffer("fixed_2")
        return fixed_2


class PCGrad(FixedWeighting):
    """PCGrad: where the tasks' gradients conflict, each loses its part along the other before they are added.

    The gradients are those of the parameters that both tasks reach, of the losses by their fixed weights.
    Source: Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020, algorithm 1; with two tasks the order
    that it draws has no effect.
    """

    merges_gradients = True

    def merge_gradients(self, first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the sum of both without what works against one of them."""
        return project_conflicts(first, second)


class MGDAUB(TaskWeighting):
    """MGDA-UB: the shares, of sum 1, whose combined gradient on the shared map is shortest.

    w1 = (g2 - g1) g2 / |g1 - g2|^2, cut to [0, 1]. The combination lowers both losses, or is 0 at a Pareto-stationary
    point. Where a step has no gradient of a task at all (no object of known identity), the other one's share is 1.
    normalize: what each loss is divided by before, `none`, `l2` its gradient's norm, `loss` its value. The shares, of
    sum 1, are then those of the divided losses, and the total is of these: it does not depend on the losses' scale. The
    source's code solves for divided gradients too, but applies the shares to the losses as they were, which makes `l2`
    of two tasks the same as equal weights.
    Source: Sener & Koltun, Multi-Task Learning as Multi-Objective Optimization, NeurIPS 2018, equations 6, 9 and
    algorithm 1.
    """

    needs_gradients = "before"

    def __init__(self, *, normalize: str = "none") -> None:
        super().__init__()
        self.normalize = normalize
        self.register_buffer("weights_2", torch.full((2,), 0.5))

    def weights(self) -> torch.Tensor:
        """Return the weights of the last reading, halves before the first."""
        weights_2: torch.Tensor = self.get_buffer("weights_2")
        return weights_2

    def update(self, reading: TaskGradientStats) -> None:
        """Weigh the losses anew."""
        is_finite, is_complete = _judge(reading)
        if not is_finite:
            return
        g11, g12, g22 = reading.products_3.unbind()
        divisors_2 = {
            "none": torch.ones_like(reading.losses_2),
            "l2": torch.stack([g11, g22]).sqrt(),
            "loss": reading.losses_2,
        }[self.normalize].clamp(min=torch.finfo(reading.losses_2.dtype).tiny ** 0.5)
        first, second = divisors_2.unbind()
        share = (g22 == 0).to(g11.dtype)
        if is_complete:
            share = min_norm_share(g11 / first**2, g12 / (first * second), g22 / second**2)
        self.weights().copy_(torch.stack([share, 1 - share]) / divisors_2)


def min_norm_share(g11: torch.Tensor, g12: torch.Tensor, g22: torch.Tensor) -> torch.Tensor:
    """Return the share in [0, 1] of the first of two vectors in their convex combination of least norm.

    gij: their dot products, scalars. A half where the vectors are equal.

    >>> one, none = torch.tensor(1.0), torch.tensor(0.0)
    >>> float(min_norm_share(one, none, 3 * one))  # at right angles
    0.75
    >>> float(min_norm_share(one, 2 * one, 4 * one))  # (1, 0) and (2, 0): the shorter one alone
    1.0
    """
    squared = g11 + g22 - 2 * g12
    share = (g22 - g12) / torch.where(squared > 0, squared, torch.ones_like(squared))
    return torch.where(squared > 0, share.clamp(0, 1), torch.full_like(share, 0.5))


class GradNorm(TaskWeighting):
    """Weights, of sum 2, that follow the tasks' gradient norms: the one that learns slower is favoured.

    With G_i = w_i |g_i| and r_i the task's share of its first loss that is left, relative to the mean of both, the
    weights go down the gradient of sum_i |G_i - mean(G) r_i^alpha|, its targets held fixed, by steps of `rate`, and are
    then scaled to the sum 2. The norms are taken on the shared map rather than on the last shared layer's weights, and
    divided by mean(|g|), so that the step does not depend on the losses' scale. No weight falls below `least`, and a
    step without a gradient of a task (no object of known identity) moves none.
    Source: Chen et al., GradNorm, ICML 2018, equations 1 and 2, algorithm 1.
    """

    needs_gradients = "after"
    least = 1e-3

    def __init__(self, *, alpha: float = 1.5, rate: float = 0.025) -> None:
        super().__init__()
        self.alpha = alpha
        self.rate = rate
        self.register_buffer("weights_2", torch.ones(2))
        self.register_buffer("first_losses_2", torch.full((2,), math.nan))

    def weights(self) -> torch.Tensor:
        """Return the weights now."""
        weights_2: torch.Tensor = self.get_buffer("weights_2")
        return weights_2

    def update(self, reading: TaskGradientStats) -> None:
        """Move the weights one step."""
        if not all(_judge(reading)):
            return
        first_losses_2 = self.get_buffer("first_losses_2")
        first_losses_2.copy_(torch.where(first_losses_2.isnan(), reading.losses_2, first_losses_2))
        norms_2 = reading.products_3[[0, 2]].sqrt()
        norms_2 = norms_2 / norms_2.mean()
        left_2 = reading.losses_2 / first_losses_2
        targets_2 = (self.weights() * norms_2).mean() * (left_2 / left_2.mean()).pow(self.alpha)
        slopes_2 = norms_2 * (self.weights() * norms_2 - targets_2).sign()
        moved_2 = (self.weights() - self.rate * slopes_2).clamp(min=self.least)
        self.weights().copy_(2 * moved_2 / moved_2.sum())


def _judge(reading: TaskGradientStats) -> tuple[bool, bool]:
    """Return whether it is finite (float16's gradients overflow until their scale is found), and has both tasks."""
    finite = reading.products_3.isfinite().all() & reading.losses_2.isfinite().all()
    complete = (reading.products_3[[0, 2]] > 0).all()
    is_finite, is_complete = torch.stack([finite, complete]).tolist()
    return is_finite, is_complete


def project_conflicts(first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the sum of two gradients (lists of the same shapes), each without what works against the other.

    >>> [total] = project_conflicts([torch.tensor([1.0, 0.0])], [torch.tensor([-1.0, 1.0])])
    >>> total  # (1, 0) without its part along (-1, 1), and (-1, 1) without its part along (1, 0)
    tensor([0.5000, 1.5000])
    """
    if not first:
        return []
    g11, g12, g22 = (dot(a, b) for a, b in ((first, first), (first, second), (second, second)))
    conflict = g12.clamp(max=0)
    tiny = torch.finfo(g12.dtype).tiny
    of_first, of_second = 1 - conflict / g11.clamp(min=tiny), 1 - conflict / g22.clamp(min=tiny)
    return [of_first * a + of_second * b for a, b in zip(first, second, strict=True)]


def dot(first: list[torch.Tensor], second: list[torch.Tensor]) -> torch.Tensor:
    """Return the dot product of two lists of tensors of the same shapes, in float32 at least."""
    products = [torch.sum(_wide(a) * _wide(b)) for a, b in zip(first, second, strict=True)]
    return torch.stack(products).sum()


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values if values.dtype == torch.float64 else values.float()

"""Weighting of the detection loss against the identity loss.

Legend: g1, g2 gradients of the two tasks on their shared map, L1, L2 losses, w1, w2 weights.
"""

import math

import torch
from torch import nn

from fairmot.structures.outputs import TaskGradientStats


class TaskWeighting(nn.Module):
    """Base class: from the losses of both tasks to the total loss.

    needs_gradients: when `update` needs a step's `TaskGradientStats`: `never`, `before` the total loss, `after` the
        step; merges_gradients: whether each task has a backward pass of its own, and `merge_gradients` joins the two.
    """

    needs_gradients = "never"
    merges_gradients = False

    def forward(self, detection: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        """Two scalars -> the scalar to minimise."""
        first, second = self.weights()
        total: torch.Tensor = first * detection + second * identity
        return total

    def weights(self) -> torch.Tensor:
        """Return the (2,) current factors of the losses in the total, detached: by default the buffer `weights_2`."""
        weights_2: torch.Tensor = self.get_buffer("weights_2")
        return weights_2

    def update(self, stats: TaskGradientStats) -> None:
        """Adapt the weights to the gradients of a step."""

    def merge_gradients(self, first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the update direction from the gradients of both tasks (lists of tensors of equal shapes)."""
        return [a + b for a, b in zip(first, second, strict=True)]


class UncertaintyWeighting(TaskWeighting):
    """Uncertainty weighting by learned log variances: 0.5 (e^-s1 L1 + e^-s2 L2 + s1 + s2).

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
    """Weighted sum of the losses with constant weights."""

    def __init__(self, weights: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.register_buffer("weights_2", torch.tensor(weights), persistent=False)


class PCGrad(FixedWeighting):
    """PCGrad: conflicting gradients are projected onto each other's normal plane before they are added.

    It concerns the parameters that both tasks reach, and the losses multiplied by their constant weights.
    Source: Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020, algorithm 1; with two tasks its random
    order has no effect.
    """

    merges_gradients = True

    def merge_gradients(self, first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the sum of the projected gradients."""
        return project_conflicts(first, second)


class MGDAUB(TaskWeighting):
    """MGDA-UB: convex combination of the losses whose gradient on the shared map has the least norm.

    w1 = (g2 - g1) g2 / |g1 - g2|^2, clamped to [0, 1], w2 = 1 - w1. The combination lowers both losses, or is 0 at a
    Pareto-stationary point. Where a step has no gradient of one task (no object of known identity), the weight of the
    other is 1.
    normalize: divisor of each loss: `none`, `l2` (norm of its gradient) or `loss` (its value). The weights are those of
    the divided losses, of which the total is made, so it does not depend on the losses' scale. The source's code
    applies them to the undivided losses, which makes `l2` of two tasks the same as equal weights.
    Source: Sener & Koltun, Multi-Task Learning as Multi-Objective Optimization, NeurIPS 2018, equations 6, 9 and
    algorithm 1.
    """

    needs_gradients = "before"

    def __init__(self, *, normalize: str = "none") -> None:
        super().__init__()
        self.normalize = normalize
        self.register_buffer("weights_2", torch.full((2,), 0.5))

    def update(self, stats: TaskGradientStats) -> None:
        """Set the weights of minimum norm."""
        is_finite, has_both = _check_stats(stats)
        if not is_finite:
            return
        g11, g12, g22 = stats.products_3.unbind()
        losses_2, norms_2 = stats.losses_2, torch.stack([g11, g22]).sqrt()
        divisors_2 = {"none": torch.ones_like(losses_2), "l2": norms_2, "loss": losses_2}[self.normalize]
        divisors_2 = divisors_2.clamp(min=torch.finfo(losses_2.dtype).tiny ** 0.5)
        first, second = divisors_2.unbind()
        weight = (g22 == 0).to(g11.dtype)
        if has_both:
            weight = min_norm_weight(g11 / first**2, g12 / (first * second), g22 / second**2)
        self.weights().copy_(torch.stack([weight, 1 - weight]) / divisors_2)


def min_norm_weight(g11: torch.Tensor, g12: torch.Tensor, g22: torch.Tensor) -> torch.Tensor:
    """Return the weight in [0, 1] of the first of two vectors in their convex combination of least norm.

    gij: their dot products, scalars. 0.5 where the vectors are equal. Source: Sener & Koltun, algorithm 1.

    >>> one, none = torch.tensor(1.0), torch.tensor(0.0)
    >>> float(min_norm_weight(one, none, 3 * one))  # orthogonal vectors
    0.75
    >>> float(min_norm_weight(one, 2 * one, 4 * one))  # (1, 0) and (2, 0): the shorter one alone
    1.0
    """
    squared = g11 + g22 - 2 * g12
    weight = (g22 - g12) / torch.where(squared > 0, squared, torch.ones_like(squared))
    return torch.where(squared > 0, weight.clamp(0, 1), torch.full_like(weight, 0.5))


class GradNorm(TaskWeighting):
    """GradNorm: weights, of sum 2, that follow the tasks' gradient norms and favour the task that learns slower.

    With G_i = w_i |g_i| and r_i the fraction of its first loss that a task still has, relative to the mean of both, the
    weights descend the gradient of sum_i |G_i - mean(G) r_i^alpha|, its targets held constant, by steps of `rate`, and
    are then scaled to the sum 2. The norms are taken on the shared map instead of the last shared layer's weights, and
    divided by mean(|g|), so that the step does not depend on the losses' scale. No weight falls below `minimum`; a step
    without a gradient of one task (no object of known identity) changes none.
    Source: Chen et al., GradNorm, ICML 2018, equations 1 and 2, algorithm 1.
    """

    needs_gradients = "after"
    minimum = 1e-3

    def __init__(self, *, alpha: float = 1.5, rate: float = 0.025) -> None:
        super().__init__()
        self.alpha = alpha
        self.rate = rate
        self.register_buffer("weights_2", torch.ones(2))
        self.register_buffer("first_losses_2", torch.full((2,), math.nan))

    def update(self, stats: TaskGradientStats) -> None:
        """Make one descent step of the weights."""
        if not all(_check_stats(stats)):
            return
        first_losses_2 = self.get_buffer("first_losses_2")
        first_losses_2.copy_(torch.where(first_losses_2.isnan(), stats.losses_2, first_losses_2))
        norms_2 = stats.products_3[[0, 2]].sqrt()
        norms_2 = norms_2 / norms_2.mean()
        ratios_2 = stats.losses_2 / first_losses_2
        targets_2 = (self.weights() * norms_2).mean() * (ratios_2 / ratios_2.mean()).pow(self.alpha)
        slopes_2 = norms_2 * (self.weights() * norms_2 - targets_2).sign()
        moved_2 = (self.weights() - self.rate * slopes_2).clamp(min=self.minimum)
        self.weights().copy_(2 * moved_2 / moved_2.sum())


def _check_stats(stats: TaskGradientStats) -> tuple[bool, bool]:
    """Return whether they are finite (float16 gradients may overflow), and whether both tasks have a gradient."""
    finite = stats.products_3.isfinite().all() & stats.losses_2.isfinite().all()
    both = (stats.products_3[[0, 2]] > 0).all()
    is_finite, has_both = torch.stack([finite, both]).tolist()
    return is_finite, has_both


def project_conflicts(first: list[torch.Tensor], second: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the sum of two gradients (lists of equal shapes), each without its component against the other.

    >>> [total] = project_conflicts([torch.tensor([1.0, 0.0])], [torch.tensor([-1.0, 1.0])])
    >>> total  # (1, 0) without its part along (-1, 1), and (-1, 1) without its part along (1, 0)
    tensor([0.5000, 1.5000])
    """
    if not first:
        return []
    g11, g12, g22 = (dot(a, b) for a, b in ((first, first), (first, second), (second, second)))
    conflict = g12.clamp(max=0)
    tiny = torch.finfo(g12.dtype).tiny
    factor_1, factor_2 = 1 - conflict / g11.clamp(min=tiny), 1 - conflict / g22.clamp(min=tiny)
    return [factor_1 * a + factor_2 * b for a, b in zip(first, second, strict=True)]


def dot(first: list[torch.Tensor], second: list[torch.Tensor]) -> torch.Tensor:
    """Return the dot product of two lists of tensors of equal shapes, in float32 or float64."""
    dtype = torch.float64 if first[0].dtype == torch.float64 else torch.float32
    products = [torch.sum(a.to(dtype) * b.to(dtype)) for a, b in zip(first, second, strict=True)]
    return torch.stack(products).sum()

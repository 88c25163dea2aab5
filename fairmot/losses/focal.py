"""Focal loss of the heatmap. Legend: B images, C classes, H W map size."""

import torch
from torch import nn


class HeatmapFocalLoss(nn.Module):
    """Penalty-reduced focal loss on a Gaussian heatmap, divided by the number of objects (at least 1).

    Cells with target 1 are positives; negatives weigh (1 - target)^beta. Probabilities are clamped to
    [floor, 1 - floor], as in the reference implementation.
    Source: Law & Deng, CornerNet, equation 1 (alpha, beta); FairMOT, equation 1.
    """

    def __init__(self, *, alpha: float = 2.0, beta: float = 4.0, floor: float = 1e-4) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.floor = floor

    def forward(
        self, logits_BCHW: torch.Tensor, target_BCHW: torch.Tensor, centres: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(B, C, H, W) logits and targets in [0, 1] -> scalar; centres: divisor, by default the positives' number."""
        probability = logits_BCHW.sigmoid().clamp(self.floor, 1 - self.floor)
        is_centre = target_BCHW == 1
        positive = (1 - probability).pow(self.alpha) * probability.log() * is_centre
        negative = probability.pow(self.alpha) * (1 - probability).log() * (1 - target_BCHW).pow(self.beta)
        if centres is None:
            centres = is_centre.sum()
        return -(positive.sum() + (negative * ~is_centre).sum()) / centres.clamp(min=1)

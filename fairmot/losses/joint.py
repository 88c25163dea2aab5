"""All losses and their balance."""

import torch
from torch import nn

from fairmot.losses.focal import HeatmapFocalLoss
from fairmot.losses.identity import IdentityLoss
from fairmot.losses.regression import ObjectL1Loss
from fairmot.structures.batch import Batch, ObjectCounts
from fairmot.structures.outputs import HeadOutputs, LossTerms


class UncertaintyWeighting(nn.Module):
    """Balance two tasks by learnt log variances: 0.5 (e^-s1 L1 + e^-s2 L2 + s1 + s2).

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


class JointLoss(nn.Module):
    """Heatmap, size and offset losses as one detection loss, balanced against the identity loss.

    weights: of heatmap, size and offset within the detection loss; published 1, 0.1, 1.
    """

    def __init__(
        self,
        identity: IdentityLoss,
        balance: UncertaintyWeighting,
        *,
        weights: tuple[float, float, float] = (1.0, 0.1, 1.0),
    ) -> None:
        super().__init__()
        self.heatmap = HeatmapFocalLoss()
        self.at_objects = ObjectL1Loss()
        self.identity = identity
        self.balance = balance
        self.weights = weights

    def forward(self, outputs: HeadOutputs, batch: Batch, counts: ObjectCounts | None = None) -> LossTerms:
        """Dense maps and targets -> scalars; `total` is what to minimise.

        counts: of all the shares of the step that this batch is one of. The mean of the shares' terms, and of their
        gradients, then equals that of one pass over all of them; not given, the batch is the whole step.
        """
        counts = counts or batch.count_objects()
        places = (batch.indices_BK, batch.mask_BK)
        heatmap = counts.shares * self.heatmap(outputs.heatmap, batch.heatmap_BCHW, counts.centres)
        size = counts.shares * self.at_objects(outputs.size_ltrb, batch.sizes_BK4, *places, counts.objects)
        offset = counts.shares * self.at_objects(outputs.offset, batch.offsets_BK2, *places, counts.objects)
        identity = counts.shares * self.identity(
            outputs.embedding, batch.identities_BK, *places, batch.classes_BK, counts.identities
        )
        heatmap_weight, size_weight, offset_weight = self.weights
        detection = heatmap_weight * heatmap + size_weight * size + offset_weight * offset
        return LossTerms(self.balance(detection, identity), heatmap, size, offset, identity)

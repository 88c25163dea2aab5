"""L1 loss at object centres, for box sides and offsets. Legend: B images, K objects, D values an object."""

import torch
from torch import nn

from fairmot.codec.points import gather_at


class ObjectL1Loss(nn.Module):
    """Mean absolute error over the values of the objects present; 0 when there is none.

    Source: FairMOT, equation 2. The denominator is the number of values + 1e-4, as published.
    """

    def forward(
        self,
        map_BDHW: torch.Tensor,
        target_BKD: torch.Tensor,
        indices_BK: torch.Tensor,
        mask_BK: torch.Tensor,
        objects: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, D, H, W) map read at `indices_BK` where `mask_BK`, against (B, K, D) -> scalar.

        objects: how many there are to divide by; those of the mask if not given.
        """
        mask_BKD = mask_BK[..., None].to(map_BDHW.dtype).expand_as(target_BKD)
        errors_BKD = (gather_at(map_BDHW, indices_BK) - target_BKD).abs() * mask_BKD
        values = mask_BKD.sum() if objects is None else objects.to(map_BDHW.dtype) * target_BKD.shape[-1]
        return errors_BKD.sum() / (values + 1e-4)

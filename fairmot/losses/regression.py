"""L1 loss of box sides and offsets at object centres. Legend: B images, K objects, D values per object."""

import torch
from torch import nn

from fairmot.codec.points import gather_at


class ObjectL1Loss(nn.Module):
    """Mean absolute error over the values of the objects; 0 without objects.

    Source: FairMOT, equation 2. The divisor is the number of values + 1e-4, as in the reference implementation.
    """

    def forward(
        self,
        map_BDHW: torch.Tensor,
        target_BKD: torch.Tensor,
        indices_BK: torch.Tensor,
        mask_BK: torch.Tensor,
        objects: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B, D, H, W) map at `indices_BK` where `mask_BK`, and (B, K, D) targets -> scalar.

        objects: number to divide by, by default that of the mask.
        """
        mask_BKD = mask_BK[..., None].to(map_BDHW.dtype).expand_as(target_BKD)
        errors_BKD = (gather_at(map_BDHW, indices_BK) - target_BKD).abs() * mask_BKD
        values = mask_BKD.sum() if objects is None else objects.to(map_BDHW.dtype) * target_BKD.shape[-1]
        return errors_BKD.sum() / (values + 1e-4)

"""Reading dense maps at object places: the losses and the predictor both do it."""

import torch


def gather_at(map_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> torch.Tensor:
    """Return the map's values at flat cells y * W + x: (B, C, H, W), (B, K) int64 -> (B, K, C)."""
    flat_BCN = map_BCHW.flatten(2)
    indices_BCK = indices_BK[:, None, :].expand(-1, flat_BCN.shape[1], -1)
    return flat_BCN.gather(2, indices_BCK).transpose(1, 2)

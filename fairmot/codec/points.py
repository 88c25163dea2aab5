"""Center points: an object's cell on the map, the centre within the cell, and the distances to the four sides.

Legend: B images, K objects, H W map size.
"""

from typing import NamedTuple

import torch


class CenterPoints(NamedTuple):
    """K objects of each image, in map cells."""

    indices_BK: torch.Tensor  # int64, y * W + x of the centre's cell
    offsets_BK2: torch.Tensor  # x and y of the centre relative to that cell
    sides_BK4: torch.Tensor  # distances from the centre to left, top, right, bottom

    def boxes(self, *, width: int) -> torch.Tensor:
        """Return left, top, right, bottom (B, K, 4) on a map with `width` columns."""
        cells_BK2 = torch.stack([self.indices_BK % width, self.indices_BK // width], dim=-1)
        centres_BK2 = cells_BK2 + self.offsets_BK2
        return torch.cat([centres_BK2 - self.sides_BK4[..., :2], centres_BK2 + self.sides_BK4[..., 2:]], dim=-1)


def points_from_boxes(boxes_BK4: torch.Tensor, *, map_hw: tuple[int, int]) -> CenterPoints:
    """Return the center points of boxes (left, top, right, bottom) in map cells; for float64 boxes equal to `encode`.

    The centre is clipped to the map, the sides are those of the unclipped box. Boxes without area are allowed.

    >>> point = points_from_boxes(torch.tensor([[[4.0, 1.0, 9.0, 6.0]]]), map_hw=(8, 10))
    >>> point.indices_BK.tolist(), point.offsets_BK2.tolist(), point.sides_BK4.tolist()
    ([[36]], [[[0.5, 0.5]]], [[[2.5, 2.5, 2.5, 2.5]]])
    """
    height, width = map_hw
    top_left_BK2, bottom_right_BK2 = boxes_BK4[..., :2], boxes_BK4[..., 2:]
    limits_2 = torch.tensor([width - 1, height - 1], dtype=boxes_BK4.dtype, device=boxes_BK4.device)
    middles_BK2 = ((top_left_BK2 + bottom_right_BK2) / 2).clamp(min=0).minimum(limits_2)
    centres_BK2 = middles_BK2.float().to(boxes_BK4.dtype)  # rounded as in `encode`, so that the cells are equal
    cells_BK2 = centres_BK2.floor()
    sides_BK4 = torch.cat([centres_BK2 - top_left_BK2, bottom_right_BK2 - centres_BK2], dim=-1)
    x_BK, y_BK = cells_BK2.long().unbind(-1)
    return CenterPoints(y_BK * width + x_BK, (centres_BK2 - cells_BK2).float(), sides_BK4.float())


def gather_at(map_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> torch.Tensor:
    """Return the map's values at flat cells y * W + x: (B, C, H, W), (B, K) int64 -> (B, K, C)."""
    flat_BCN = map_BCHW.flatten(2)
    indices_BCK = indices_BK[:, None, :].expand(-1, flat_BCN.shape[1], -1)
    return flat_BCN.gather(2, indices_BCK).transpose(1, 2)

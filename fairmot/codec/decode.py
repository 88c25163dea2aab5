"""From dense maps to detections: the inverse of `encode`.

Legend: B images, C classes, K peaks, H W map size.
"""

from typing import NamedTuple

import torch
from torch.nn import functional

from fairmot.codec.points import boxes_at, gather_at


class Peaks(NamedTuple):
    """The K best peaks of each image, best first; boxes in map cells."""

    boxes_BK4: torch.Tensor  # left, top, right, bottom
    scores_BK: torch.Tensor
    classes_BK: torch.Tensor  # int64
    indices_BK: torch.Tensor  # int64, y * W + x


def decode(heatmap_BCHW: torch.Tensor, size_ltrb: torch.Tensor, offset: torch.Tensor, *, top_k: int) -> Peaks:
    """Read boxes at the local maxima of a heatmap.

    heatmap_BCHW: probabilities (after the sigmoid); size_ltrb (B, 4, H, W) and offset (B, 2, H, W) in cells.
    A cell is a peak when no neighbour (3x3, same class) is higher. K is `top_k`, or C*H*W where the map is smaller.
    Source: Zhou et al., Objects as Points, section 4; sizes as left, top, right, bottom: FairMOT's published code.
    """
    scores_BK, classes_BK, indices_BK = find_peaks(heatmap_BCHW, top_k=top_k)
    sides_BK4, offsets_BK2 = gather_at(size_ltrb, indices_BK), gather_at(offset, indices_BK)
    boxes_BK4 = boxes_at(indices_BK, sides_BK4, offsets_BK2, width=heatmap_BCHW.shape[-1])
    return Peaks(boxes_BK4, scores_BK, classes_BK, indices_BK)


def find_peaks(heatmap_BCHW: torch.Tensor, *, top_k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return scores, classes and flat cells, each (B, K), of the highest 3x3 local maxima."""
    _, classes, height, width = heatmap_BCHW.shape
    highest = functional.max_pool2d(heatmap_BCHW, kernel_size=3, stride=1, padding=1)
    peaks_BN = (heatmap_BCHW * (highest == heatmap_BCHW)).flatten(1)
    scores_BK, places_BK = peaks_BN.topk(min(top_k, classes * height * width))
    return scores_BK, places_BK // (height * width), places_BK % (height * width)

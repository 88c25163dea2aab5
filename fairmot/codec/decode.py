"""Decoder of detections from the heads' outputs: the inverse of `encode`.

Legend: B images, C classes, K peaks, H W map size.
"""

from typing import NamedTuple

import torch
from torch.nn import functional

from fairmot.codec.head_reader import HeadReader
from fairmot.codec.points import CenterPoints


class Peaks(NamedTuple):
    """The K highest peaks of each image in descending order."""

    boxes_BK4: torch.Tensor  # left, top, right, bottom in map cells
    scores_BK: torch.Tensor
    classes_BK: torch.Tensor  # int64
    points: CenterPoints


def decode(heatmap_BCHW: torch.Tensor, size_ltrb: HeadReader, offset: HeadReader, *, top_k: int) -> Peaks:
    """Read boxes at the local maxima of a heatmap.

    heatmap_BCHW: probabilities (after the sigmoid); size_ltrb (4 values per cell) and offset (2) in cells.
    A cell is a peak if no neighbour (3x3, same class) is higher. K is `top_k`, or C*H*W if the map is smaller.
    Source: Zhou et al., Objects as Points, section 4; sizes as left, top, right, bottom as in the reference
    implementation of FairMOT.
    """
    _, classes, height, width = heatmap_BCHW.shape
    highest = functional.max_pool2d(heatmap_BCHW, kernel_size=3, stride=1, padding=1)
    peaks_BN = (heatmap_BCHW * (highest == heatmap_BCHW)).flatten(1)
    scores_BK, positions_BK = peaks_BN.topk(min(top_k, classes * height * width))
    classes_BK, indices_BK = positions_BK // (height * width), positions_BK % (height * width)
    points = CenterPoints(indices_BK, offset.at(indices_BK), size_ltrb.at(indices_BK))
    return Peaks(points.boxes(width=width), scores_BK, classes_BK, points)

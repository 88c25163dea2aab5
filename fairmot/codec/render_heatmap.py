"""Heatmap rendering on the device: the heatmap of `encode` for a full batch in one call.

Legend: B images, K objects of the fullest image, C classes, H W map size, N objects, P pairs of an object and a cell.
"""

from typing import NamedTuple

import torch

from fairmot.codec.windows import arange_per_item, chunk_counts
from fairmot.structures.batch import Batch

STRIDE = 4
CHUNK_PAIRS = 2**18  # limits the working memory to 50 MB


class _Windows(NamedTuple):
    """N Gaussians, each cut to its window on the map; all int64 of shape (N,)."""

    planes: torch.Tensor  # image * C + class
    x: torch.Tensor  # the centre's cell
    y: torch.Tensor
    radii: torch.Tensor
    left: torch.Tensor
    top: torch.Tensor
    heights: torch.Tensor
    widths: torch.Tensor


@torch.no_grad()
def render_heatmap(
    indices_BK: torch.Tensor,
    classes_BK: torch.Tensor,
    radii_BK: torch.Tensor,
    mask_BK: torch.Tensor,
    *,
    num_classes: int,
    map_hw: tuple[int, int],
) -> torch.Tensor:
    """Return the heatmap (B, C, H, W) float32 of the objects where `mask_BK`, on their device.

    indices_BK: centre cells y * W + x; classes_BK: from 0, below `num_classes`; radii_BK: radii of the Gaussians in
    cells (all int64). A cell is the maximum of the Gaussians that cover it, computed in float64 as in `encode`: 1 at
    centres, 0 outside all Gaussians. Memory is bounded by objects and cells, not by their product.
    Source: Law & Deng, CornerNet, section 3.2.
    """
    height, width = map_hw
    heatmap = torch.zeros(len(indices_BK) * num_classes * height * width, device=indices_BK.device)
    images, columns = mask_BK.nonzero(as_tuple=True)
    indices, radii = indices_BK[images, columns], radii_BK[images, columns]
    x, y = indices % width, indices // width
    left, top = (x - radii).clamp(min=0), (y - radii).clamp(min=0)
    widths = (x + radii).clamp(max=width - 1) - left + 1
    heights = (y + radii).clamp(max=height - 1) - top + 1
    windows = _Windows(images * num_classes + classes_BK[images, columns], x, y, radii, left, top, heights, widths)
    counts = chunk_counts(heights * widths, max_cells=CHUNK_PAIRS)
    for chunk in zip(*(torch.split(values, counts) for values in windows), strict=True):
        _splat_max(heatmap, _Windows(*chunk), map_hw)
    return heatmap.view(-1, num_classes, height, width)


def complete_heatmap(batch: Batch, *, stride: int = STRIDE) -> Batch:
    """Return `batch` with its heatmap rendered if that is empty (B, C, 0, 0); otherwise the batch itself."""
    if batch.heatmap_BCHW.shape[2:].numel():
        return batch
    objects = (batch.indices_BK, batch.classes_BK, batch.radii_BK, batch.mask_BK)
    height, width = batch.images_B3HW.shape[2:]
    map_hw = (height // stride, width // stride)
    return batch._replace(heatmap_BCHW=render_heatmap(*objects, num_classes=batch.heatmap_BCHW.shape[1], map_hw=map_hw))


def _splat_max(heatmap: torch.Tensor, windows: _Windows, map_hw: tuple[int, int]) -> None:
    """Draw the Gaussians of `windows`, row by row (R rows), into the flat `heatmap` in place; a cell keeps the maximum.

    Sigma is a sixth of a Gaussian's width 2 * radius + 1.
    """
    height, width = map_hw
    objects_R, row_R = arange_per_item(windows.heights)
    planes_R, x_R, y_R, radii_R, left_R, top_R, _, widths_R = (value[objects_R] for value in windows)
    row_R += top_R
    sigmas_R = (2 * radii_R + 1).double() / 6
    rows_P, column_P = arange_per_item(widths_R)
    cells_P = ((planes_R * height + row_R) * width + left_R).index_select(0, rows_P) + column_P
    dx_P = (left_R - x_R).index_select(0, rows_P) + column_P
    squared_P = dx_P * dx_P + ((row_R - y_R) ** 2).index_select(0, rows_P)
    values_P = (squared_P / (-2 * sigmas_R * sigmas_R).index_select(0, rows_P)).exp()
    heatmap.scatter_reduce_(0, cells_P, values_P.float(), reduce="amax")

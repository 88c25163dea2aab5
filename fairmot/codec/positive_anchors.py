"""Positive anchors as in JDE: the assignment of map cells to objects.

JDE has anchors of fixed sizes on three maps. Here each cell of the single map is an anchor of the size of the object
that it is compared with: it is positive if the object's box, centred at the cell, has an IoU of at least 0.5 with the
object's box, JDE's threshold.
Source: Wang et al., Towards Real-Time Multi-Object Tracking, ECCV 2020, section 3.3.

Legend: B images, K objects of the fullest image, H W map size, N objects, P pairs of an object and a cell,
M = B * H * W cells, S assigned cells.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from fairmot.codec.points import CenterPoints
from fairmot.codec.windows import arange_per_item, chunk_counts
from fairmot.structures.batch import Batch

POSITIVE_IOU = 0.5
MAX_SHIFT = 1 / 3  # of a side: a box that is shifted farther has an IoU below 0.5 with itself
CHUNK_PAIRS = 2**18  # limits the working memory to 50 MB


class PositiveCells(NamedTuple):
    """S cells of a batch and the objects they are assigned to; every object has at least one."""

    cells_S: torch.Tensor  # int64, (image * H + y) * W + x
    objects_S: torch.Tensor  # int64, index among the objects where the batch's mask is True, image by image


class _Objects(NamedTuple):
    """N objects: their boxes and windows of candidate cells. Integers are int64."""

    numbers_N: torch.Tensor  # from 0
    images_N: torch.Tensor
    centres_N2: torch.Tensor  # the centre's cell, x and y
    middles_N2: torch.Tensor  # of the box, in cells, float64; differs from the centre if that was clipped to the map
    sizes_N2: torch.Tensor  # width and height, in cells, float64
    corners_N2: torch.Tensor  # left and top cell of the window
    spans_N2: torch.Tensor  # its columns and rows


@torch.no_grad()
def positive_cells(batch: Batch, *, map_hw: tuple[int, int]) -> PositiveCells:
    """Return the cells of each object of `batch`, of known identity or not.

    The candidates of an object are its positive anchors and the cell of its centre. A cell is assigned to the object
    with the highest overlap; ties go to the nearest box middle, then to the first object of the batch. An object
    without any cell, as others cover it, gets the cell of its centre, which is then in the result twice. Memory is
    bounded by objects and cells, not by their product.
    """
    objects = _measure(batch, map_hw)
    owners_M = _assign_cells(objects, map_hw, cells=len(batch.mask_BK) * map_hw[0] * map_hw[1])
    cells_S = (owners_M < len(objects.numbers_N)).nonzero().squeeze(1)
    objects_S = owners_M[cells_S]
    empty_N = torch.bincount(objects_S, minlength=len(objects.numbers_N)) == 0
    centres_N = _flat(objects.images_N, objects.centres_N2, map_hw)
    return PositiveCells(torch.cat([cells_S, centres_N[empty_N]]), torch.cat([objects_S, objects.numbers_N[empty_N]]))


def _measure(batch: Batch, map_hw: tuple[int, int]) -> _Objects:
    height, width = map_hw
    images_N, columns_N = batch.mask_BK.nonzero(as_tuple=True)
    points = CenterPoints(batch.indices_BK, batch.offsets_BK2.double(), batch.sizes_BK4.double())
    boxes_N4 = points.boxes(width=width)[images_N, columns_N]
    middles_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
    sizes_N2 = (boxes_N4[:, 2:] - boxes_N4[:, :2]).clamp(min=0)
    indices_N = batch.indices_BK[images_N, columns_N]
    centres_N2 = torch.stack([indices_N % width, indices_N // width], dim=1)
    limits_2 = middles_N2.new_tensor([width - 1, height - 1])
    first_N2 = (middles_N2 - MAX_SHIFT * sizes_N2).ceil().clamp(min=0).minimum(limits_2).long().minimum(centres_N2)
    last_N2 = (middles_N2 + MAX_SHIFT * sizes_N2).floor().clamp(min=0).minimum(limits_2).long().maximum(centres_N2)
    numbers_N = torch.arange(len(images_N), device=images_N.device)
    return _Objects(numbers_N, images_N, centres_N2, middles_N2, sizes_N2, first_N2, last_N2 - first_N2 + 1)


def _assign_cells(objects: _Objects, map_hw: tuple[int, int], *, cells: int) -> torch.Tensor:
    """Return the object of each cell (M,); the number of objects for cells without one.

    Three passes over the same pairs: the highest overlap at each cell, the smallest distance among equal overlaps, and
    the first object among equal distances.
    """
    like = objects.middles_N2
    best_M, nearest_M = like.new_full((cells,), -1.0), like.new_full((cells,), torch.inf)
    owners_M = torch.full((cells,), len(like), device=like.device)
    for cells_P, _, overlaps_P, _ in _chunked_pairs(objects, map_hw):
        best_M.scatter_reduce_(0, cells_P, overlaps_P, reduce="amax")
    for cells_P, _, overlaps_P, distances_P in _chunked_pairs(objects, map_hw):
        tied_P = overlaps_P == best_M[cells_P]
        nearest_M.scatter_reduce_(0, cells_P[tied_P], distances_P[tied_P], reduce="amin")
    for cells_P, objects_P, overlaps_P, distances_P in _chunked_pairs(objects, map_hw):
        tied_P = (overlaps_P == best_M[cells_P]) & (distances_P == nearest_M[cells_P])
        owners_M.scatter_reduce_(0, cells_P[tied_P], objects_P[tied_P], reduce="amin")
    return owners_M


def _chunked_pairs(objects: _Objects, map_hw: tuple[int, int]) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield all pairs of an object and a candidate cell, in chunks of objects, as `_make_pairs` returns them."""
    counts = chunk_counts(objects.spans_N2.prod(1), max_cells=CHUNK_PAIRS)
    for chunk in zip(*(torch.split(values, counts) for values in objects), strict=True):
        yield _make_pairs(_Objects(*chunk), map_hw)


def _make_pairs(objects: _Objects, map_hw: tuple[int, int]) -> tuple[torch.Tensor, ...]:
    """Return (P,) cells, objects, IoU, and squared distances from the cell to the box's middle (both float64)."""
    rows_P, positions_P = arange_per_item(objects.spans_N2.prod(1))
    numbers, images, centres, middles, sizes, corners, spans = (values.index_select(0, rows_P) for values in objects)
    cells_P2 = corners + torch.stack([positions_P % spans[:, 0], positions_P // spans[:, 0]], dim=1)
    shifts_P2 = cells_P2 - middles
    shared_P, area_P = (sizes - shifts_P2.abs()).clamp(min=0).prod(1), sizes.prod(1)
    overlaps_P = shared_P / (2 * area_P - shared_P).clamp(min=torch.finfo(area_P.dtype).tiny)
    kept_P = (overlaps_P >= POSITIVE_IOU) | (cells_P2 == centres).all(1)
    pairs = (_flat(images, cells_P2, map_hw), numbers, overlaps_P, shifts_P2.square().sum(1))
    return tuple(values[kept_P] for values in pairs)


def _flat(images: torch.Tensor, cells_xy: torch.Tensor, map_hw: tuple[int, int]) -> torch.Tensor:
    return (images * map_hw[0] + cells_xy[:, 1]) * map_hw[1] + cells_xy[:, 0]

"""Which cells are an object's own where every cell is an anchor, as JDE trains.

JDE's anchors have sizes of their own on three maps. On the one map here each cell is an anchor of whatever size the
object has that it is held against: it is positive where the object's box, moved so that its middle is the cell, has an
IoU of 0.5 or more with the box where it is, JDE's bound for a positive.
Source: Wang et al., Towards Real-Time Multi-Object Tracking, ECCV 2020, section 3.3.

Legend: B images, K objects of the fullest image, H W map size, N objects present, P pairs of an object and a cell,
M = B * H * W cells, S cells that have an owner.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from fairmot.codec.points import boxes_at
from fairmot.codec.windows import arange_per_item, chunk_counts
from fairmot.structures.batch import Batch

POSITIVE_IOU = 0.5
REACH = 1 / 3  # of a side: a box moved farther along it overlaps itself by an IoU below 0.5
PAIRS_AT_ONCE = 2**18  # working memory stays below 50 MB


class PositiveCells(NamedTuple):
    """S cells of a batch and whose they are; every object has at least one."""

    cells_S: torch.Tensor  # int64, (image * H + y) * W + x
    objects_S: torch.Tensor  # int64, the object's place among those where the batch's mask is True, image by image


class _Objects(NamedTuple):
    """N objects: their boxes, and the windows of cells that they may have. Whole numbers are int64."""

    numbers_N: torch.Tensor  # from 0
    images_N: torch.Tensor
    centres_N2: torch.Tensor  # the centre's cell, x and y
    middles_N2: torch.Tensor  # of the box, in cells, float64; beside the centre where that was clipped to the map
    sizes_N2: torch.Tensor  # width and height, in cells, float64
    corners_N2: torch.Tensor  # left and top cell of the window
    spans_N2: torch.Tensor  # its columns and rows


class _Pairs(NamedTuple):
    """P pairs of an object and a cell that it may have."""

    cells_P: torch.Tensor
    objects_P: torch.Tensor
    overlaps_P: torch.Tensor  # IoU, float64
    distances_P: torch.Tensor  # squared, from the cell to the box's middle, float64

    def where(self, kept_P: torch.Tensor) -> "_Pairs":
        return _Pairs(*(field[kept_P] for field in self))


@torch.no_grad()
def positive_cells(batch: Batch, *, map_hw: tuple[int, int]) -> PositiveCells:
    """Return the cells of each object of `batch`, of known identity or not.

    An object may have the cells where its anchor is positive, and the cell of its centre in any case. A cell goes to
    the object whose overlap there is highest; of several to the one whose box has its middle nearest, then to the first
    in the batch. An object that wins no cell, since others lie over it, has that of its centre all the same, which is
    then in the result twice. Memory is bounded by objects and cells, not by their product.
    """
    objects = _measure(batch, map_hw)
    owners_M = _settle(objects, map_hw, cells=len(batch.mask_BK) * map_hw[0] * map_hw[1])
    cells_S = (owners_M < len(objects.numbers_N)).nonzero().squeeze(1)
    objects_S = owners_M[cells_S]
    empty_N = torch.bincount(objects_S, minlength=len(objects.numbers_N)) == 0
    centres_N = _flat(objects.images_N, objects.centres_N2, map_hw)
    return PositiveCells(torch.cat([cells_S, centres_N[empty_N]]), torch.cat([objects_S, objects.numbers_N[empty_N]]))


def _measure(batch: Batch, map_hw: tuple[int, int]) -> _Objects:
    height, width = map_hw
    images_N, columns_N = batch.mask_BK.nonzero(as_tuple=True)
    boxes_BK4 = boxes_at(batch.indices_BK, batch.sizes_BK4.double(), batch.offsets_BK2.double(), width=width)
    boxes_N4 = boxes_BK4[images_N, columns_N]
    middles_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
    sizes_N2 = (boxes_N4[:, 2:] - boxes_N4[:, :2]).clamp(min=0)
    indices_N = batch.indices_BK[images_N, columns_N]
    centres_N2 = torch.stack([indices_N % width, indices_N // width], dim=1)
    limits_2 = middles_N2.new_tensor([width - 1, height - 1])
    first_N2 = (middles_N2 - REACH * sizes_N2).ceil().clamp(min=0).minimum(limits_2).long().minimum(centres_N2)
    last_N2 = (middles_N2 + REACH * sizes_N2).floor().clamp(min=0).minimum(limits_2).long().maximum(centres_N2)
    numbers_N = torch.arange(len(images_N), device=images_N.device)
    return _Objects(numbers_N, images_N, centres_N2, middles_N2, sizes_N2, first_N2, last_N2 - first_N2 + 1)


def _settle(objects: _Objects, map_hw: tuple[int, int], *, cells: int) -> torch.Tensor:
    """Return each cell's owner (M,), the number of objects where it has none.

    Three rounds over the same pairs: the highest overlap at each cell, the least distance of those that have it, and
    the first object of those that have both.
    """
    like = objects.middles_N2
    best_M, nearest_M = like.new_full((cells,), -1.0), like.new_full((cells,), torch.inf)
    owners_M = torch.full((cells,), len(like), device=like.device)
    for pairs in _pairs(objects, map_hw):
        best_M.scatter_reduce_(0, pairs.cells_P, pairs.overlaps_P, reduce="amax")
    for pairs in _pairs(objects, map_hw):
        level = pairs.where(pairs.overlaps_P == best_M[pairs.cells_P])
        nearest_M.scatter_reduce_(0, level.cells_P, level.distances_P, reduce="amin")
    for pairs in _pairs(objects, map_hw):
        level = pairs.where(pairs.overlaps_P == best_M[pairs.cells_P])
        level = level.where(level.distances_P == nearest_M[level.cells_P])
        owners_M.scatter_reduce_(0, level.cells_P, level.objects_P, reduce="amin")
    return owners_M


def _pairs(objects: _Objects, map_hw: tuple[int, int]) -> Iterator[_Pairs]:
    """Yield all pairs of an object and a cell that it may have, some objects at a time."""
    counts = chunk_counts(objects.spans_N2.prod(1), at_once=PAIRS_AT_ONCE)
    for group in zip(*(torch.split(values, counts) for values in objects), strict=True):
        yield _pair(_Objects(*group), map_hw)


def _pair(objects: _Objects, map_hw: tuple[int, int]) -> _Pairs:
    rows_P, places_P = arange_per_item(objects.spans_N2.prod(1))
    numbers, images, centres, middles, sizes, corners, spans = (values.index_select(0, rows_P) for values in objects)
    cells_P2 = corners + torch.stack([places_P % spans[:, 0], places_P // spans[:, 0]], dim=1)
    shifts_P2 = cells_P2 - middles
    shared_P, area_P = (sizes - shifts_P2.abs()).clamp(min=0).prod(1), sizes.prod(1)
    overlaps_P = shared_P / (2 * area_P - shared_P).clamp(min=torch.finfo(area_P.dtype).tiny)
    pairs = _Pairs(_flat(images, cells_P2, map_hw), numbers, overlaps_P, shifts_P2.square().sum(1))
    return pairs.where((overlaps_P >= POSITIVE_IOU) | (cells_P2 == centres).all(1))


def _flat(images: torch.Tensor, cells_xy: torch.Tensor, map_hw: tuple[int, int]) -> torch.Tensor:
    return (images * map_hw[0] + cells_xy[:, 1]) * map_hw[1] + cells_xy[:, 0]

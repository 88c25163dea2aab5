"""Where an object's embedding is read from the dense map: at training's objects and at inference's detections alike.

center: the value at the centre's cell (Zhang et al., FairMOT, section 4.3);
center_bi: bilinearly between the four cells around the centre;
roi_align: the mean over the box (He et al., Mask R-CNN, ICCV 2017, section 3);
pos_anchor: in training the values at all cells whose anchor is positive (JDE, see `anchors`), at inference the value at
the anchor that fired, which is the detection's cell: as `center`.

A cell's value stands at its integer coordinate, as in `boxes_at`. In training centres and boxes are the targets', so no
gradient of an embedding reaches the maps that detect.

Legend: B images, K objects, D embedding dimension, H W map size, N embeddings, Q the four cells around a place.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torchvision.ops import roi_align

from fairmot.codec.points import CenterPoints, gather_at
from fairmot.codec.positive_anchors import positive_cells
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import EmbeddingSamples

BINS, POINTS = 7, 2  # a box is 7 x 7 bins of 2 x 2 points, as Mask R-CNN's


class EmbeddingReader(Protocol):
    """An embedding map that need not be there as a whole."""

    @property
    def map_hw(self) -> tuple[int, int]:
        """Height and width in cells."""

    def embedding_at(self, indices_BK: torch.Tensor) -> torch.Tensor:
        """Return the values (B, K, D) at flat cells y * W + x."""

    def embedding_map(self) -> torch.Tensor:
        """Return the whole map (B, D, H, W)."""


class EmbeddingMap(NamedTuple):
    """An embedding map that is there as a whole: a `ReadsEmbeddings`."""

    values_BDHW: torch.Tensor

    @property
    def map_hw(self) -> tuple[int, int]:
        """Height and width in cells."""
        return self.values_BDHW.shape[-2], self.values_BDHW.shape[-1]

    def embedding_at(self, indices_BK: torch.Tensor) -> torch.Tensor:
        """Return the values (B, K, D) at flat cells y * W + x."""
        return gather_at(self.values_BDHW, indices_BK)

    def embedding_map(self) -> torch.Tensor:
        """Return the whole map (B, D, H, W)."""
        return self.values_BDHW


def read_embeddings(source: EmbeddingReader, places: CenterPoints, *, how: str = "center") -> torch.Tensor:
    """Return the embeddings (B, K, D), not normalised, of detections at `places`; `how`: see the module.

    `center` and `pos_anchor` read K cells, `center_bi` 4 K, `roi_align` the whole map.
    """
    return READERS[how](source, places)


def sample_for_training(embedding_BDHW: torch.Tensor, batch: Batch, *, how: str = "center") -> EmbeddingSamples:
    """Return the embeddings of the batch's objects whose identity is known; `how`: see the module.

    `pos_anchor` gives one or more of each object, with weights; the others one, in the batch's order.
    """
    if how == "pos_anchor":
        return _sample_own_cells(embedding_BDHW, batch)
    known_BK = batch.mask_BK & (batch.identities_BK >= 0)
    places = CenterPoints(batch.indices_BK, batch.offsets_BK2, batch.sizes_BK4)
    if how == "roi_align":  # no work for the padding
        boxes_BK4 = places.boxes(width=embedding_BDHW.shape[-1])
        embeddings_ND = _mean_over_boxes(embedding_BDHW, boxes_BK4[known_BK], known_BK.nonzero()[:, 0])
    else:
        embeddings_ND = read_embeddings(EmbeddingMap(embedding_BDHW), places, how=how)[known_BK]
    return EmbeddingSamples(embeddings_ND, batch.identities_BK[known_BK], batch.classes_BK[known_BK])


def _sample_own_cells(embedding_BDHW: torch.Tensor, batch: Batch) -> EmbeddingSamples:
    """Objects of unknown identity keep their cells to themselves: those train nobody."""
    cells_S, objects_S = positive_cells(batch, map_hw=(embedding_BDHW.shape[-2], embedding_BDHW.shape[-1]))
    counts = torch.bincount(objects_S)
    known_S = batch.identities_BK[batch.mask_BK][objects_S] >= 0
    cells_N, objects_N = cells_S[known_S], objects_S[known_S]
    rows = embedding_BDHW.permute(0, 2, 3, 1).flatten(0, 2)
    return EmbeddingSamples(
        rows.index_select(0, cells_N),
        batch.identities_BK[batch.mask_BK][objects_N],
        batch.classes_BK[batch.mask_BK][objects_N],
        1 / counts[objects_N].to(embedding_BDHW.dtype),
    )


def _read_at_cells(source: EmbeddingReader, places: CenterPoints) -> torch.Tensor:
    return source.embedding_at(places.indices_BK)


def _read_between_cells(source: EmbeddingReader, places: CenterPoints) -> torch.Tensor:
    cells_BKQ, shares_BKQ = _cells_around(places, source.map_hw)
    values_BND = source.embedding_at(cells_BKQ.flatten(1))
    values_BKQD = values_BND.view(*cells_BKQ.shape, values_BND.shape[-1])
    return (values_BKQD * shares_BKQ[..., None].to(values_BKQD.dtype)).sum(2)


def _read_boxes(source: EmbeddingReader, places: CenterPoints) -> torch.Tensor:
    boxes_BK4 = places.boxes(width=source.map_hw[1])
    images_B1 = torch.arange(len(boxes_BK4), device=boxes_BK4.device)[:, None]
    images_N = images_B1.expand(boxes_BK4.shape[:2]).flatten()
    values_ND = _mean_over_boxes(source.embedding_map(), boxes_BK4.flatten(0, 1), images_N)
    return values_ND.view(*boxes_BK4.shape[:2], values_ND.shape[-1])


READERS: dict[str, Callable[[EmbeddingReader, CenterPoints], torch.Tensor]] = {
    "center": _read_at_cells,
    "center_bi": _read_between_cells,
    "roi_align": _read_boxes,
    "pos_anchor": _read_at_cells,
}


def _cells_around(places: CenterPoints, map_hw: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the flat cells (B, K, 4) around the centres, clamped to the map, and their shares, of sum 1."""
    height, width = map_hw
    limits_2 = places.indices_BK.new_tensor([width - 1, height - 1])
    cells_BK2 = torch.stack([places.indices_BK % width, places.indices_BK // width], dim=-1)
    centres_BK2 = (cells_BK2 + places.offsets_BK2.double()).clamp(min=0).minimum(limits_2.double())
    first_BK2 = centres_BK2.long().clamp(min=0).minimum(limits_2)  # again: what is not a number becomes any cell
    second_BK2 = (first_BK2 + 1).minimum(limits_2)
    right_BK, below_BK = (centres_BK2 - first_BK2).unbind(-1)
    (x_BK, y_BK), (next_x_BK, next_y_BK) = first_BK2.unbind(-1), second_BK2.unbind(-1)
    columns_BKQ = torch.stack([x_BK, next_x_BK, x_BK, next_x_BK], dim=-1)
    rows_BKQ = torch.stack([y_BK, y_BK, next_y_BK, next_y_BK], dim=-1)
    across_BKQ = torch.stack([1 - right_BK, right_BK, 1 - right_BK, right_BK], dim=-1)
    down_BKQ = torch.stack([1 - below_BK, 1 - below_BK, below_BK, below_BK], dim=-1)
    return rows_BKQ * width + columns_BKQ, across_BKQ * down_BKQ


def _mean_over_boxes(map_BDHW: torch.Tensor, boxes_N4: torch.Tensor, images_N: torch.Tensor) -> torch.Tensor:
    """Return (N, D): the map's means over boxes, in cells, cut to the map; of a box beside it the values at its edge.

    The 7 x 7 bins of 2 x 2 points are equally large, so their mean is that of the 14 x 14 points, as of one bin.
    """
    limits_4 = boxes_N4.new_tensor([map_BDHW.shape[-1] - 1, map_BDHW.shape[-2] - 1]).repeat(2)
    clipped_N4 = boxes_N4.nan_to_num().clamp(min=0).minimum(limits_4)  # what is not a number would end the process
    # aligned: no box is widened to a cell; it takes half a cell off, which the convention above does not have
    rois_N5 = torch.cat([images_N[:, None], clipped_N4 + 0.5], dim=1).to(map_BDHW.dtype)
    means_ND11: torch.Tensor = roi_align(map_BDHW, rois_N5, 1, sampling_ratio=BINS * POINTS, aligned=True)
    return means_ND11.flatten(1)

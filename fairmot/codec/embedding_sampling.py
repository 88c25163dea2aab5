"""Sampling of re-ID embeddings from the embedding head, for ground-truth objects in training and for detections.

center: the value at the centre's cell (Zhang et al., FairMOT, section 4.3);
center_bi: bilinear interpolation between the four cells around the centre;
roi_align: the mean over the box (He et al., Mask R-CNN, ICCV 2017, section 3);
pos_anchor: in training the values at all positive anchors of the object (JDE, see `positive_anchors`), at inference
the value at the detection's cell, as `center`.

A cell's value is located at its integer coordinate, as in `CenterPoints.boxes`. Training uses the target
centres and boxes, so the embedding's gradient does not reach the detection heads.

Legend: B images, K objects, D embedding dimension, H W map size, N embeddings, Q the four cells around a point.
"""

from collections.abc import Callable

import torch
from torchvision.ops import roi_align

from fairmot.codec.head_reader import DenseHeadReader, HeadReader
from fairmot.codec.points import CenterPoints
from fairmot.codec.positive_anchors import positive_cells
from fairmot.structures.batch import Batch
from fairmot.structures.outputs import EmbeddingSamples

BINS, POINTS = 7, 2  # RoIAlign of 7 x 7 bins with 2 x 2 points each, as in Mask R-CNN


def sample_embeddings(embedding: HeadReader, points: CenterPoints, *, sampling: str = "center") -> torch.Tensor:
    """Return the embeddings (B, K, D), not normalised, at `points`; sampling: see the module's docstring.

    `center` and `pos_anchor` read K cells, `center_bi` 4 K, `roi_align` the full map.
    """
    return SAMPLERS[sampling](embedding, points)


def sample_for_training(embedding_BDHW: torch.Tensor, batch: Batch, *, sampling: str = "center") -> EmbeddingSamples:
    """Return the embeddings of the batch's objects of known identity; sampling: see the module's docstring.

    `pos_anchor` gives one or more weighted embeddings per object, the others one, in the batch's order.
    """
    if sampling == "pos_anchor":
        return _sample_positive_cells(embedding_BDHW, batch)
    known_BK = batch.mask_BK & (batch.identities_BK >= 0)
    points = CenterPoints(batch.indices_BK, batch.offsets_BK2, batch.sizes_BK4)
    if sampling == "roi_align":  # skips the padding
        boxes_BK4 = points.boxes(width=embedding_BDHW.shape[-1])
        embeddings_ND = _mean_over_boxes(embedding_BDHW, boxes_BK4[known_BK], known_BK.nonzero()[:, 0])
    else:
        embeddings_ND = sample_embeddings(DenseHeadReader(embedding_BDHW), points, sampling=sampling)[known_BK]
    return EmbeddingSamples(embeddings_ND, batch.identities_BK[known_BK], batch.classes_BK[known_BK])


def _sample_positive_cells(embedding_BDHW: torch.Tensor, batch: Batch) -> EmbeddingSamples:
    """The cells of objects of unknown identity are assigned to them and ignored."""
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


def _sample_center(embedding: HeadReader, points: CenterPoints) -> torch.Tensor:
    return embedding.at(points.indices_BK)


def _sample_bilinear(embedding: HeadReader, points: CenterPoints) -> torch.Tensor:
    cells_BKQ, weights_BKQ = _bilinear_cells(points, embedding.map_hw)
    values_BND = embedding.at(cells_BKQ.flatten(1))
    values_BKQD = values_BND.view(*cells_BKQ.shape, values_BND.shape[-1])
    return (values_BKQD * weights_BKQ[..., None].to(values_BKQD.dtype)).sum(2)


def _sample_boxes(embedding: HeadReader, points: CenterPoints) -> torch.Tensor:
    boxes_BK4 = points.boxes(width=embedding.map_hw[1])
    images_B1 = torch.arange(len(boxes_BK4), device=boxes_BK4.device)[:, None]
    images_N = images_B1.expand(boxes_BK4.shape[:2]).flatten()
    values_ND = _mean_over_boxes(embedding.dense(), boxes_BK4.flatten(0, 1), images_N)
    return values_ND.view(*boxes_BK4.shape[:2], values_ND.shape[-1])


SAMPLERS: dict[str, Callable[[HeadReader, CenterPoints], torch.Tensor]] = {
    "center": _sample_center,
    "center_bi": _sample_bilinear,
    "roi_align": _sample_boxes,
    "pos_anchor": _sample_center,
}


def _bilinear_cells(points: CenterPoints, map_hw: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the flat cells (B, K, 4) around the centres, clamped to the map, and their weights, of sum 1."""
    height, width = map_hw
    limits_2 = points.indices_BK.new_tensor([width - 1, height - 1])
    cells_BK2 = torch.stack([points.indices_BK % width, points.indices_BK // width], dim=-1)
    centres_BK2 = (cells_BK2 + points.offsets_BK2.double()).clamp(min=0).minimum(limits_2.double())
    first_BK2 = centres_BK2.long().clamp(min=0).minimum(limits_2)  # clamped again: NaN becomes any cell of the map
    second_BK2 = (first_BK2 + 1).minimum(limits_2)
    right_BK, below_BK = (centres_BK2 - first_BK2).unbind(-1)
    (x_BK, y_BK), (next_x_BK, next_y_BK) = first_BK2.unbind(-1), second_BK2.unbind(-1)
    columns_BKQ = torch.stack([x_BK, next_x_BK, x_BK, next_x_BK], dim=-1)
    rows_BKQ = torch.stack([y_BK, y_BK, next_y_BK, next_y_BK], dim=-1)
    across_BKQ = torch.stack([1 - right_BK, right_BK, 1 - right_BK, right_BK], dim=-1)
    down_BKQ = torch.stack([1 - below_BK, 1 - below_BK, below_BK, below_BK], dim=-1)
    return rows_BKQ * width + columns_BKQ, across_BKQ * down_BKQ


def _mean_over_boxes(map_BDHW: torch.Tensor, boxes_N4: torch.Tensor, images_N: torch.Tensor) -> torch.Tensor:
    """Return the means (N, D) of the map over boxes in cells, clipped to the map; a box outside reads the edge.

    The 7 x 7 bins of 2 x 2 points have equal size, so their mean equals that of one bin of 14 x 14 points.
    """
    limits_4 = boxes_N4.new_tensor([map_BDHW.shape[-1] - 1, map_BDHW.shape[-2] - 1]).repeat(2)
    clipped_N4 = boxes_N4.nan_to_num().clamp(min=0).minimum(limits_4)  # NaN would crash `roi_align`
    # `aligned` keeps small boxes as they are, and subtracts half a cell, which the convention above does not have
    rois_N5 = torch.cat([images_N[:, None], clipped_N4 + 0.5], dim=1).to(map_BDHW.dtype)
    means_ND11: torch.Tensor = roi_align(map_BDHW, rois_N5, 1, sampling_ratio=BINS * POINTS, aligned=True)
    return means_ND11.flatten(1)

"""From an image to detections, or to the embeddings of given boxes.

Legend: B = 1 image, K peaks or boxes, D embedding values used, H W input size, N boxes given.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fairmot.codec.decode import find_peaks
from fairmot.codec.embedding_sampling import read_embeddings
from fairmot.codec.points import points_from_boxes
from fairmot.engine.head_reading import DenseHeadReader, HeadReader, SparseHeadReader, SparseModel
from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.geometry.letterbox import (
    Letterbox,
    apply_letterbox,
    fit_letterbox,
    letterbox_boxes,
    undo_exact,
    undo_published,
)
from fairmot.structures.detections import Detections

UNDO = {"published": undo_published, "exact": undo_exact}


@dataclass(frozen=True)
class HeadOptions:
    """How the network's heads are read.

    heads: `sparse` runs the size, offset and embedding heads at the cells that are read alone (the network must be a
        `ReadsAtCells`), `dense` on the whole map; both give the same detections.
    sampling: where embeddings are read, see `codec.sample`; boxes and scores are the same for all. `roi_align` runs the
        embedding head on the whole map even with `sparse`.
    prefix: how many of an embedding's first values are used, and then scaled to unit length; 0 for all.
    """

    heads: str = "dense"
    sampling: str = "center"
    prefix: int = 0


class Predictor:
    """Letterbox -> network -> decode -> boxes back on the image.

    input_hw: network input (height, width), any size, multiples of the network's 32 without waste.
    top_k: peaks read at most; min_score: detections must score above it.
    undo: `published` (the published code's arithmetic, up to a pixel off) or `exact` (the letterbox's inverse).
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        input_hw: tuple[int, int],
        device: torch.device,
        top_k: int = 500,
        min_score: float = 0.1,
        undo: str = "published",
        reading: HeadOptions = HeadOptions(),
    ) -> None:
        self.model = model.to(device).eval()
        self.input_hw = input_hw
        self.device = device
        self.top_k = top_k
        self.min_score = min_score
        self.undo = UNDO[undo]
        self.reading = reading

    @torch.inference_mode()
    def __call__(self, image: ImageArray) -> Detections:
        """(H, W, 3) RGB uint8 -> detections in its pixels, best first."""
        letterbox = fit_letterbox(image.shape[:2], self.input_hw)
        maps = self._look_at(image, letterbox)
        scores_BK, classes_BK, indices_BK = find_peaks(maps.heatmap().sigmoid(), top_k=self.top_k)
        kept = scores_BK[0] > self.min_score
        places = maps.points_at(indices_BK)
        embeddings_BKD = read_embeddings(maps, places, how=self.reading.sampling)
        boxes_BK4 = places.boxes(width=maps.map_hw[1])
        boxes_xyxy = (boxes_BK4[0, kept] * self._stride(maps)).cpu().numpy()
        return Detections(
            boxes_xyxy=self.undo(boxes_xyxy, letterbox).astype(np.float32),
            scores=scores_BK[0, kept].cpu().numpy(),
            embeddings=functional.normalize(embeddings_BKD[0, kept], dim=1).cpu().numpy(),
            classes=classes_BK[0, kept].cpu().numpy(),
        )

    @torch.inference_mode()
    def embed(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """(H, W, 3) RGB uint8 and (N, 4) boxes in its pixels -> (N, D) unit embeddings, read as detections' are.

        A box may reach outside the image or lie there: its centre is clipped to the map, as in training.
        """
        letterbox = fit_letterbox(image.shape[:2], self.input_hw)
        maps = self._look_at(image, letterbox)
        boxes_N4 = torch.from_numpy(letterbox_boxes(boxes_xyxy.astype(np.float64), letterbox)).to(self.device)
        places = points_from_boxes(boxes_N4[None] / self._stride(maps), map_hw=maps.map_hw)
        embeddings_BKD = read_embeddings(maps, places, how=self.reading.sampling)
        return np.asarray(functional.normalize(embeddings_BKD[0], dim=1).cpu().numpy())

    def _look_at(self, image: ImageArray, letterbox: Letterbox) -> HeadReader:
        pixels_HW3 = torch.from_numpy(apply_letterbox(image, letterbox)).to(self.device)
        images_B3HW = pixels_HW3.permute(2, 0, 1)[None].float() / 255
        if self.reading.heads == "dense":
            return DenseHeadReader(self.model(images_B3HW), prefix=self.reading.prefix)
        model = cast(SparseModel, self.model)
        return SparseHeadReader(model, model.features(images_B3HW), prefix=self.reading.prefix)

    def _stride(self, maps: HeadReader) -> int:
        return -(-self.input_hw[0] // maps.map_hw[0])

"""Predictor: detections of an image, or the embeddings of given boxes.

Legend: B = 1 image, K peaks or boxes, D embedding dimension, H W input size, N given boxes.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fairmot.codec.decode import decode
from fairmot.codec.embedding_sampling import sample_embeddings
from fairmot.codec.head_reader import DenseHeadReader, HeadReaders
from fairmot.codec.points import points_from_boxes
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
    """Evaluation of the network's heads.

    heads: `sparse` runs the size, offset and embedding heads only at the required cells (the network must have
        `sparse_heads`, as `JointDetector`), `dense` on the full map; both give the same detections.
    sampling: see `codec.embedding_sampling`; boxes and scores do not depend on it. `roi_align` runs the embedding head
        on the full map even with `sparse`.
    prefix: number of leading embedding values to use, normalised to unit length; 0 for all.
    """

    heads: str = "dense"
    sampling: str = "center"
    prefix: int = 0


class Predictor:
    """Letterbox, network, decoder, and boxes mapped back to the image.

    input_hw: network input (height, width), any size; multiples of the network's 32 avoid padding.
    top_k: maximum number of peaks; min_score: detections must score above it.
    undo: `published` (arithmetic of the reference implementation, up to a pixel off) or `exact` (inverse letterbox).
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
        head_options: HeadOptions = HeadOptions(),
    ) -> None:
        self.model = model.to(device).eval()
        self.input_hw = input_hw
        self.device = device
        self.top_k = top_k
        self.min_score = min_score
        self.undo = UNDO[undo]
        self.head_options = head_options

    @torch.inference_mode()
    def __call__(self, image: ImageArray) -> Detections:
        """(H, W, 3) RGB uint8 -> detections in image pixels, by descending score."""
        letterbox = fit_letterbox(image.shape[:2], self.input_hw)
        heads = self._run_heads(image, letterbox)
        peaks = decode(heads.heatmap_BCHW.sigmoid(), heads.size_ltrb, heads.offset, top_k=self.top_k)
        embeddings_BKD = sample_embeddings(heads.embedding, peaks.points, sampling=self.head_options.sampling)
        kept = peaks.scores_BK[0] > self.min_score
        boxes_xyxy = (peaks.boxes_BK4[0, kept] * self._stride(heads)).cpu().numpy()
        return Detections(
            boxes_xyxy=self.undo(boxes_xyxy, letterbox).astype(np.float32),
            scores=peaks.scores_BK[0, kept].cpu().numpy(),
            embeddings=functional.normalize(embeddings_BKD[0, kept], dim=1).cpu().numpy(),
            classes=peaks.classes_BK[0, kept].cpu().numpy(),
        )

    @torch.inference_mode()
    def embed(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """(H, W, 3) RGB uint8 and (N, 4) boxes in image pixels -> (N, D) unit embeddings, sampled as for detections.

        Boxes may be partly or fully outside the image: the centre is clipped to the map, as in training.
        """
        letterbox = fit_letterbox(image.shape[:2], self.input_hw)
        heads = self._run_heads(image, letterbox)
        boxes_N4 = torch.from_numpy(letterbox_boxes(boxes_xyxy.astype(np.float64), letterbox)).to(self.device)
        points = points_from_boxes(boxes_N4[None] / self._stride(heads), map_hw=heads.embedding.map_hw)
        embeddings_BKD = sample_embeddings(heads.embedding, points, sampling=self.head_options.sampling)
        return np.asarray(functional.normalize(embeddings_BKD[0], dim=1).cpu().numpy())

    def _run_heads(self, image: ImageArray, letterbox: Letterbox) -> HeadReaders:
        pixels_HW3 = torch.from_numpy(apply_letterbox(image, letterbox)).to(self.device)
        images_B3HW = pixels_HW3.permute(2, 0, 1)[None].float() / 255
        num_values = self.head_options.prefix or None
        if self.head_options.heads == "sparse":
            return cast(HeadReaders, cast(Any, self.model).sparse_heads(images_B3HW, num_embedding_values=num_values))
        heatmap, size_ltrb, offset, embedding = self.model(images_B3HW)
        readers = (DenseHeadReader(values) for values in (size_ltrb, offset, embedding[:, :num_values]))
        return HeadReaders(heatmap, *readers)

    def _stride(self, heads: HeadReaders) -> int:
        return -(-self.input_hw[0] // heads.embedding.map_hw[0])

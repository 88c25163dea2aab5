"""From an image to detections. Legend: B = 1 image, K peaks, H W input size."""

from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fairmot.codec.decode import boxes_at, find_peaks
from fairmot.codec.gather import gather_at
from fairmot.geometry.arrays import ImageArray
from fairmot.geometry.letterbox import apply_letterbox, fit_letterbox, undo_exact, undo_published
from fairmot.structures.detections import Detections
from fairmot.structures.outputs import CellOutputs, HeadOutputs

UNDO = {"published": undo_published, "exact": undo_exact}


class ReadsAtCells(Protocol):
    """A network whose heads can run at single cells: what `heads="peaks"` asks for."""

    def features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return the map that the heads read."""

    def heatmap(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """Return the heatmap's logits."""

    def read_at(self, features_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> CellOutputs:
        """Return the other heads' values at flat cells."""


class _Found(NamedTuple):
    """The K best peaks of each image, and what the heads say there."""

    scores_BK: torch.Tensor
    classes_BK: torch.Tensor
    indices_BK: torch.Tensor
    values: CellOutputs
    map_hw: tuple[int, int]


class Predictor:
    """Letterbox -> network -> decode -> boxes back on the image.

    input_hw: network input (height, width), any size, multiples of the network's 32 without waste.
    top_k: peaks read at most; min_score: detections must score above it.
    undo: `published` (the published code's arithmetic, up to a pixel off) or `exact` (the letterbox's inverse).
    heads: `peaks` runs the size, offset and embedding heads at the peaks alone (`model` must be a `ReadsAtCells`),
    `dense` on the whole map; both give the same detections.
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
        heads: str = "dense",
    ) -> None:
        self.model = model.to(device).eval()
        self.input_hw = input_hw
        self.device = device
        self.top_k = top_k
        self.min_score = min_score
        self.undo = UNDO[undo]
        self.heads = heads

    @torch.inference_mode()
    def __call__(self, image: ImageArray) -> Detections:
        """(H, W, 3) RGB uint8 -> detections in its pixels, best first."""
        letterbox = fit_letterbox(image.shape[:2], self.input_hw)
        pixels_HW3 = torch.from_numpy(apply_letterbox(image, letterbox)).to(self.device)
        find = self._find_at_peaks if self.heads == "peaks" else self._find_densely
        found = find(pixels_HW3.permute(2, 0, 1)[None].float() / 255)
        kept = found.scores_BK[0] > self.min_score
        sides_BK4, offsets_BK2, embeddings_BKD = found.values
        boxes_BK4 = boxes_at(found.indices_BK, sides_BK4, offsets_BK2, width=found.map_hw[1])
        stride = -(-self.input_hw[0] // found.map_hw[0])
        boxes_xyxy = (boxes_BK4[0, kept] * stride).cpu().numpy()
        return Detections(
            boxes_xyxy=self.undo(boxes_xyxy, letterbox).astype(np.float32),
            scores=found.scores_BK[0, kept].cpu().numpy(),
            embeddings=functional.normalize(embeddings_BKD[0, kept], dim=1).cpu().numpy(),
            classes=found.classes_BK[0, kept].cpu().numpy(),
        )

    def _find_at_peaks(self, images_B3HW: torch.Tensor) -> _Found:
        model: ReadsAtCells = self.model  # type: ignore[assignment]
        features_BCHW = model.features(images_B3HW)
        heatmap = model.heatmap(features_BCHW).sigmoid()
        peaks = find_peaks(heatmap, top_k=self.top_k)
        return _Found(*peaks, model.read_at(features_BCHW, peaks[2]), (heatmap.shape[-2], heatmap.shape[-1]))

    def _find_densely(self, images_B3HW: torch.Tensor) -> _Found:
        outputs: HeadOutputs = self.model(images_B3HW)
        heatmap = outputs.heatmap.sigmoid()
        peaks = find_peaks(heatmap, top_k=self.top_k)
        values = CellOutputs(*(gather_at(getattr(outputs, name), peaks[2]) for name in CellOutputs._fields))
        return _Found(*peaks, values, (heatmap.shape[-2], heatmap.shape[-1]))

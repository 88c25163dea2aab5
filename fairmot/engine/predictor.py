"""From an image to detections."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fairmot.codec.decode import decode
from fairmot.codec.gather import gather_at
from fairmot.geometry.arrays import ImageArray
from fairmot.geometry.letterbox import apply_letterbox, fit_letterbox, undo_exact, undo_published
from fairmot.structures.detections import Detections
from fairmot.structures.outputs import HeadOutputs

UNDO = {"published": undo_published, "exact": undo_exact}


class Predictor:
    """Letterbox -> network -> decode -> boxes back on the image.

    input_hw: network input (height, width), multiples of the network's 32.
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
    ) -> None:
        self.model = model.to(device).eval()
        self.input_hw = input_hw
        self.device = device
        self.top_k = top_k
        self.min_score = min_score
        self.undo = UNDO[undo]

    @torch.inference_mode()
    def __call__(self, image: ImageArray) -> Detections:
        """(H, W, 3) RGB uint8 -> detections in its pixels, best first."""
        letterbox = fit_letterbox(image.shape[:2], self.input_hw)
        pixels = torch.from_numpy(np.ascontiguousarray(apply_letterbox(image, letterbox).transpose(2, 0, 1)))
        outputs: HeadOutputs = self.model(pixels.to(self.device)[None].float() / 255)
        stride = self.input_hw[0] // outputs.heatmap.shape[-2]
        peaks = decode(outputs.heatmap.sigmoid(), outputs.size_ltrb, outputs.offset, top_k=self.top_k)
        kept = peaks.scores_BK[0] > self.min_score
        embeddings = functional.normalize(gather_at(outputs.embedding, peaks.indices_BK)[0, kept], dim=1)
        boxes_xyxy = (peaks.boxes_BK4[0, kept] * stride).cpu().numpy()
        return Detections(
            boxes_xyxy=self.undo(boxes_xyxy, letterbox).astype(np.float32),
            scores=peaks.scores_BK[0, kept].cpu().numpy(),
            embeddings=embeddings.cpu().numpy(),
            classes=peaks.classes_BK[0, kept].cpu().numpy(),
        )

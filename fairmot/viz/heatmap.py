"""Predicted and ground truth heatmaps side by side, blended over the network's input."""

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, require_shape
from fairmot.viz.colours import Colour
from fairmot.viz.draw import Pen
from fairmot.viz.labels import Tag, draw_tag, tag_size

_TAG: Colour = (24, 26, 30)
_GAP = 4
_DIM = 0.55  # brightness of the image below the heatmap


def heatmap_pair(image: ImageArray, predicted: FloatArray, ground_truth: FloatArray) -> ImageArray:
    """Return (H, 2 W + 4, 3) RGB uint8: `predicted` over the image on the left, `ground_truth` on the right.

    image: (H, W, 3) RGB uint8. predicted, ground_truth: (h, w) in [0, 1] (after the sigmoid), any size, scaled to the
    image; values outside are clipped, non-finite values are 0. Raises ValueError when shapes disagree.
    """
    gap = np.full((image.shape[0], _GAP, 3), 255, dtype=np.uint8)
    left, right = overlay_heatmap(image, predicted, "predicted"), overlay_heatmap(image, ground_truth, "ground truth")
    return np.concatenate([left, gap, right], axis=1)


def overlay_heatmap(image: ImageArray, heatmap: FloatArray, caption: str) -> ImageArray:
    """Return a dimmed copy of `image` (H, W, 3) blended with `heatmap` (h, w) in [0, 1] and captioned with its peak."""
    require_shape("image", image, (None, None, 3))
    require_shape("heatmap", heatmap, (None, None))
    clean = np.clip(np.nan_to_num(heatmap, posinf=0, neginf=0), 0, 1).astype(np.float32)
    size_wh = (image.shape[1], image.shape[0])
    values = cv2.resize(clean, size_wh, interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap(np.round(values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = np.sqrt(values)[..., None]  # keeps low values visible
    blend = np.round(image * _DIM * (1 - weight) + colours * weight)
    panel: ImageArray = np.ascontiguousarray(blend, dtype=np.uint8)
    text = f"{caption}, highest {clean.max(initial=0):.2f}"
    text_height = Pen.for_image((image.shape[0], image.shape[1])).text_height
    draw_tag(panel, text, Tag(0, 0, *tag_size(text, text_height)), colour=_TAG, text_height=text_height)
    return panel

"""A predicted heatmap beside the true one, both over the network's input."""

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, require_shape
from fairmot.viz.colours import Colour
from fairmot.viz.draw import Pen
from fairmot.viz.labels import Tag, draw_tag, tag_size

_TAG: Colour = (24, 26, 30)
_GAP = 4
_DIM = 0.55  # the picture steps back behind the heat


def heatmap_pair(image: ImageArray, predicted: FloatArray, truth: FloatArray) -> ImageArray:
    """Return (H, 2 W + 4, 3) RGB uint8: `predicted` over the image on the left, `truth` on the right.

    image: (H, W, 3) RGB uint8. predicted, truth: (h, w) in [0, 1] (after the sigmoid), any size, scaled to the image;
    values outside are clipped and what is not finite counts as 0. Raises ValueError when shapes disagree.
    """
    gap = np.full((image.shape[0], _GAP, 3), 255, dtype=np.uint8)
    return np.concatenate(
        [overlay_heat(image, predicted, "predicted"), gap, overlay_heat(image, truth, "truth")], axis=1
    )


def overlay_heat(image: ImageArray, heat: FloatArray, caption: str) -> ImageArray:
    """Return a copy of `image` (H, W, 3), dimmed, with `heat` (h, w) in [0, 1] glowing on it and its peak in words."""
    require_shape("image", image, (None, None, 3))
    require_shape("heat", heat, (None, None))
    clean = np.clip(np.nan_to_num(heat, posinf=0, neginf=0), 0, 1).astype(np.float32)
    size_wh = (image.shape[1], image.shape[0])
    share = cv2.resize(clean, size_wh, interpolation=cv2.INTER_LINEAR)
    glow = cv2.applyColorMap(np.round(share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = np.sqrt(share)[..., None]  # faint heat stays visible
    blend = np.round(image * _DIM * (1 - weight) + glow * weight)
    panel: ImageArray = np.ascontiguousarray(blend, dtype=np.uint8)
    text = f"{caption}, highest {clean.max(initial=0):.2f}"
    text_height = Pen.for_image((image.shape[0], image.shape[1])).text_height
    draw_tag(panel, text, Tag(0, 0, *tag_size(text, text_height)), colour=_TAG, text_height=text_height)
    return panel

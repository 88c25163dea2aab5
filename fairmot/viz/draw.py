"""Drawing of boxes, identities and trails on a copy of an image; line width and text size scale with the image."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray, require_shape
from fairmot.viz.colours import Colour, colour_of
from fairmot.viz.labels import draw_labels

_SHIFT = 4  # fractional bits of coordinates: boxes are drawn at 1/16 pixel
OUTLINE: Colour = (16, 16, 16)


@dataclass(frozen=True)
class Pen:
    """Line thickness and text height in pixels.

    >>> Pen.for_image((540, 960)), Pen.for_image((1080, 1920))
    (Pen(thickness=2, text_height=10), Pen(thickness=3, text_height=21))
    """

    thickness: int
    text_height: int

    @staticmethod
    def for_image(image_hw: tuple[int, int]) -> "Pen":
        """Return the pen for an image of this height and width."""
        side = (image_hw[0] * image_hw[1]) ** 0.5
        return Pen(max(1, round(side / 420)), max(8, round(side / 70)))


def draw_tracks(
    image: ImageArray,
    boxes_tlwh: FloatArray,
    ids: IntArray,
    *,
    scores: FloatArray | None = None,
    trails: Mapping[int, FloatArray] | None = None,
) -> ImageArray:
    """Return a copy of `image` with a box, a label and optionally a trail for each track.

    image: (H, W, 3) RGB uint8. boxes_tlwh: (N, 4) pixels, may extend beyond the image. ids: (N,) identities, written on
    the boxes, each in its own colour (`colour_of`). scores: (N,), written after the identity. trails: identity ->
    (K, 2) points x, y, oldest first, K >= 1; see `FootTrails`. Raises ValueError when shapes disagree.
    """
    require_shape("image", image, (None, None, 3))
    require_shape("boxes_tlwh", boxes_tlwh, (len(ids), 4))
    texts, colours = [str(int(identity)) for identity in ids], [colour_of(int(identity)) for identity in ids]
    if scores is not None:
        require_shape("scores", scores, (len(ids),))
        texts = [f"{text} {score:.2f}" for text, score in zip(texts, scores, strict=True)]
    canvas = np.ascontiguousarray(image).copy()
    pen = Pen.for_image((image.shape[0], image.shape[1]))
    _draw_boxes(canvas, boxes_tlwh, colours, pen)
    for identity, points in (trails or {}).items():
        _draw_trail(canvas, points, colour_of(identity), pen)
    draw_labels(canvas, boxes_tlwh, texts, colours, text_height=pen.text_height)
    return canvas


def _draw_boxes(canvas: ImageArray, boxes_tlwh: FloatArray, colours: list[Colour], pen: Pen) -> None:
    """Draw boxes from the farthest person (highest foot) to the nearest."""
    for row in np.argsort(boxes_tlwh[:, 1] + boxes_tlwh[:, 3], kind="stable"):
        start = _fixed_point(boxes_tlwh[row, :2])
        end = _fixed_point(boxes_tlwh[row, :2] + boxes_tlwh[row, 2:])
        cv2.rectangle(canvas, start, end, OUTLINE, pen.thickness + 2, cv2.LINE_AA, _SHIFT)
        cv2.rectangle(canvas, start, end, colours[row], pen.thickness, cv2.LINE_AA, _SHIFT)


def _draw_trail(canvas: ImageArray, points_xy: FloatArray, colour: Colour, pen: Pen) -> None:
    """Draw a line that becomes thinner towards its oldest point, and a dot at its newest."""
    fixed = [_fixed_point(point) for point in points_xy]
    for step, (start, end) in enumerate(pairwise(fixed), 1):
        width = max(1, round(1.5 * pen.thickness * step / len(fixed)))
        cv2.line(canvas, start, end, colour, width, cv2.LINE_AA, _SHIFT)
    cv2.circle(canvas, fixed[-1], (pen.thickness + 1) << _SHIFT, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _fixed_point(point_xy: FloatArray) -> tuple[int, int]:
    """(2,) pixels -> OpenCV's fixed point, clipped to its 16-bit drawing range."""
    x, y = np.clip(np.nan_to_num(point_xy), -2000, 30000) * (1 << _SHIFT)
    return round(float(x)), round(float(y))

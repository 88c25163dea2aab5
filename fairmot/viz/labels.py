"""Text tags of boxes, placed with little overlap, and of captions."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.viz.colours import Colour, ink_on

_FONT = cv2.FONT_HERSHEY_SIMPLEX


class Tag(NamedTuple):
    """Filled rectangle of a text: corner and size in pixels."""

    left: int
    top: int
    width: int
    height: int

    def overlaps(self, other: "Tag") -> bool:
        """Whether the two have a pixel in common."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def draw_labels(
    canvas: ImageArray, boxes_tlwh: FloatArray, texts: Sequence[str], colours: Sequence[Colour], *, text_height: int
) -> None:
    """Draw each box's text on a tag of its colour (in place), the nearest person (lowest foot) first.

    A tag is drawn above its box's upper left corner; if it would overlap another tag, inside the box, at the upper
    right or below it; if all positions overlap, at the first. Tags are always inside the canvas.
    """
    placed: list[Tag] = []
    for row in np.argsort(-(boxes_tlwh[:, 1] + boxes_tlwh[:, 3]), kind="stable"):
        tags = _candidate_tags(boxes_tlwh[row], tag_size(texts[row], text_height), (canvas.shape[0], canvas.shape[1]))
        tag = next((tag for tag in tags if not any(tag.overlaps(other) for other in placed)), tags[0])
        placed.append(tag)
        draw_tag(canvas, texts[row], tag, colour=colours[row], text_height=text_height)


def tag_size(text: str, text_height: int) -> tuple[int, int]:
    """Return the (width, height) of a tag in pixels."""
    (width, height), below = cv2.getTextSize(text, _FONT, _scale(text_height), 1)
    pad = _pad(text_height)
    return width + 2 * pad, max(height, text_height) + below // 2 + 2 * pad


def draw_tag(canvas: ImageArray, text: str, tag: Tag, *, colour: Colour, text_height: int) -> None:
    """Fill `tag` with `colour` and draw `text` on it (in place)."""
    bottom, pad = tag.top + tag.height, _pad(text_height)
    below = cv2.getTextSize(text, _FONT, _scale(text_height), 1)[1] // 2
    cv2.rectangle(canvas, (tag.left, tag.top), (tag.left + tag.width - 1, bottom - 1), colour, cv2.FILLED)
    origin = (tag.left + pad, bottom - pad - below)
    cv2.putText(canvas, text, origin, _FONT, _scale(text_height), ink_on(colour), 1, cv2.LINE_AA)


def _candidate_tags(box_tlwh: FloatArray, size_wh: tuple[int, int], image_hw: tuple[int, int]) -> list[Tag]:
    """Return the possible tags of a box, the best first, each moved into the image."""
    left, top, box_width, box_height = (float(value) for value in np.clip(np.nan_to_num(box_tlwh), -1e5, 1e5))
    width, height = size_wh
    right, bottom = left + box_width, top + box_height
    corners = [(left, top - height), (left, top), (right - width, top - height), (left, bottom)]
    last_x, last_y = max(0, image_hw[1] - width), max(0, image_hw[0] - height)
    return [Tag(round(min(max(x, 0), last_x)), round(min(max(y, 0), last_y)), width, height) for x, y in corners]


def _scale(text_height: int) -> float:
    return float(cv2.getFontScaleFromHeight(_FONT, text_height))


def _pad(text_height: int) -> int:
    return max(2, text_height // 5)

"""Labelled images on one sheet."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.viz.contact_sheet import contact_sheet
from fairmot.viz.draw import draw_tracks

TILE_WIDTH = 640
COLUMNS = 3
_UNKNOWN = (236, 240, 244)
_OUTLINE = (16, 16, 16)


class Labelled(NamedTuple):
    """An image (H, W, 3) RGB uint8 with N boxes (N, 4) in its pixels, identities (N,), -1 unknown, and a caption."""

    image: ImageArray
    boxes_tlwh: FloatArray
    ids: IntArray
    caption: str


def mosaic(tiles: Sequence[Labelled], *, columns: int = COLUMNS, tile_width: int = TILE_WIDTH) -> ImageArray:
    """Return one image with all tiles: boxes in the colour of their identity with its number, grey where unknown.

    Images are scaled before they are drawn on, so that numbers can be read.
    """
    drawn = [_draw(tile, tile_width) for tile in tiles]
    return contact_sheet(drawn, columns=columns, captions=[tile.caption for tile in tiles], tile_width=tile_width)


def _draw(tile: Labelled, width: int) -> ImageArray:
    scale = width / tile.image.shape[1]
    size_wh = (width, max(1, round(tile.image.shape[0] * scale)))
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.ascontiguousarray(cv2.resize(tile.image, size_wh, interpolation=mode), dtype=np.uint8)
    boxes_tlwh = np.asarray(tile.boxes_tlwh, dtype=np.float64) * scale
    known = tile.ids >= 0
    corners = np.clip(np.stack([boxes_tlwh[:, :2], boxes_tlwh[:, :2] + boxes_tlwh[:, 2:]], axis=1), -2000, 30000)
    for start, end in corners[~known].round().astype(int).tolist():
        cv2.rectangle(canvas, start, end, _OUTLINE, 3)
        cv2.rectangle(canvas, start, end, _UNKNOWN, 1)
    return draw_tracks(canvas, boxes_tlwh[known], tile.ids[known])

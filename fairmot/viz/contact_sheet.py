"""Contact sheet: images in a grid of equal tiles, with captions or labelled boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray, require_shape
from fairmot.viz.colours import Colour
from fairmot.viz.draw import OUTLINE, draw_tracks
from fairmot.viz.labels import Tag, draw_tag, tag_size

_BACKGROUND: Colour = (24, 26, 30)
_CAPTION: Colour = (44, 47, 54)
_UNKNOWN: Colour = (236, 240, 244)
_GAP = 6


class MosaicTile(NamedTuple):
    """Image (H, W, 3) RGB uint8 with boxes (N, 4) in pixels, identities (N,), -1 unknown, and a caption."""

    image: ImageArray
    boxes_tlwh: FloatArray
    ids: IntArray
    caption: str


def contact_sheet(
    images: Sequence[ImageArray], *, columns: int, captions: Sequence[str] = (), tile_width: int = 640
) -> ImageArray:
    """Return one RGB uint8 image with `images` in rows of `columns`.

    images: one or more of (H, W, 3) RGB uint8. All tiles have `tile_width` and the first image's aspect ratio; other
    images are fitted without distortion. captions: one text below each image, cut to the tile's width, or none.
    Raises ValueError without images or when captions do not match them.
    """
    if not images or columns < 1:
        raise ValueError(f"images: a sheet needs at least one image and column, got {len(images)} and {columns}")
    if captions and len(captions) != len(images):
        raise ValueError(f"captions: expected {len(images)}, got {len(captions)}")
    for image in images:
        require_shape("image", image, (None, None, 3))
    columns = min(columns, len(images))
    tile_hw = max(1, round(tile_width * images[0].shape[0] / images[0].shape[1])), tile_width
    tiles = [_fit(image, tile_hw) for image in images]
    if captions:
        tiles = [_add_caption(tile, caption) for tile, caption in zip(tiles, captions, strict=True)]
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), _BACKGROUND, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def draw_mosaic(images: Sequence[MosaicTile], *, columns: int = 3, tile_width: int = 640) -> ImageArray:
    """Return a contact sheet with boxes in the colour of their identity and its number, grey if unknown."""
    tiles = [_draw_boxes(labelled, tile_width) for labelled in images]
    captions = [labelled.caption for labelled in images]
    return contact_sheet(tiles, columns=columns, captions=captions, tile_width=tile_width)


def _draw_boxes(labelled: MosaicTile, width: int) -> ImageArray:
    """Scale an image to `width` and draw its boxes at that size, so that text is readable."""
    scale = width / labelled.image.shape[1]
    canvas = np.ascontiguousarray(_resize(labelled.image, (max(1, round(labelled.image.shape[0] * scale)), width)))
    boxes_tlwh = np.asarray(labelled.boxes_tlwh, dtype=np.float64) * scale
    known = labelled.ids >= 0
    corners = np.clip(np.stack([boxes_tlwh[:, :2], boxes_tlwh[:, :2] + boxes_tlwh[:, 2:]], axis=1), -2000, 30000)
    for start, end in corners[~known].round().astype(int).tolist():
        cv2.rectangle(canvas, start, end, OUTLINE, 3)
        cv2.rectangle(canvas, start, end, _UNKNOWN, 1)
    return draw_tracks(canvas, boxes_tlwh[known], labelled.ids[known])


def _resize(image: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    mode = cv2.INTER_AREA if size_hw[1] < image.shape[1] or size_hw[0] < image.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_hw[::-1], interpolation=mode), dtype=np.uint8)


def _fit(image: ImageArray, tile_hw: tuple[int, int]) -> ImageArray:
    """Scale an image to fit into a tile, centred."""
    scale = min(tile_hw[0] / image.shape[0], tile_hw[1] / image.shape[1])
    height, width = (min(side, max(1, round(own * scale))) for side, own in zip(tile_hw, image.shape[:2], strict=True))
    tile = np.full((*tile_hw, 3), _BACKGROUND, dtype=np.uint8)
    top, left = (tile_hw[0] - height) // 2, (tile_hw[1] - width) // 2
    tile[top : top + height, left : left + width] = _resize(image, (height, width))
    return tile


def _add_caption(tile: ImageArray, caption: str) -> ImageArray:
    """Return the tile with a strip of text below it."""
    text_height = max(8, tile.shape[1] // 46)
    strip = np.full((tag_size("Ag", text_height)[1] + 4, tile.shape[1], 3), _CAPTION, dtype=np.uint8)
    while caption and tag_size(caption, text_height)[0] > tile.shape[1]:
        caption = caption[:-1]
    tag = Tag(2, 2, *tag_size(caption, text_height))
    draw_tag(strip, caption, tag, colour=_CAPTION, text_height=text_height)
    return np.concatenate([tile, strip])

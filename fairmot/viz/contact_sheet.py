"""Many pictures on one sheet, in even tiles."""

from collections.abc import Sequence

import cv2
import numpy as np

from fairmot.geometry.arrays import ImageArray, require_shape
from fairmot.viz.colours import Colour
from fairmot.viz.labels import Tag, draw_tag, tag_size

_PAPER: Colour = (24, 26, 30)
_CAPTION: Colour = (44, 47, 54)
_GAP = 6


def contact_sheet(
    images: Sequence[ImageArray], *, columns: int, captions: Sequence[str] = (), tile_width: int = 640
) -> ImageArray:
    """Return one RGB uint8 image with `images` in rows of `columns`, read like text.

    images: one or more of (H, W, 3) RGB uint8. All tiles have `tile_width` and the first image's aspect; an image of
    another shape is fitted inside its tile, none is stretched. captions: one text below each image, or none at all;
    what is wider than its tile is cut. Raises ValueError without images or when captions do not match them.
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
    return _paste(tiles, columns)


def _fit(image: ImageArray, tile_hw: tuple[int, int]) -> ImageArray:
    """Scale an image to lie inside a tile, in its middle."""
    height, width = tile_hw
    scale = min(height / image.shape[0], width / image.shape[1])
    size_wh = (
        min(width, max(1, round(image.shape[1] * scale))),
        min(height, max(1, round(image.shape[0] * scale))),
    )
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.full((height, width, 3), _PAPER, dtype=np.uint8)
    top, left = (height - size_wh[1]) // 2, (width - size_wh[0]) // 2
    tile[top : top + size_wh[1], left : left + size_wh[0]] = small
    return tile


def _add_caption(tile: ImageArray, caption: str) -> ImageArray:
    """Return the tile with a strip of text below it."""
    text_height = max(8, tile.shape[1] // 46)
    strip_height = tag_size("Ag", text_height)[1] + 4
    strip = np.full((strip_height, tile.shape[1], 3), _CAPTION, dtype=np.uint8)
    while caption and tag_size(caption, text_height)[0] > tile.shape[1]:
        caption = caption[:-1]
    width, height = tag_size(caption, text_height)
    draw_tag(strip, caption, Tag(2, 2, width, height), colour=_CAPTION, text_height=text_height)
    return np.concatenate([tile, strip])


def _paste(tiles: Sequence[ImageArray], columns: int) -> ImageArray:
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3)
    sheet = np.full(size, _PAPER, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet

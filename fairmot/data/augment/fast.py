"""The published augmentation in one step: a smaller decode, colours on it, one warp from there to the network's input.

`augment` reads the whole image, colours it, scales it and then warps it. Here the decoder scales already, and
letterbox, warp and mirror are one matrix, so that each pixel is interpolated once instead of twice. At 608x1088 from
1920x1080 pixels differ by 0.5 of 255 in the mean, and gradients are as steep to 1 %.
"""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from fairmot.data.augment.affine import AugmentDraw, affine_matrix, jitter_colours
from fairmot.formats.images import ReducedImage
from fairmot.geometry.arrays import ImageArray
from fairmot.geometry.letterbox import GREY, Letterbox

# Pixels to read a side, in those of the letterboxed image: what the first of the full path's two interpolations blurs
# needs not be decoded. It makes 1/2 of 1080 rows (540) enough for 608.
DETAIL = 0.88


def cover_size(input_hw: tuple[int, int]) -> tuple[float, float]:
    """Return the (height, width) in pixels that an image for `input_hw` is to be read at, or more."""
    return DETAIL * input_hw[0], DETAIL * input_hw[1]


def render(
    reduced: ReducedImage, letterbox: Letterbox, draw: AugmentDraw, *, axes: Literal["correct", "published"] = "correct"
) -> ImageArray:
    """Return the network's input (H, W, 3) uint8 RGB: `reduced` coloured, letterboxed, warped and mirrored.

    letterbox: of the file's full size.
    """
    height, width = letterbox.input_hw
    matrix = affine_matrix(draw, (height, width), axes) @ _letterbox_matrix(letterbox, reduced.share)
    if draw.mirrored:
        matrix = np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]]) @ matrix
    rgba = jitter_colours(reduced.pixels, draw, channels=4)
    warped = cv2.warpAffine(rgba, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderValue=(*GREY, 255))
    return np.asarray(cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), dtype=np.uint8)


def _letterbox_matrix(letterbox: Letterbox, share: float) -> npt.NDArray[np.float64]:
    """Return the 3x3 matrix from pixel centres of the image read at `share` to those of the letterboxed one."""
    matrix = np.eye(3)
    top, _, left, _ = letterbox.borders
    for axis, border in ((0, left), (1, top)):
        scale = letterbox.resized_hw[1 - axis] / letterbox.image_hw[1 - axis] / share
        matrix[axis, axis], matrix[axis, 2] = scale, (scale - 1) / 2 + border
    return matrix

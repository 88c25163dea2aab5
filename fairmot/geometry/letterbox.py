"""Letterbox: resizing of an image to the network's input with its aspect ratio kept, and the inverse for boxes.

The image is scaled by one ratio and centred; the rest is grey. Boxes return to the image by the exact inverse or by the
formula of the reference implementation, which centres the scaled image without rounding and differs by up to 0.13 px
(1 px at the worst image sizes).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray

GREY = (127.5, 127.5, 127.5)


@dataclass(frozen=True)
class Letterbox:
    """Transform from an image of `image_hw` to an input of `input_hw`, both (height, width) in pixels.

    ratio: input pixels per image pixel.
    pad_left, pad_top: offset of boxes in input pixels; half of the padding, so it may end in .5 while the pixels start
        at the integer `borders`.
    """

    ratio: float
    pad_left: float
    pad_top: float
    image_hw: tuple[int, int]
    input_hw: tuple[int, int]

    @property
    def resized_hw(self) -> tuple[int, int]:
        """(height, width) of the scaled image, each at least 1."""
        height, width = (max(1, round(side * self.ratio)) for side in self.image_hw)
        return height, width

    @property
    def borders(self) -> tuple[int, int, int, int]:
        """Padding in pixels: top, bottom, left, right; an odd pixel is at the bottom or right."""
        top, bottom = round(self.pad_top - 0.1), round(self.pad_top + 0.1)
        left, right = round(self.pad_left - 0.1), round(self.pad_left + 0.1)
        return top, bottom, left, right


def fit_letterbox(image_hw: tuple[int, int], input_hw: tuple[int, int]) -> Letterbox:
    """Return the letterbox of two sizes (height, width); ValueError where a side is below 1.

    >>> box = fit_letterbox((1080, 1920), (608, 1088))
    >>> round(box.ratio, 4), box.pad_left, box.pad_top, box.resized_hw, box.borders
    (0.563, 3.5, 0.0, (608, 1081), (0, 0, 3, 4))
    """
    if min(*image_hw, *input_hw) < 1:
        raise ValueError(f"fit_letterbox: image {image_hw} and input {input_hw} need sides of 1 or more")
    ratio = min(input_hw[0] / image_hw[0], input_hw[1] / image_hw[1])
    height, width = Letterbox(ratio, 0.0, 0.0, image_hw, input_hw).resized_hw
    return Letterbox(ratio, (input_hw[1] - width) / 2, (input_hw[0] - height) / 2, image_hw, input_hw)


def round_up_hw(size_hw: tuple[int, int], multiple: int = 32) -> tuple[int, int]:
    """Return (height, width) rounded up to multiples of `multiple`; the network has a stride of up to 32.

    >>> round_up_hw((600, 1088))
    (608, 1088)
    """
    height, width = (-(-side // multiple) * multiple for side in size_hw)
    return height, width


def apply_letterbox(image: ImageArray, letterbox: Letterbox) -> ImageArray:
    """(H, W, 3) uint8 image of `image_hw` -> (h, w, 3) uint8 of `input_hw`; ValueError for an image of another size.

    Scaled with OpenCV's INTER_AREA; padded with grey 127.5, which OpenCV rounds to 128.
    """
    if image.shape[:2] != letterbox.image_hw:
        raise ValueError(f"apply_letterbox: expected an image of {letterbox.image_hw}, got {image.shape[:2]}")
    height, width = letterbox.resized_hw
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    padded = cv2.copyMakeBorder(resized, *letterbox.borders, cv2.BORDER_CONSTANT, value=GREY)
    return np.asarray(padded, dtype=np.uint8)


def letterbox_boxes(boxes_xyxy: FloatArray, letterbox: Letterbox) -> FloatArray:
    """(N, 4) xyxy in image pixels -> (N, 4) xyxy in input pixels; the inverse is `undo_exact`."""
    return np.asarray(boxes_xyxy * letterbox.ratio + _pads(letterbox, boxes_xyxy))


def undo_exact(boxes_xyxy: FloatArray, letterbox: Letterbox) -> FloatArray:
    """(N, 4) xyxy in input pixels -> (N, 4) xyxy in image pixels; the inverse of `letterbox_boxes`."""
    return np.asarray((boxes_xyxy - _pads(letterbox, boxes_xyxy)) / letterbox.ratio)


def undo_published(boxes_xyxy: FloatArray, letterbox: Letterbox) -> FloatArray:
    """(N, 4) xyxy in input pixels -> (N, 4) xyxy in image pixels, as in the reference implementation.

    The input's centre is the image's, and its width is max(W, input width / input height * H) image pixels.
    """
    (height, width), (input_height, input_width) = letterbox.image_hw, letterbox.input_hw
    span = max(width, input_width / input_height * height)
    input_centre = np.array([input_width / 2, input_height / 2] * 2, dtype=boxes_xyxy.dtype)
    image_centre = np.array([width / 2, height / 2] * 2, dtype=boxes_xyxy.dtype)
    return np.asarray((boxes_xyxy - input_centre) * (span / input_width) + image_centre)


def _pads(letterbox: Letterbox, like: FloatArray) -> FloatArray:
    return np.array([letterbox.pad_left, letterbox.pad_top] * 2, dtype=like.dtype)

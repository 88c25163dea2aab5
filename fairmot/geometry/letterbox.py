"""Fitting an image into the network's input without changing its shape, and boxes there and back.

The image is scaled by one ratio, placed in the middle, and the rest is grey. Two ways lead back: the exact inverse of
how boxes were carried in, and the published tracker's formula, which centres the scaled image without rounding and
lands up to 0.13 px elsewhere (1 px at the worst image sizes).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray

GREY = (127.5, 127.5, 127.5)


@dataclass(frozen=True)
class Letterbox:
    """How an image of `image_hw` lies in an input of `input_hw`, both (height, width) in pixels.

    ratio: input pixels per image pixel, the same in both directions.
    pad_left, pad_top: where the image's corner lies for boxes, in input pixels; half of the free space, so it may end
        in .5 while the pixels themselves start at `borders`.
    """

    ratio: float
    pad_left: float
    pad_top: float
    image_hw: tuple[int, int]
    input_hw: tuple[int, int]

    @property
    def resized_hw(self) -> tuple[int, int]:
        """Size of the scaled image, at least one pixel each way."""
        height, width = (max(1, round(side * self.ratio)) for side in self.image_hw)
        return height, width

    @property
    def borders(self) -> tuple[int, int, int, int]:
        """Grey rows and columns: top, bottom, left, right. An odd one goes to the bottom or the right."""
        top, bottom = round(self.pad_top - 0.1), round(self.pad_top + 0.1)
        left, right = round(self.pad_left - 0.1), round(self.pad_left + 0.1)
        return top, bottom, left, right


def fit_letterbox(image_hw: tuple[int, int], input_hw: tuple[int, int]) -> Letterbox:
    """Return the letterbox of an image in an input, sizes (height, width); ValueError where a side is below 1.

    >>> box = fit_letterbox((1080, 1920), (608, 1088))
    >>> round(box.ratio, 4), box.pad_left, box.pad_top, box.resized_hw, box.borders
    (0.563, 3.5, 0.0, (608, 1081), (0, 0, 3, 4))
    """
    if min(*image_hw, *input_hw) < 1:
        raise ValueError(f"fit_letterbox: image {image_hw} and input {input_hw} need sides of 1 or more")
    ratio = min(input_hw[0] / image_hw[0], input_hw[1] / image_hw[1])
    loose = Letterbox(ratio, 0.0, 0.0, image_hw, input_hw)
    height, width = loose.resized_hw
    return Letterbox(ratio, (input_hw[1] - width) / 2, (input_hw[0] - height) / 2, image_hw, input_hw)


def round_up_hw(size_hw: tuple[int, int], multiple: int = 32) -> tuple[int, int]:
    """Return (height, width) rounded up to multiples that the network can halve five times.

    >>> round_up_hw((600, 1088))
    (608, 1088)
    """
    height, width = (-(-side // multiple) * multiple for side in size_hw)
    return height, width


def apply_letterbox(image: ImageArray, letterbox: Letterbox) -> ImageArray:
    """(H, W, 3) uint8 image of `image_hw` -> (h, w, 3) uint8 of `input_hw`; ValueError for an image of another size.

    Scaled over areas (OpenCV's INTER_AREA), grey 127.5 around it, which OpenCV rounds to 128.
    """
    if image.shape[:2] != letterbox.image_hw:
        raise ValueError(f"apply_letterbox: an image of {image.shape[:2]}, the letterbox is for {letterbox.image_hw}")
    height, width = letterbox.resized_hw
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(resized, *letterbox.borders, cv2.BORDER_CONSTANT, value=GREY)
    return np.asarray(framed, dtype=np.uint8)


def letterbox_boxes(boxes_xyxy: FloatArray, letterbox: Letterbox) -> FloatArray:
    """(N, 4) xyxy in image pixels -> (N, 4) xyxy in input pixels; the inverse is `undo_exact`."""
    return np.asarray(boxes_xyxy * letterbox.ratio + _pads(letterbox, boxes_xyxy))


def undo_exact(boxes_xyxy: FloatArray, letterbox: Letterbox) -> FloatArray:
    """(N, 4) xyxy in input pixels -> (N, 4) xyxy in image pixels: exactly undoes `letterbox_boxes`."""
    return np.asarray((boxes_xyxy - _pads(letterbox, boxes_xyxy)) / letterbox.ratio)


def undo_published(boxes_xyxy: FloatArray, letterbox: Letterbox) -> FloatArray:
    """(N, 4) xyxy in input pixels -> (N, 4) xyxy in image pixels, as the published tracker does.

    The middle of the input is the middle of the image, and the input's width spans
    max(W, input width / input height * H) image pixels.
    """
    (height, width), (input_height, input_width) = letterbox.image_hw, letterbox.input_hw
    span = max(width, input_width / input_height * height)
    input_middle = np.array([input_width / 2, input_height / 2] * 2, dtype=boxes_xyxy.dtype)
    image_middle = np.array([width / 2, height / 2] * 2, dtype=boxes_xyxy.dtype)
    return np.asarray((boxes_xyxy - input_middle) * (span / input_width) + image_middle)


def _pads(letterbox: Letterbox, like: FloatArray) -> FloatArray:
    return np.array([letterbox.pad_left, letterbox.pad_top] * 2, dtype=like.dtype)

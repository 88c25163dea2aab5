"""Augmentations beyond the paper, each off unless its probability says otherwise: mosaic, mix-up, erasing, blur, JPEG.

All work on network inputs of one size and are pure: what is random comes from `rng`. Identities and classes stay with
their boxes; the same person may be twice in a picture that was made of several.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from fairmot.data.augment.affine import MIN_SIDE, AugmentOptions, LabelledImage
from fairmot.formats.jpeg import decode_jpeg, encode_jpeg
from fairmot.geometry.arrays import BoolArray, FloatArray, ImageArray

MIN_VISIBLE = 0.3  # of a box's area: what a person who stays must show in a mosaic's tile or beside erased places
MIX_SHAPE = 8.0  # of the Beta distribution of mix-up's weights: 0.5 +- 0.12
ERASED_PLACES, ERASED_SHARE, ERASED_ASPECT = 3, (0.01, 0.06), (0.4, 2.5)  # at most; of the picture; width : height
BLUR_LENGTH, BLUR_SIGMA = (3, 9), (0.5, 1.5)  # pixels
JPEG_QUALITY = (20, 60)


def add_extras(
    picture: LabelledImage,
    rng: np.random.Generator,
    options: AugmentOptions,
    another: Callable[[], LabelledImage],
) -> LabelledImage:
    """Return `picture` with the extras that are drawn; nothing is drawn for those of probability 0.

    another: gives a further picture of the same size.
    """

    def happens(probability: float) -> bool:
        return probability > 0 and bool(rng.random() < probability)

    if happens(options.mosaic):
        picture = mosaic([picture, another(), another(), another()], rng)
    if happens(options.mixup):
        picture = mix_up(picture, another(), rng)
    if happens(options.erase):
        picture = erase(picture, rng)
    if happens(options.blur):
        picture = blur(picture, rng)
    if happens(options.jpeg):
        picture = add_jpeg_noise(picture, rng)
    return picture


def mosaic(pictures: Sequence[LabelledImage], rng: np.random.Generator) -> LabelledImage:
    """Return a part of each of four pictures (H, W) side by side, their common corner within the middle half.

    Nothing is scaled. Boxes are cut at their tile; those of which too little is left are dropped.
    """
    height, width = pictures[0].image.shape[:2]
    y, x = (int(rng.integers(side // 4, side - side // 4, endpoint=True)) for side in (height, width))
    canvas, tiles = np.empty_like(pictures[0].image), []
    for number, picture in enumerate(pictures):
        top, bottom = ((0, y), (y, height))[number // 2]
        left, right = ((0, x), (x, width))[number % 2]
        from_yx = int(rng.integers(height - bottom + top + 1)), int(rng.integers(width - right + left + 1))
        tile = _crop(picture, from_yx, (bottom - top, right - left))
        canvas[top:bottom, left:right] = tile.image
        tiles.append(replace(tile, boxes_xyxy=tile.boxes_xyxy + np.array([left, top, left, top])))
    return _together(canvas, tiles)


def _crop(picture: LabelledImage, corner_yx: tuple[int, int], size_hw: tuple[int, int]) -> LabelledImage:
    (y, x), (height, width) = corner_yx, size_hw
    boxes_xyxy = picture.boxes_xyxy - np.array([x, y, x, y])
    cut = boxes_xyxy.clip(0, np.array([width, height, width, height]))
    sides = cut[:, 2:] - cut[:, :2]
    kept = (sides > MIN_SIDE).all(axis=1) & (sides.prod(axis=1) >= MIN_VISIBLE * _areas(boxes_xyxy))
    return replace(picture, image=picture.image[y : y + height, x : x + width], boxes_xyxy=cut).only(kept)


def mix_up(picture: LabelledImage, other: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Return the weighted mean of two pictures of one size with the people of both."""
    weight = float(rng.beta(MIX_SHAPE, MIX_SHAPE))
    image = cv2.addWeighted(picture.image, weight, other.image, 1 - weight, 0)
    return _together(np.asarray(image, dtype=np.uint8), [picture, other])


def _together(image: ImageArray, pictures: Sequence[LabelledImage]) -> LabelledImage:
    return LabelledImage(
        image,
        boxes_xyxy=np.concatenate([picture.boxes_xyxy for picture in pictures]),
        identities=np.concatenate([picture.identities for picture in pictures]),
        classes=np.concatenate([picture.classes for picture in pictures]),
    )


def erase(picture: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Fill one to three rectangles, each with one colour. People of whom too little is left to be seen are dropped."""
    height, width = picture.image.shape[:2]
    image, erased = picture.image.copy(), np.zeros((height, width), dtype=np.bool_)
    for _ in range(int(rng.integers(1, ERASED_PLACES + 1))):
        area = rng.uniform(*ERASED_SHARE) * height * width
        aspect = math.exp(rng.uniform(*np.log(ERASED_ASPECT)))
        h, w = min(height, math.ceil(math.sqrt(area / aspect))), min(width, math.ceil(math.sqrt(area * aspect)))
        y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3, dtype=np.uint8)
        erased[y : y + h, x : x + w] = True
    return replace(picture, image=image).only(_mostly_seen(picture.boxes_xyxy, erased))


def _mostly_seen(boxes_xyxy: FloatArray, erased: BoolArray) -> BoolArray:
    """(N,) whether enough of a box's part of the picture (H, W) is not erased, or none of it is erased."""
    height, width = erased.shape
    sums = cv2.integral(erased.view(np.uint8))
    left, top, right, bottom = boxes_xyxy.round().clip(0, [width, height] * 2).astype(np.int64).T
    hidden = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    areas = (right - left) * (bottom - top)
    return np.asarray((hidden == 0) | (areas - hidden >= MIN_VISIBLE * areas))


def blur(picture: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Blur all of the picture: as moved along a line in any direction or, as often, as out of focus."""
    if rng.random() < 0.5:
        kernel = _line(int(rng.integers(*BLUR_LENGTH, endpoint=True)), float(rng.uniform(0, math.pi)))
        image = cv2.filter2D(picture.image, -1, kernel)
    else:
        image = cv2.GaussianBlur(picture.image, (0, 0), float(rng.uniform(*BLUR_SIGMA)))
    return replace(picture, image=np.asarray(image, dtype=np.uint8))


def _line(length: int, angle: float) -> FloatArray:
    """Return a kernel of sum 1: a line through its middle."""
    side = length | 1
    kernel = np.zeros((side, side), dtype=np.float32)
    reach = (length - 1) / 2
    steps = np.linspace(-reach, reach, 4 * length)
    rows, columns = (np.rint(side // 2 + steps * part).astype(np.int64) for part in (math.sin(angle), math.cos(angle)))
    np.add.at(kernel, (rows, columns), 1 / len(steps))
    return kernel


def add_jpeg_noise(picture: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Write and read the picture as a JPEG of low quality."""
    quality = int(rng.integers(*JPEG_QUALITY, endpoint=True))
    size_hw = picture.image.shape[0], picture.image.shape[1]
    return replace(picture, image=decode_jpeg(encode_jpeg(picture.image, quality=quality), size_hw=size_hw))


def _areas(boxes_xyxy: FloatArray) -> FloatArray:
    return np.asarray((boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1))

"""Augmentations beyond the paper, off by default: mosaic, mix-up, random erasing, blur, JPEG compression.

All are pure functions of network inputs of one size and of `rng`. Boxes keep their identities and classes; a person may
appear twice in an image composed of several.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from fairmot.data.augment.affine import MIN_SIDE, AugmentOptions, LabelledImage
from fairmot.formats.jpeg import decode_jpeg, encode_jpeg
from fairmot.geometry.arrays import BoolArray, FloatArray, ImageArray

MIN_VISIBLE = 0.3  # of a box's area: least part inside its mosaic tile or not erased, for the box to be kept
MIX_SHAPE = 8.0  # parameter of the Beta distribution of mix-up's weights: 0.5 +- 0.12
MAX_ERASED, ERASED_AREA, ERASED_ASPECT = 3, (0.01, 0.06), (0.4, 2.5)  # rectangles; of the image; width : height
BLUR_LENGTH, BLUR_SIGMA = (3, 9), (0.5, 1.5)  # pixels
JPEG_QUALITY = (20, 60)


def add_extras(
    labelled: LabelledImage,
    rng: np.random.Generator,
    options: AugmentOptions,
    another: Callable[[], LabelledImage],
) -> LabelledImage:
    """Apply each augmentation with its probability; nothing is drawn for a probability of 0.

    another: returns another image of the same size.
    """

    def happens(probability: float) -> bool:
        return probability > 0 and bool(rng.random() < probability)

    if happens(options.mosaic):
        labelled = mosaic([labelled, another(), another(), another()], rng)
    if happens(options.mixup):
        labelled = mix_up(labelled, another(), rng)
    if happens(options.erase):
        labelled = erase(labelled, rng)
    if happens(options.blur):
        labelled = blur(labelled, rng)
    if happens(options.jpeg):
        labelled = add_jpeg_noise(labelled, rng)
    return labelled


def mosaic(images: Sequence[LabelledImage], rng: np.random.Generator) -> LabelledImage:
    """Compose crops of four images (H, W) in a grid whose centre is in the middle half, without scaling.

    Boxes are clipped to their tile, and dropped where too little of them is left.
    """
    height, width = images[0].image.shape[:2]
    y, x = (int(rng.integers(side // 4, side - side // 4, endpoint=True)) for side in (height, width))
    canvas, tiles = np.empty_like(images[0].image), []
    for number, labelled in enumerate(images):
        top, bottom = ((0, y), (y, height))[number // 2]
        left, right = ((0, x), (x, width))[number % 2]
        from_yx = int(rng.integers(height - bottom + top + 1)), int(rng.integers(width - right + left + 1))
        tile = _crop(labelled, from_yx, (bottom - top, right - left))
        canvas[top:bottom, left:right] = tile.image
        tiles.append(replace(tile, boxes_xyxy=tile.boxes_xyxy + np.array([left, top, left, top])))
    return _combine(canvas, tiles)


def _crop(labelled: LabelledImage, corner_yx: tuple[int, int], size_hw: tuple[int, int]) -> LabelledImage:
    (y, x), (height, width) = corner_yx, size_hw
    boxes_xyxy = labelled.boxes_xyxy - np.array([x, y, x, y])
    cut = boxes_xyxy.clip(0, np.array([width, height, width, height]))
    sides = cut[:, 2:] - cut[:, :2]
    kept = (sides > MIN_SIDE).all(axis=1) & (
        sides.prod(axis=1) >= MIN_VISIBLE * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    )
    return replace(labelled, image=labelled.image[y : y + height, x : x + width], boxes_xyxy=cut).select(kept)


def mix_up(labelled: LabelledImage, other: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Return the weighted mean of two images of one size, with the objects of both."""
    weight = float(rng.beta(MIX_SHAPE, MIX_SHAPE))
    image = cv2.addWeighted(labelled.image, weight, other.image, 1 - weight, 0)
    return _combine(np.asarray(image, dtype=np.uint8), [labelled, other])


def _combine(image: ImageArray, images: Sequence[LabelledImage]) -> LabelledImage:
    return LabelledImage(
        image,
        boxes_xyxy=np.concatenate([labelled.boxes_xyxy for labelled in images]),
        identities=np.concatenate([labelled.identities for labelled in images]),
        classes=np.concatenate([labelled.classes for labelled in images]),
    )


def erase(labelled: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Fill one to three rectangles with a random colour each; mostly hidden objects are dropped."""
    height, width = labelled.image.shape[:2]
    image, erased = labelled.image.copy(), np.zeros((height, width), dtype=np.bool_)
    for _ in range(int(rng.integers(1, MAX_ERASED + 1))):
        area = rng.uniform(*ERASED_AREA) * height * width
        aspect = math.exp(rng.uniform(*np.log(ERASED_ASPECT)))
        h, w = min(height, math.ceil(math.sqrt(area / aspect))), min(width, math.ceil(math.sqrt(area * aspect)))
        y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3, dtype=np.uint8)
        erased[y : y + h, x : x + w] = True
    return replace(labelled, image=image).select(_is_visible(labelled.boxes_xyxy, erased))


def _is_visible(boxes_xyxy: FloatArray, erased: BoolArray) -> BoolArray:
    """Return (N,) whether enough of each box's part of the image (H, W) is not erased, or nothing of it is erased."""
    height, width = erased.shape
    sums = cv2.integral(erased.view(np.uint8))
    left, top, right, bottom = boxes_xyxy.round().clip(0, [width, height] * 2).astype(np.int64).T
    hidden = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    areas = (right - left) * (bottom - top)
    return np.asarray((hidden == 0) | (areas - hidden >= MIN_VISIBLE * areas))


def blur(labelled: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Blur the image by linear motion in a random direction or, with equal probability, by a Gaussian."""
    if rng.random() < 0.5:
        kernel = _line(int(rng.integers(*BLUR_LENGTH, endpoint=True)), float(rng.uniform(0, math.pi)))
        image = cv2.filter2D(labelled.image, -1, kernel)
    else:
        image = cv2.GaussianBlur(labelled.image, (0, 0), float(rng.uniform(*BLUR_SIGMA)))
    return replace(labelled, image=np.asarray(image, dtype=np.uint8))


def _line(length: int, angle: float) -> FloatArray:
    """Return a motion blur kernel of sum 1: a line through its centre."""
    side = length | 1
    kernel = np.zeros((side, side), dtype=np.float32)
    reach = (length - 1) / 2
    steps = np.linspace(-reach, reach, 4 * length)
    rows, columns = (np.rint(side // 2 + steps * part).astype(np.int64) for part in (math.sin(angle), math.cos(angle)))
    np.add.at(kernel, (rows, columns), 1 / len(steps))
    return kernel


def add_jpeg_noise(labelled: LabelledImage, rng: np.random.Generator) -> LabelledImage:
    """Encode and decode the image as a JPEG of low quality."""
    quality = int(rng.integers(*JPEG_QUALITY, endpoint=True))
    size_hw = labelled.image.shape[0], labelled.image.shape[1]
    return replace(labelled, image=decode_jpeg(encode_jpeg(labelled.image, quality=quality), size_hw=size_hw))

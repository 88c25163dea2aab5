"""Training augmentation of the reference implementation: colour jitter, affine warp, horizontal flip.

The recipe of JDE (Wang et al. 2020) that FairMOT uses. Order: colours of the image as read, then the letterbox, then
warp and flip of the network's input. Random draws are separate from their application. `fairmot.data.augment.fast`
computes nearly the same pixels in one step.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import BoolArray, FloatArray, ImageArray, IntArray
from fairmot.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from fairmot.geometry.letterbox import GREY

MIN_SIDE = 4.0  # input pixels that both sides of a warped box must exceed
MIN_AREA_RATIO = 0.1  # area after the warp to area before
MAX_ASPECT = 10.0  # longer side to shorter


@dataclass(frozen=True)
class AugmentOptions:
    """Ranges of the random draws; the defaults are those of the reference implementation, but for `translation_axes`.

    saturation, value: S and V are multiplied by 1 +- this.
    rotation, shear: largest angle in degrees, either way.
    translation: largest shift as a fraction of the input's width (x) and height (y), either way.
    scale: lowest and highest factor.
    flip: probability of the horizontal flip.
    translation_axes: "correct", or "published": x moves by a fraction of the height and y of the width.
    out_of_frame: objects warped completely out of the image: "published" keeps them, centre clipped to the border;
        "drop" removes them.
    implementation: "full" in the steps of the reference implementation, "fast" in one (`fairmot.data.augment.fast`).
    mosaic, mixup, erase, blur, jpeg: probabilities of `fairmot.data.augment.extra`; the paper has none of them.
    """

    saturation: float = 0.5
    value: float = 0.5
    rotation: float = 5.0
    translation: float = 0.1
    scale: tuple[float, float] = (0.5, 1.2)
    shear: float = 2.0
    flip: float = 0.5
    translation_axes: Literal["correct", "published"] = "correct"
    out_of_frame: Literal["published", "drop"] = "published"
    implementation: Literal["fast", "full"] = "fast"
    mosaic: float = 0.0
    mixup: float = 0.0
    erase: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0


@dataclass(frozen=True)
class AugmentDraw:
    """Random draw for one image: factors, angles in degrees, and shifts as fractions of the input's sides."""

    saturation_factor: float
    value_factor: float
    angle: float
    scale: float
    shift_xy: tuple[float, float]
    shear_xy: tuple[float, float]
    mirrored: bool


@dataclass(frozen=True)
class LabelledImage:
    """RGB image (H, W, 3) uint8 with boxes (N, 4) xyxy in its pixels, identities (N,) and classes (N,)."""

    image: ImageArray
    boxes_xyxy: FloatArray
    identities: IntArray
    classes: IntArray

    def select(self, kept: BoolArray) -> "LabelledImage":
        """Return the image with the objects selected by the mask `kept` (N,)."""
        return replace(
            self, boxes_xyxy=self.boxes_xyxy[kept], identities=self.identities[kept], classes=self.classes[kept]
        )


def draw_augmentation(rng: np.random.Generator, options: AugmentOptions) -> AugmentDraw:
    """Draw once for one image; the number of draws from `rng` is always the same."""

    def either_way(reach: float) -> float:
        return float(rng.uniform(-reach, reach))

    return AugmentDraw(
        saturation_factor=1 + either_way(options.saturation),
        value_factor=1 + either_way(options.value),
        angle=either_way(options.rotation),
        scale=float(rng.uniform(*options.scale)),
        shift_xy=(either_way(options.translation), either_way(options.translation)),
        shear_xy=(either_way(options.shear), either_way(options.shear)),
        mirrored=bool(rng.random() < options.flip),
    )


def jitter_colours(image: ImageArray, draw: AugmentDraw, *, channels: Literal[3, 4] = 3) -> ImageArray:
    """Multiply saturation and value of (H, W, 3) uint8 RGB; results are clipped at 255 and rounded down.

    channels: 4 returns opaque RGBA (H, W, 4), which OpenCV warps in half the time.
    """
    factors = np.array([1, draw.saturation_factor, draw.value_factor], dtype=np.float32)
    table = (np.arange(256, dtype=np.float32)[:, None] * factors).clip(0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    cv2.LUT(hsv, table[None], dst=hsv)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB, dstCn=channels), dtype=np.uint8)


def affine_matrix(
    draw: AugmentDraw, input_hw: tuple[int, int], axes: Literal["correct", "published"] = "correct"
) -> npt.NDArray[np.float64]:
    """Return the 3x3 matrix of a draw: rotation and scale about the centre, then translation, then shear."""
    height, width = input_hw
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), draw.angle, draw.scale)
    reach_x, reach_y = (width, height) if axes == "correct" else (height, width)
    matrix[:2, 2] += (draw.shift_xy[0] * reach_x, draw.shift_xy[1] * reach_y)
    shear = np.eye(3, dtype=np.float64)
    shear[0, 1], shear[1, 0] = (math.tan(math.radians(degrees)) for degrees in draw.shear_xy)
    return np.asarray(shear @ matrix, dtype=np.float64)


def warp_boxes(
    boxes_xyxy: FloatArray, matrix: npt.NDArray[np.float64], angle: float
) -> tuple[npt.NDArray[np.float64], BoolArray]:
    """Return the axis-aligned boxes around the warped ones (N, 4), and a mask of those that are kept (N,).

    The hull of a rotated box is too large, so its sides are scaled by max(|sin|, |cos|)^0.5 of `angle` (degrees). Kept:
    sides above 4 px, more than a tenth of the area before, aspect ratio below 10. Boxes are not clipped at the border.
    """
    corners = boxes_xyxy[:, [0, 1, 2, 3, 0, 3, 2, 1]].reshape(-1, 4, 2)
    warped = corners @ matrix[:2, :2].T + matrix[:2, 2]
    hull = xyxy_to_cxcywh(np.concatenate([warped.min(axis=1), warped.max(axis=1)], axis=1))
    radians = math.radians(angle)
    hull[:, 2:] *= max(abs(math.sin(radians)), abs(math.cos(radians))) ** 0.5
    sides, sides_before = hull[:, 2:], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    kept = (
        (sides > MIN_SIDE).all(axis=1)
        & (sides.prod(axis=1) > MIN_AREA_RATIO * sides_before.prod(axis=1))
        & (sides.max(axis=1) < MAX_ASPECT * sides.min(axis=1))
    )
    return np.asarray(cxcywh_to_xyxy(hull)), kept


def warp(labelled: LabelledImage, draw: AugmentDraw, options: AugmentOptions) -> LabelledImage:
    """Return the network's input warped and flipped by the draw, filled with grey outside the image."""
    height, width = labelled.image.shape[:2]
    matrix = affine_matrix(draw, (height, width), options.translation_axes)
    image = cv2.warpAffine(labelled.image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR, borderValue=GREY)
    if draw.mirrored:
        image = cv2.flip(image, 1)
    return transform_labels(replace(labelled, image=np.asarray(image, dtype=np.uint8)), draw, options)


def transform_labels(labelled: LabelledImage, draw: AugmentDraw, options: AugmentOptions) -> LabelledImage:
    """Warp and flip the boxes of an image whose pixels are transformed already; some boxes are dropped."""
    height, width = labelled.image.shape[:2]
    matrix = affine_matrix(draw, (height, width), options.translation_axes)
    warped, kept = warp_boxes(labelled.boxes_xyxy, matrix, draw.angle)
    if options.out_of_frame == "drop":
        kept &= touches(warped, (height, width))
    boxes_xyxy = mirror_boxes(warped, width) if draw.mirrored else warped
    return replace(labelled, boxes_xyxy=boxes_xyxy).select(kept)


def touches(boxes_xyxy: FloatArray, image_hw: tuple[int, int]) -> BoolArray:
    """Return (N,) whether each box overlaps an image of (height, width)."""
    limits = np.array([image_hw[1], image_hw[0]])
    return np.asarray((boxes_xyxy[:, 2:] > 0).all(axis=1) & (boxes_xyxy[:, :2] < limits).all(axis=1))


def mirror_boxes(boxes_xyxy: FloatArray, width: int) -> FloatArray:
    """Return (N, 4) boxes with left and right swapped in an image of `width` pixels.

    >>> mirror_boxes(np.array([[10.0, 20.0, 30.0, 60.0]]), 160).tolist()
    [[130.0, 20.0, 150.0, 60.0]]
    """
    mirrored = boxes_xyxy.copy()
    mirrored[:, [0, 2]] = width - boxes_xyxy[:, [2, 0]]
    return mirrored

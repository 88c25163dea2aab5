"""Paste sprites into a picture from far to near, and keep account of who is seen at each pixel."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.synthetic.sprite import Sprite

NOBODY = 0


@dataclass(frozen=True)
class Placement:
    """A sprite in a frame: its ground point in pixels, its size in pixels a metre, how far it moves while exposed.

    label: what the instance buffer holds where it is seen. smear: pixels of horizontal motion blur.
    """

    sprite: Sprite
    foot_xy: tuple[float, float]
    scale: float
    label: int
    smear: float = 0.0

    @property
    def ratio(self) -> float:
        """Image pixels a sprite pixel."""
        return self.scale / self.sprite.scale

    @property
    def box_tlwh(self) -> tuple[float, float, float, float]:
        """Extent of the whole silhouette in image pixels."""
        left, top, right, bottom = self.sprite.extent_xyxy
        x, y = (
            self.foot_xy[0] - self.sprite.foot_xy[0] * self.ratio,
            self.foot_xy[1] - self.sprite.foot_xy[1] * self.ratio,
        )
        return (
            x + left * self.ratio,
            y + top * self.ratio,
            (right - left) * self.ratio,
            (bottom - top) * self.ratio,
        )


class Ledger:
    """Who is seen at each pixel, and how large each silhouette is whether seen or not."""

    def __init__(self, size_hw: tuple[int, int], labels: int) -> None:
        """Labels of people run from 1 to `labels`; things have labels below 1."""
        self.instances: IntArray = np.zeros(size_hw, dtype=np.int32)
        self._sizes = np.zeros(labels + 1)

    def claim(self, alpha: ImageArray, corner: tuple[int, int], label: int) -> None:
        """Give `label` the pixels that a patch of `alpha` at `corner` (column, row) covers at least half."""
        solid = alpha >= 128
        if label > 0:
            self._sizes[label] += np.count_nonzero(solid)
        rows, columns, cut = clip_patch(solid, corner, self.instances.shape)
        self.instances[rows, columns][cut] = max(label, NOBODY)

    def visibilities(self) -> FloatArray:
        """(labels + 1,) share of each silhouette that is seen; what lies outside the image is not seen."""
        seen = np.bincount(self.instances.ravel(), minlength=len(self._sizes))
        return np.divide(seen, self._sizes, out=np.zeros(len(seen)), where=self._sizes > 0)


class Picture:
    """An image being composed (BGR, painted over in place) with its ledger."""

    def __init__(self, image: ImageArray, labels: int) -> None:
        """`labels`: how many people may be pasted."""
        self.image = image
        self.ledger = Ledger((image.shape[0], image.shape[1]), labels)

    def paste(self, placement: Placement) -> None:
        """Blend a sprite over what is there."""
        patch, corner = resample(placement)
        self.ledger.claim(patch[..., 3], corner, placement.label)
        rows, columns, patch = clip_patch(patch, corner, self.image.shape)
        if patch.size:
            _blend(self.image[rows, columns], patch)

    def cast_shadow(self, placement: Placement, slant: tuple[float, float], darkness: float) -> None:
        """Darken the ground by the sprite's outline, laid down: `slant` is x and y a pixel of height."""
        outline, corner = _lay_down(placement, slant)
        rows, columns, outline = clip_patch(outline, corner, self.image.shape)
        if outline.size:
            light = np.asarray(255 - outline * np.float32(darkness)).astype(np.uint8)
            region = self.image[rows, columns]
            cv2.multiply(region, cv2.cvtColor(light, cv2.COLOR_GRAY2BGR), dst=region, scale=1 / 255)


def _lay_down(placement: Placement, slant: tuple[float, float]) -> tuple[ImageArray, tuple[int, int]]:
    """Alpha of a shadow on the ground, softened, and the image position (column, row) of its corner."""
    sprite, ratio = placement.sprite, placement.ratio
    height, width = sprite.image.shape[:2]
    shear = np.array([[1.0, -slant[0]], [0.0, slant[1]]]) * ratio
    offset = np.array(placement.foot_xy) - shear @ np.array(sprite.foot_xy)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ shear.T + offset
    first = np.floor(corners.min(axis=0)).astype(int) - 1
    last = np.ceil(corners.max(axis=0)).astype(int) + 1
    matrix = np.column_stack([shear, offset - first])
    size = (int(last[0] - first[0]), int(last[1] - first[1]))
    outline = cv2.warpAffine(np.ascontiguousarray(sprite.image[..., 3]), matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.blur(outline, (3, 3)), dtype=np.uint8), (int(first[0]), int(first[1]))


def resample(placement: Placement) -> tuple[ImageArray, tuple[int, int]]:
    """The sprite at its size in the frame and the image position (column, row) of its corner."""
    sprite, ratio = placement.sprite, placement.ratio
    blur = round(placement.smear)
    pad = 1 + blur // 2
    x = placement.foot_xy[0] - sprite.foot_xy[0] * ratio
    y = placement.foot_xy[1] - sprite.foot_xy[1] * ratio
    left, top = int(np.floor(x)) - pad, int(np.floor(y)) - 1
    size = (
        int(np.ceil(sprite.image.shape[1] * ratio)) + 2 + 2 * pad,
        int(np.ceil(sprite.image.shape[0] * ratio)) + 3,
    )
    half = 0.5 * ratio - 0.5
    matrix = np.array([[ratio, 0, x - left + half], [0, ratio, y - top + half]])
    patch = cv2.warpAffine(sprite.image, matrix, size, flags=cv2.INTER_LINEAR)
    if blur >= 2:
        patch = cv2.blur(patch, (blur, 1), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(patch, dtype=np.uint8), (left, top)


def clip_patch(
    patch: npt.NDArray[Any], corner: tuple[int, int], shape: tuple[int, ...]
) -> tuple[slice, slice, npt.NDArray[Any]]:
    """Cut a patch at `corner` (column, row) to an image of `shape`: the image's rows and columns, and what is left."""
    left, top = corner
    first_row, first_column = max(0, -top), max(0, -left)
    last_row, last_column = min(patch.shape[0], shape[0] - top), min(patch.shape[1], shape[1] - left)
    cut = patch[first_row : max(first_row, last_row), first_column : max(first_column, last_column)]
    rows = slice(max(0, top), max(0, top) + cut.shape[0])
    return rows, slice(max(0, left), max(0, left) + cut.shape[1]), cut


def _blend(region: ImageArray, patch: ImageArray) -> None:
    """Premultiplied "over", in place."""
    through = cv2.cvtColor(np.asarray(255 - patch[..., 3]), cv2.COLOR_GRAY2BGR)
    cv2.multiply(region, through, dst=region, scale=1 / 255)
    cv2.add(region, cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR), dst=region)

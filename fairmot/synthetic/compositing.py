"""Compositing of sprites into an image from far to near, with an instance map.

A label is the identity of a person or other actor, from 1; props have labels below 1.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.synthetic.sprite import Sprite

BACKGROUND = 0


@dataclass(frozen=True)
class Placement:
    """Sprite in a frame: its ground point in pixels, pixels per metre, label and horizontal motion blur in pixels."""

    sprite: Sprite
    foot_xy: tuple[float, float]
    scale: float
    label: int
    motion_blur: float = 0.0

    @property
    def ratio(self) -> float:
        """Image pixels per sprite pixel."""
        return self.scale / self.sprite.scale

    @property
    def origin_xy(self) -> tuple[float, float]:
        """Image position of the sprite's upper left corner."""
        return (
            self.foot_xy[0] - self.sprite.foot_xy[0] * self.ratio,
            self.foot_xy[1] - self.sprite.foot_xy[1] * self.ratio,
        )

    @property
    def box_tlwh(self) -> tuple[float, float, float, float]:
        """Box of the full silhouette in image pixels."""
        left, top, right, bottom = self.sprite.extent_xyxy
        x, y = self.origin_xy
        ratio = self.ratio
        return x + left * ratio, y + top * ratio, (right - left) * ratio, (bottom - top) * ratio


class InstanceMap:
    """Label of the visible instance at each pixel, and the area of each full silhouette."""

    def __init__(self, size_hw: tuple[int, int], num_labels: int) -> None:
        """`num_labels`: the largest label."""
        self.labels: IntArray = np.zeros(size_hw, dtype=np.int32)
        self._areas = np.zeros(num_labels + 1)

    def paint(self, alpha: ImageArray, corner: tuple[int, int], label: int) -> None:
        """Set the pixels to `label` that `alpha`, placed at `corner` (column, row), covers by half or more."""
        solid = alpha >= 128
        if label > 0:
            self._areas[label] += np.count_nonzero(solid)
        rows, columns, clipped = clip_patch(solid, corner, self.labels.shape)
        self.labels[rows, columns][clipped] = max(label, BACKGROUND)

    def visibilities(self) -> FloatArray:
        """(num_labels + 1,) visible fraction of each silhouette; what is outside the image is not visible."""
        visible = np.bincount(self.labels.ravel(), minlength=len(self._areas))
        return np.divide(visible, self._areas, out=np.zeros(len(visible)), where=self._areas > 0)


class Canvas:
    """Image (BGR, modified in place) and its instance map."""

    def __init__(self, image: ImageArray, num_labels: int) -> None:
        """`num_labels`: the largest label."""
        self.image = image
        self.instance_map = InstanceMap((image.shape[0], image.shape[1]), num_labels)

    def paste(self, placement: Placement) -> None:
        """Blend a sprite over the image (premultiplied "over")."""
        patch, corner = resample(placement)
        self.instance_map.paint(patch[..., 3], corner, placement.label)
        rows, columns, patch = clip_patch(patch, corner, self.image.shape)
        if patch.size:
            region = self.image[rows, columns]
            transmission = cv2.cvtColor(np.asarray(255 - patch[..., 3]), cv2.COLOR_GRAY2BGR)
            cv2.multiply(region, transmission, dst=region, scale=1 / 255)
            cv2.add(region, cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR), dst=region)

    def draw_shadow(self, placement: Placement, slant: tuple[float, float], darkness: float) -> None:
        """Darken the ground by the sheared alpha of a sprite; `slant`: x and y per pixel of height."""
        alpha, corner = _shadow(placement, slant)
        rows, columns, alpha = clip_patch(alpha, corner, self.image.shape)
        if alpha.size:
            light = np.asarray(255 - alpha * np.float32(darkness)).astype(np.uint8)
            region = self.image[rows, columns]
            cv2.multiply(region, cv2.cvtColor(light, cv2.COLOR_GRAY2BGR), dst=region, scale=1 / 255)


def _shadow(placement: Placement, slant: tuple[float, float]) -> tuple[ImageArray, tuple[int, int]]:
    """Blurred alpha of a shadow on the ground, and the image position (column, row) of its corner."""
    sprite = placement.sprite
    height, width = sprite.image.shape[:2]
    shear = np.array([[1.0, -slant[0]], [0.0, slant[1]]]) * placement.ratio
    offset = np.array(placement.foot_xy) - shear @ np.array(sprite.foot_xy)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ shear.T + offset
    first = np.floor(corners.min(axis=0)).astype(int) - 1
    last = np.ceil(corners.max(axis=0)).astype(int) + 1
    matrix = np.column_stack([shear, offset - first])
    size = (int(last[0] - first[0]), int(last[1] - first[1]))
    alpha = cv2.warpAffine(np.ascontiguousarray(sprite.image[..., 3]), matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.blur(alpha, (3, 3)), dtype=np.uint8), (int(first[0]), int(first[1]))


def resample(placement: Placement) -> tuple[ImageArray, tuple[int, int]]:
    """Return the sprite at its size in the frame, and the image position (column, row) of its corner."""
    sprite, ratio = placement.sprite, placement.ratio
    blur = round(placement.motion_blur)
    pad = 1 + blur // 2
    x, y = placement.origin_xy
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
    """Clip a patch at `corner` (column, row) to an image of `shape`; return the image's rows, columns and the rest."""
    left, top = corner
    first_row, first_column = max(0, -top), max(0, -left)
    last_row, last_column = min(patch.shape[0], shape[0] - top), min(patch.shape[1], shape[1] - left)
    clipped = patch[first_row : max(first_row, last_row), first_column : max(first_column, last_column)]
    rows = slice(max(0, top), max(0, top) + clipped.shape[0])
    return rows, slice(max(0, left), max(0, left) + clipped.shape[1]), clipped

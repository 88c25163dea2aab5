"""Frames at the size at which camera motion is estimated, and affines between them and full images.

Legend: H W full image, h w reduced image, N boxes.
"""

from typing import NamedTuple

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray

LEAST_SIDE = 32  # px of the reduced image
SCALE_LIMITS = (0.8, 1.25)  # least and largest singular value of a believable affine
LARGEST_TURN = 30.0  # degrees
LARGEST_SHIFT = 0.5  # of the image's centre, in image sides


class ReducedGrey(NamedTuple):
    """A grey image (h, w) at a reduced size, and the height and width that it was reduced from."""

    grey: ImageArray
    full_hw: tuple[int, int]

    @property
    def is_small(self) -> bool:
        """Whether it is too small for an estimate."""
        return bool(min(self.grey.shape) < LEAST_SIDE)

    @property
    def pixel_xy(self) -> FloatArray:
        """(2,) width and height of one of its pixels in pixels of the full image."""
        return np.divide(self.full_hw[::-1], self.grey.shape[::-1])


def identity() -> FloatArray:
    """Return the (2, 3) affine of a camera that stands still."""
    return np.eye(2, 3)


def reduce_image(image: ImageArray, side: int) -> ReducedGrey:
    """Return `image` in grey, its longer side `side` px or less (0: as it is)."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"image: expected (H, W, 3) or (H, W) uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    if 0 in (height, width):
        return ReducedGrey(np.zeros((height, width), np.uint8), (height, width))
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2:] == (3,) else image, dtype=np.uint8)
    share = side / max(height, width)
    if 0 < share < 1:
        size_wh = max(1, round(width * share)), max(1, round(height * share))
        grey = np.asarray(cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return ReducedGrey(grey.reshape(grey.shape[:2]), (height, width))


def mask_people(reduced: ReducedGrey, boxes_xyxy: FloatArray) -> ImageArray:
    """Return (h, w) uint8: 0 in boxes (and a pixel around them), 255 elsewhere."""
    mask = np.full(reduced.grey.shape, 255, dtype=np.uint8)
    boxes_N4 = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    boxes_N4 = boxes_N4[np.isfinite(boxes_N4).all(axis=1)] / np.tile(reduced.pixel_xy, 2)
    height, width = reduced.grey.shape[:2]
    edges_N4 = np.clip(boxes_N4 + np.array([-1, -1, 2, 2]), 0, (width, height, width, height)).astype(np.int64)
    for left, top, right, bottom in edges_N4:
        mask[top:bottom, left:right] = 0
    return mask


def to_full_size(small: FloatArray, reduced: ReducedGrey) -> FloatArray:
    """Return the affine (2, 3) between full images from one between reduced images.

    A reduced pixel's centre x lies at (x + 0.5) * p - 0.5 in the full image, p its width there.
    """
    pixel = reduced.pixel_xy
    offset = (pixel - 1) / 2
    turn = small[:, :2] * pixel[:, None] / pixel[None, :]
    return np.column_stack([turn, small[:, 2] * pixel + offset - turn @ offset])


def is_plausible(matrix: FloatArray, size_hw: tuple[int, ...]) -> bool:
    """Whether a camera can have moved like this (2, 3) affine between two frames of this size.

    It is finite, does not mirror, scales within SCALE_LIMITS in every direction, turns by LARGEST_TURN or less, and
    shifts the image's centre by LARGEST_SHIFT of a side or less.
    """
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:, :2]) <= 0:
        return False
    scales = np.linalg.svd(matrix[:, :2], compute_uv=False)
    turn = np.degrees(np.arctan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1]))
    size_wh = np.array(size_hw[1::-1], dtype=np.float64)
    shift = matrix[:, :2] @ (size_wh / 2) + matrix[:, 2] - size_wh / 2
    in_scale = SCALE_LIMITS[0] <= scales.min() and scales.max() <= SCALE_LIMITS[1]
    return bool(in_scale and abs(turn) <= LARGEST_TURN and (np.abs(shift) <= LARGEST_SHIFT * size_wh).all())

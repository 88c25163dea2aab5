"""Camera motion between two frames, by sparse optical flow or ECC alignment (OpenCV).

Estimators keep their previous frame and return a (2, 3) affine in full-resolution pixels (pixel centres at integers, as
in OpenCV) from the previous frame's coordinates to this frame's. Detection boxes are masked out. The identity is
returned for the first frame, after a change of the image size, for reduced images with a side below MIN_SIDE, and where
there is no plausible estimate.

Legend: H W full-resolution image, h w reduced image, N boxes, K corners.
"""

from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.tracking.options import require_choice

MIN_SIDE = 32  # px of the reduced image
SCALE_LIMITS = (0.8, 1.25)  # smallest and largest singular value of a plausible affine
MAX_ROTATION = 30.0  # degrees
MAX_SHIFT = 0.5  # of the image's centre, in image sides

CORNERS = 150  # largest number of tracked corners
RENEW = 0.6  # of CORNERS: with fewer left, corners are detected again
MIN_INLIERS, MIN_INLIER_RATIO = 12, 0.3  # fewest inliers of an estimate, and their smallest fraction of the corners
TOLERANCE = 1.0  # px of the reduced image, of an inlier
FLOW_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.03)

MIN_PYRAMID_SIDE = 64  # px of ECC's coarsest level
ECC_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4)  # of one level
MIN_CORRELATION = 0.7  # of an accepted alignment


class GreyImage(NamedTuple):
    """Grey image (h, w) at a reduced size, and the full height and width."""

    grey: ImageArray
    full_hw: tuple[int, int]

    @property
    def pixel_xy(self) -> FloatArray:
        """(2,) width and height of a reduced pixel in full-resolution pixels."""
        return np.divide(self.full_hw[::-1], self.grey.shape[::-1])


def reduce_image(image: ImageArray, side: int) -> GreyImage:
    """Return `image` in grey, its longer side at most `side` px (0: unchanged)."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"image: expected (H, W, 3) or (H, W) uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    if 0 in (height, width):
        return GreyImage(np.zeros((height, width), np.uint8), (height, width))
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2:] == (3,) else image, dtype=np.uint8)
    scale = side / max(height, width)
    if 0 < scale < 1:
        size_wh = max(1, round(width * scale)), max(1, round(height * scale))
        grey = np.asarray(cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return GreyImage(grey.reshape(grey.shape[:2]), (height, width))


def mask_boxes(reduced: GreyImage, boxes_xyxy: FloatArray) -> ImageArray:
    """Return (h, w) uint8: 0 in boxes and one pixel around them, 255 elsewhere."""
    mask = np.full(reduced.grey.shape, 255, dtype=np.uint8)
    boxes_N4 = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    boxes_N4 = boxes_N4[np.isfinite(boxes_N4).all(axis=1)] / np.tile(reduced.pixel_xy, 2)
    height, width = reduced.grey.shape[:2]
    edges_N4 = np.clip(boxes_N4 + np.array([-1, -1, 2, 2]), 0, (width, height, width, height)).astype(np.int64)
    for left, top, right, bottom in edges_N4:
        mask[top:bottom, left:right] = 0
    return mask


def scale_affine(affine: FloatArray, reduced: GreyImage) -> FloatArray:
    """Return the full-resolution affine (2, 3) of one between reduced images.

    The centre x of a reduced pixel of width p is at (x + 0.5) * p - 0.5 in the full image.
    """
    pixel = reduced.pixel_xy
    offset = (pixel - 1) / 2
    linear = affine[:, :2] * pixel[:, None] / pixel[None, :]
    return np.column_stack([linear, affine[:, 2] * pixel + offset - linear @ offset])


def is_plausible(affine: FloatArray, size_hw: tuple[int, ...]) -> bool:
    """Whether a (2, 3) affine is a plausible camera motion between two frames of this size.

    It is finite, has no reflection, scales within SCALE_LIMITS in every direction, rotates by at most MAX_ROTATION, and
    shifts the image's centre by at most MAX_SHIFT of a side.
    """
    if not np.isfinite(affine).all() or np.linalg.det(affine[:, :2]) <= 0:
        return False
    scales = np.linalg.svd(affine[:, :2], compute_uv=False)
    rotation = np.degrees(np.arctan2(affine[1, 0] - affine[0, 1], affine[0, 0] + affine[1, 1]))
    size_wh = np.array(size_hw[1::-1], dtype=np.float64)
    shift = affine[:, :2] @ (size_wh / 2) + affine[:, 2] - size_wh / 2
    in_scale = SCALE_LIMITS[0] <= scales.min() and scales.max() <= SCALE_LIMITS[1]
    return bool(in_scale and abs(rotation) <= MAX_ROTATION and (np.abs(shift) <= MAX_SHIFT * size_wh).all())


class CameraMotionEstimator(Protocol):
    """Estimator of the motion of one camera, frame by frame."""

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Return the (2, 3) float64 affine from the previous frame to this one.

        image: (H, W, 3) RGB, (H, W) or (H, W, 1) grey, uint8. boxes_xyxy: (N, 4) pixels; non-finite ones are ignored.
        """
        ...


class FlowMotion:
    """Sparse optical flow: corners outside of boxes, pyramidal Lucas-Kanade, RANSAC.

    Sources: corners of Shi and Tomasi (1994), flow of Lucas and Kanade (1981) on Bouguet's pyramid; as camera motion
    compensation of a tracker, Aharon et al., BoT-SORT (2022), section 3.2.

    side: longer side (px) of the reduced image, 0 for the full size; images are never enlarged.
    model: `similarity` (rotation, scale, shift) or `affine`.
    """

    def __init__(self, *, side: int = 640, model: Literal["similarity", "affine"] = "similarity") -> None:
        require_choice("model", model, ("similarity", "affine"))
        self._side = side
        self._fit = cv2.estimateAffinePartial2D if model == "similarity" else cv2.estimateAffine2D
        self._before: tuple[GreyImage, FloatArray] | None = None  # previous frame and its corners (K, 2)

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Return the (2, 3) affine from the previous frame to this one."""
        now = reduce_image(image, self._side)
        before, self._before = self._before, None
        if min(now.grey.shape) < MIN_SIDE:
            return np.eye(2, 3)
        background = mask_boxes(now, boxes_xyxy)
        affine, corners_K2 = None, np.zeros((0, 2), np.float32)
        if before is not None and before[0].full_hw == now.full_hw and len(before[1]) >= MIN_INLIERS:
            affine, corners_K2 = self._track_corners(before[0].grey, before[1], now.grey, background)
        if len(corners_K2) < RENEW * CORNERS:
            distance = max(3, min(now.grey.shape) // 40)
            found = cv2.goodFeaturesToTrack(now.grey, CORNERS, 0.01, distance, mask=background)
            corners_K2 = np.asarray([] if found is None else found, np.float32).reshape(-1, 2)
        self._before = now, corners_K2
        return np.eye(2, 3) if affine is None else scale_affine(affine, now)

    def _track_corners(
        self, before: ImageArray, start_K2: FloatArray, now: ImageArray, background: ImageArray
    ) -> tuple[FloatArray | None, FloatArray]:
        """Return the affine between the reduced images and its inliers (K, 2), or None and no corners."""
        rejected = None, np.zeros((0, 2), np.float32)
        tracked_K2, found, _ = cv2.calcOpticalFlowPyrLK(
            before, now, start_K2, start_K2.copy(), winSize=(11, 11), maxLevel=3, criteria=FLOW_CRITERIA
        )
        end_K2 = np.asarray(tracked_K2, dtype=np.float32)
        height, width = now.shape
        pixels = np.rint(end_K2)
        inside = np.asarray(((pixels >= 0) & (pixels < (width, height))).all(axis=1))
        columns, rows = np.where(inside[:, None], pixels, 0).astype(np.int64).T
        kept = (np.asarray(found).ravel() == 1) & inside & (background[rows, columns] > 0)
        start_K2, end_K2 = start_K2[kept], end_K2[kept]
        if len(start_K2) < MIN_INLIERS:
            return rejected
        fitted, inliers = self._fit(
            start_K2, end_K2, method=cv2.RANSAC, ransacReprojThreshold=TOLERANCE, maxIters=500, confidence=0.995
        )
        if fitted is None or inliers is None:
            return rejected
        affine, is_inlier = np.asarray(fitted, dtype=np.float64), inliers.ravel() == 1
        too_few = is_inlier.sum() < max(MIN_INLIERS, MIN_INLIER_RATIO * len(is_inlier))
        if too_few or not is_plausible(affine, now.shape):
            return rejected
        return affine, end_K2[is_inlier]


class EccMotion:
    """Alignment of full frames by the enhanced correlation coefficient (Evangelidis and Psarakis, 2008).

    Coarse to fine on an image pyramid, so that shifts of many pixels are found. Boxes of both frames are masked out. It
    is slower than `FlowMotion` and needs no corners.

    side: longer side (px) of the finest level, 0 for the full size; images are never enlarged.
    model: `euclidean` (rotation, shift) or `affine`.
    """

    def __init__(self, *, side: int = 640, model: Literal["euclidean", "affine"] = "euclidean") -> None:
        require_choice("model", model, ("euclidean", "affine"))
        self._side = side
        self._model = cv2.MOTION_EUCLIDEAN if model == "euclidean" else cv2.MOTION_AFFINE
        self._before: tuple[tuple[int, int], list[ImageArray], ImageArray] | None = None  # size, pyramid, background

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Return the (2, 3) affine from the previous frame to this one."""
        now = reduce_image(image, self._side)
        before, self._before = self._before, None
        if min(now.grey.shape) < MIN_SIDE:
            return np.eye(2, 3)
        levels, background = [now.grey], mask_boxes(now, boxes_xyxy)
        while min(levels[-1].shape) >= 2 * MIN_PYRAMID_SIDE:
            levels.append(np.asarray(cv2.pyrDown(levels[-1]), dtype=np.uint8))
        self._before = now.full_hw, levels, background
        if before is None or before[0] != now.full_hw:
            return np.eye(2, 3)
        affine = self._align(before[1], levels, before[2] & background)
        return np.eye(2, 3) if affine is None else scale_affine(affine, now)

    def _align(self, before: list[ImageArray], now: list[ImageArray], background: ImageArray) -> FloatArray | None:
        """Return the affine between the finest levels, None where it is rejected."""
        affine, correlation = np.eye(2, 3, dtype=np.float32), 0.0
        for level in range(len(now) - 1, -1, -1):
            mask = np.ascontiguousarray(background[:: 2**level, :: 2**level])
            try:
                correlation, found = cv2.findTransformECC(
                    before[level], now[level], affine, self._model, ECC_CRITERIA, mask, 3
                )
            except cv2.error:  # no convergence, or an empty mask
                return None
            affine = np.asarray(found, dtype=np.float32) * np.array([1, 1, 2 if level else 1], dtype=np.float32)
        accepted = correlation >= MIN_CORRELATION and is_plausible(affine, now[0].shape)
        return affine.astype(np.float64) if accepted else None

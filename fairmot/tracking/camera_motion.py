"""How the camera moved between two frames: sparse optical flow, or ECC alignment, both through OpenCV.

Each estimator holds its previous frame and returns a (2, 3) affine in full-resolution pixels (a pixel's centre is a
whole number, as in OpenCV) that carries points of the previous frame to this one. People move by themselves, so what
lies in their boxes is left out. The identity is returned in the first frame, after a change of the image's size, where
the reduced image's shorter side is below `reduced.LEAST_SIDE`, and wherever there is no estimate or an absurd one:
`FlowMotion` and `EccMotion` tell their own limits, `reduced.is_plausible` those of both.

Legend: H W full-resolution image, h w reduced image, N boxes, K corners.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import cv2
import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray, ImageArray

MIN_SIDE = 32  # px of the reduced image


SCALE_LIMITS = (0.8, 1.25)  # least and largest singular value of a believable affine


MAX_ROTATION = 30.0  # degrees


MAX_SHIFT = 0.5  # of the image's centre, in image sides


class GreyImage(NamedTuple):
    """A grey image (h, w) at a reduced size, and the height and width that it was reduced from."""

    grey: ImageArray
    full_hw: tuple[int, int]

    @property
    def is_small(self) -> bool:
        """Whether it is too small for an estimate."""
        return bool(min(self.grey.shape) < MIN_SIDE)

    @property
    def pixel_xy(self) -> FloatArray:
        """(2,) width and height of one of its pixels in pixels of the full image."""
        return np.divide(self.full_hw[::-1], self.grey.shape[::-1])


def identity() -> FloatArray:
    """Return the (2, 3) affine of a camera that stands still."""
    return np.eye(2, 3)


def reduce_image(image: ImageArray, side: int) -> GreyImage:
    """Return `image` in grey, its longer side `side` px or less (0: as it is)."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"image: expected (H, W, 3) or (H, W) uint8, got {image.shape} {image.dtype}")
    height, width = image.shape[:2]
    if 0 in (height, width):
        return GreyImage(np.zeros((height, width), np.uint8), (height, width))
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2:] == (3,) else image, dtype=np.uint8)
    share = side / max(height, width)
    if 0 < share < 1:
        size_wh = max(1, round(width * share)), max(1, round(height * share))
        grey = np.asarray(cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return GreyImage(grey.reshape(grey.shape[:2]), (height, width))


def mask_boxes(reduced: GreyImage, boxes_xyxy: FloatArray) -> ImageArray:
    """Return (h, w) uint8: 0 in boxes (and a pixel around them), 255 elsewhere."""
    mask = np.full(reduced.grey.shape, 255, dtype=np.uint8)
    boxes_N4 = np.asarray(boxes_xyxy, dtype=np.float64).reshape(-1, 4)
    boxes_N4 = boxes_N4[np.isfinite(boxes_N4).all(axis=1)] / np.tile(reduced.pixel_xy, 2)
    height, width = reduced.grey.shape[:2]
    edges_N4 = np.clip(boxes_N4 + np.array([-1, -1, 2, 2]), 0, (width, height, width, height)).astype(np.int64)
    for left, top, right, bottom in edges_N4:
        mask[top:bottom, left:right] = 0
    return mask


def scale_affine(small: FloatArray, reduced: GreyImage) -> FloatArray:
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
    return bool(in_scale and abs(turn) <= MAX_ROTATION and (np.abs(shift) <= MAX_SHIFT * size_wh).all())


_LK_WINDOW = (11, 11)


_LK_LEVELS = 3


_LK_STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 15, 0.03)


_COARSEST_SIDE = 64  # px: ECC's coarsest level is not smaller


class CameraMotionEstimator(Protocol):
    """Something that follows one camera from frame to frame."""

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Take the next frame and its people; return the (2, 3) float64 affine, previous frame -> this one.

        image: (H, W, 3) RGB, (H, W) or (H, W, 1) grey, uint8. boxes_xyxy: (N, 4) pixels; not finite ones are left out.
        """
        ...


class FlowMotion:
    """Sparse optical flow: corners outside people, pyramidal Lucas-Kanade, RANSAC.

    Sources: corners of Shi and Tomasi (1994), flow of Lucas and Kanade (1981) on Bouguet's pyramid; as camera motion
    compensation for tracking, Aharon et al., BoT-SORT (2022), section 3.2.

    side: longer side (px) at which it works, 0 = the image's own; smaller images are not enlarged.
    model: `similarity` (turn, scale, shift) or `affine`.
    corners: how many corners are followed at most. Those that agree with the camera are followed on; new ones are
        sought once fewer than `renew` of `corners` are left.
    min_inliers, min_share: an estimate with which fewer corners, or a smaller share of those followed, agree within
        `tolerance` (px of the reduced image) is not believed.
    """

    def __init__(
        self,
        *,
        side: int = 640,
        model: Literal["similarity", "affine"] = "similarity",
        corners: int = 150,
        renew: float = 0.6,
        min_inliers: int = 12,
        min_share: float = 0.3,
        tolerance: float = 1.0,
    ) -> None:
        _check_choice("model", model, ("similarity", "affine"))
        self._side = side
        self._corners = corners
        self._renew = renew
        self._min_inliers = min_inliers
        self._min_share = min_share
        self._tolerance = tolerance
        self._fit = cv2.estimateAffinePartial2D if model == "similarity" else cv2.estimateAffine2D
        self._before: _FlowFrame | None = None

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Take the next frame and its people; return the (2, 3) affine, previous frame -> this one."""
        now = reduce_image(image, self._side)
        before, self._before = self._before, None
        if now.is_small:
            return identity()
        is_ground = mask_boxes(now, boxes_xyxy)
        small, corners_K2 = None, np.zeros((0, 2), np.float32)
        if before is not None and before.reduced.full_hw == now.full_hw:
            small, corners_K2 = self._follow(before, now.grey, is_ground)
        if len(corners_K2) < self._renew * self._corners:
            corners_K2 = self._find_corners(now.grey, is_ground)
        self._before = _FlowFrame(now, corners_K2)
        return identity() if small is None else scale_affine(small, now)

    def _find_corners(self, grey: ImageArray, is_ground: ImageArray) -> FloatArray:
        """Return (K, 2) float32 corners outside people; K may be 0."""
        apart = max(3, min(grey.shape) // 40)
        found = cv2.goodFeaturesToTrack(grey, self._corners, 0.01, apart, mask=is_ground)
        return np.zeros((0, 2), np.float32) if found is None else np.asarray(found, dtype=np.float32).reshape(-1, 2)

    def _follow(
        self, before: "_FlowFrame", grey: ImageArray, is_ground: ImageArray
    ) -> tuple[FloatArray | None, FloatArray]:
        """Return the affine in pixels of the reduced image, None where none is to be believed, and the corners kept."""
        nothing = None, np.zeros((0, 2), np.float32)
        start_K2 = before.corners_K2
        if len(start_K2) < self._min_inliers:
            return nothing
        end_K2, found, _ = cv2.calcOpticalFlowPyrLK(
            before.reduced.grey,
            grey,
            start_K2,
            start_K2.copy(),
            winSize=_LK_WINDOW,
            maxLevel=_LK_LEVELS,
            criteria=_LK_STOP,
        )
        kept = (np.asarray(found).ravel() == 1) & _is_on(np.asarray(end_K2, dtype=np.float32), is_ground)
        start_K2, end_K2 = start_K2[kept], np.asarray(end_K2, dtype=np.float32)[kept]
        if len(start_K2) < self._min_inliers:
            return nothing
        small, inliers = self._fit(
            start_K2, end_K2, method=cv2.RANSAC, ransacReprojThreshold=self._tolerance, maxIters=500, confidence=0.995
        )
        agree = np.zeros(len(end_K2), np.bool_) if inliers is None else inliers.ravel() == 1
        few = agree.sum() < max(self._min_inliers, self._min_share * len(agree))
        if small is None or few or not is_plausible(small, grey.shape):
            return nothing
        return np.asarray(small, dtype=np.float64), end_K2[agree]


class EccMotion:
    """Alignment of whole frames by their enhanced correlation coefficient (Evangelidis and Psarakis 2008).

    Runs from a coarse level of an image pyramid to the finest, each starting from the one before, so that shifts of
    many pixels are found. What people cover in either frame is left out. It costs more than `FlowMotion`, and needs no
    corners.

    side: longer side (px) of the finest level, 0 = the image's own; smaller images are not enlarged.
    model: `euclidean` (turn, shift) or `affine`.
    iterations: at each level, at most.
    min_correlation: an alignment that correlates less is not believed.
    """

    def __init__(
        self,
        *,
        side: int = 640,
        model: Literal["euclidean", "affine"] = "euclidean",
        iterations: int = 20,
        min_correlation: float = 0.7,
    ) -> None:
        _check_choice("model", model, ("euclidean", "affine"))
        self._side = side
        self._min_correlation = min_correlation
        self._model = cv2.MOTION_EUCLIDEAN if model == "euclidean" else cv2.MOTION_AFFINE
        self._stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, iterations, 1e-4)
        self._before: _EccFrame | None = None

    def update(self, image: ImageArray, boxes_xyxy: FloatArray) -> FloatArray:
        """Take the next frame and its people; return the (2, 3) affine, previous frame -> this one."""
        now = reduce_image(image, self._side)
        before, self._before = self._before, None
        if now.is_small:
            return identity()
        self._before = _EccFrame(now, _halve(now.grey), mask_boxes(now, boxes_xyxy))
        if before is None or before.reduced.full_hw != now.full_hw:
            return identity()
        small = self._align(before.levels, self._before.levels, before.is_ground & self._before.is_ground)
        return identity() if small is None else scale_affine(small, now)

    def _align(self, before: list[ImageArray], now: list[ImageArray], is_ground: ImageArray) -> FloatArray | None:
        """Return the affine in pixels of the finest level, or None where none is to be believed."""
        small, correlation = np.eye(2, 3, dtype=np.float32), 0.0
        for level in range(len(now) - 1, -1, -1):
            mask = np.ascontiguousarray(is_ground[:: 2**level, :: 2**level])
            try:
                correlation, warp = cv2.findTransformECC(
                    before[level], now[level], small, self._model, self._stop, mask, 3
                )
            except cv2.error:  # it does not converge, or the mask leaves nothing
                return None
            small = np.asarray(warp, dtype=np.float32) * np.array([1, 1, 2 if level else 1], dtype=np.float32)
        believed = correlation >= self._min_correlation and is_plausible(small, now[0].shape)
        return small.astype(np.float64) if believed else None


class _FlowFrame(NamedTuple):
    """A frame and its (K, 2) float32 corners to follow into the next."""

    reduced: GreyImage
    corners_K2: FloatArray


class _EccFrame(NamedTuple):
    """A frame, its pyramid (finest level first), and (h, w) uint8 where no people are."""

    reduced: GreyImage
    levels: list[ImageArray]
    is_ground: ImageArray


def _is_on(points_K2: FloatArray, mask: ImageArray) -> BoolArray:
    """(K,) whether each point lies in the image and on a pixel of the mask that is not 0."""
    height, width = mask.shape
    places = np.rint(points_K2)
    inside = np.asarray(((places >= 0) & (places < (width, height))).all(axis=1), dtype=np.bool_)
    columns, rows = np.where(inside[:, None], places, 0).astype(np.int64).T
    return np.asarray(inside & (np.asarray(mask[rows, columns]) > 0))


def _halve(grey: ImageArray) -> list[ImageArray]:
    """Return the image, and halves of halves of it down to the coarsest that ECC begins with."""
    levels = [grey]
    while min(levels[-1].shape) >= 2 * _COARSEST_SIDE:
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), dtype=np.uint8))
    return levels


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: unknown {value!r}; choose from {', '.join(choices)}")

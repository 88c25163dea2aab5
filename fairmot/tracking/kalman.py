"""A Kalman filter of constant velocity over many boxes at once.

State, 8 numbers a track: a box of 4 numbers and their velocities per step (a frame). Measurement: the first four. Noise
acts on each of the four alone, hence so does the filter: four filters of place and velocity, whose covariances are
three numbers each. That is the textbook filter with its 8x8 matrices, without the zeros. Legend: N tracks, M
measurements.
Source: Wojke et al., Simple Online and Realtime Tracking with a Deep Association Metric (2017), section 2.1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fairmot.geometry.arrays import FloatArray

POSITION_WEIGHT = 1.0 / 20  # standard deviation of a position, in sides of the box
VELOCITY_WEIGHT = 1.0 / 160  # standard deviation of a velocity per step, in sides of the box
SMALLEST_SIDE = 1e-3  # px; noise scales with the sides, and a side of 0 would leave no noise at all


class KalmanState(NamedTuple):
    """Gaussian beliefs, float64.

    means: (N, 8) box and velocities.
    covariances: (N, 3, 4) for each of the box's numbers its variance, its covariance with its velocity, and the
        velocity's variance.
    """

    means: FloatArray
    covariances: FloatArray


@dataclass(frozen=True)
class BoxModel:
    """Which four numbers describe a box, and how sure they are.

    sides: for each number which side its noise scales with, 0 the third of the four, 1 the height.
    places, speeds: (4,) variances of the process for one step, in squares of the sides (or as they are).
    measured: (4,) variances of a measurement. first_places, first_speeds: (4,) those of a new track.
    still: columns of the means that a lost track sets to 0: how fast its size changes.
    wide: whether the third number is the width, in pixels, instead of width / height.
    """

    sides: list[int]
    places: FloatArray
    speeds: FloatArray
    measured: FloatArray
    first_places: FloatArray
    first_speeds: FloatArray
    still: tuple[int, ...]
    wide: bool

    def measure(self, boxes_tlwh: FloatArray) -> FloatArray:
        """(N, 4) tlwh -> (N, 4) centre x, centre y, width / height (or width), height."""
        measurements = boxes_tlwh.copy()
        measurements[:, :2] += boxes_tlwh[:, 2:] / 2
        if not self.wide:
            measurements[:, 2] /= boxes_tlwh[:, 3]
        return measurements

    def boxes_tlwh(self, means: FloatArray) -> FloatArray:
        """(N, 8) means -> (N, 4) left, top, width, height."""
        boxes = means[:, :4].copy()
        if not self.wide:
            boxes[:, 2] *= means[:, 3]
        boxes[:, :2] -= boxes[:, 2:] / 2
        return boxes

    def squares(self, means: FloatArray) -> FloatArray:
        """(N, 8) or (N, 4) -> (N, 4): what the variances scale with."""
        sides = np.maximum(np.abs(means[:, 2:4]), SMALLEST_SIDE) ** 2
        squares = sides[:, self.sides]
        if not self.wide:
            squares[:, 2] = 1
        return np.asarray(squares)


def _squared(scale: float, aspect: float | None) -> FloatArray:
    """(4,) variances: of a scale in sides, but for an aspect, whose deviation is `aspect` itself."""
    return np.asarray(np.square([scale, scale, scale if aspect is None else aspect, scale]))


def _box_model(sides: list[int], aspects: tuple[float | None, ...], still: tuple[int, ...]) -> BoxModel:
    place, speed, first_place, first_speed, measured = aspects
    return BoxModel(
        sides=sides,
        places=_squared(POSITION_WEIGHT, place),
        speeds=_squared(VELOCITY_WEIGHT, speed),
        first_places=_squared(2 * POSITION_WEIGHT, first_place),
        first_speeds=_squared(10 * VELOCITY_WEIGHT, first_speed),
        measured=_squared(POSITION_WEIGHT, measured),
        still=still,
        wide=place is None,
    )


# The published filter: noise follows the height, aspects have their own.
ASPECT_HEIGHT = _box_model([1, 1, 1, 1], (1e-2, 1e-5, 1e-2, 1e-5, 1e-1), still=(7,))
# BoT-SORT's (Aharon et al., 2022, equations 5 to 7): widths and what is horizontal follow the width.
WIDTH_HEIGHT = _box_model([0, 1, 0, 1], (None,) * 5, still=(6, 7))
BOX_MODELS = {"xyah": ASPECT_HEIGHT, "xywh": WIDTH_HEIGHT}


def initiate(measurements: FloatArray, *, box: BoxModel = ASPECT_HEIGHT) -> KalmanState:
    """Return the beliefs of new tracks at (N, 4) measurements: no velocity, and little certainty of it."""
    squares = box.squares(measurements)
    covariances = np.zeros((len(measurements), 3, 4))
    covariances[:, 0] = squares * box.first_places
    covariances[:, 2] = squares * box.first_speeds
    return KalmanState(np.concatenate([measurements, np.zeros_like(measurements)], axis=1), covariances)


def predict(state: KalmanState, *, box: BoxModel = ASPECT_HEIGHT, steps: float | FloatArray = 1.0) -> KalmanState:
    """Return the beliefs `steps` steps later, a whole number or not, or (N, 1): process noise grows in proportion."""
    means, before = state
    squares = box.squares(means)
    moved, covariances = means.copy(), before.copy()
    moved[:, :4] += steps * means[:, 4:]
    covariances[:, 1] += steps * before[:, 2]
    covariances[:, 0] += steps * (before[:, 1] + covariances[:, 1]) + squares * (steps * box.places)
    covariances[:, 2] += squares * (steps * box.speeds)
    return KalmanState(moved, covariances)


def update(
    state: KalmanState, measurements: FloatArray, *, box: BoxModel = ASPECT_HEIGHT, noise: FloatArray | None = None
) -> KalmanState:
    """Return the beliefs after each track's own measurement, (N, 4); `noise` (N,) scales its variances."""
    means, covariances = state
    measured = box.squares(means) * box.measured
    if noise is not None:
        measured *= noise[:, None]
    innovations = measurements - means[:, :4]
    gains = covariances[:, :2] / (covariances[:, :1] + measured[:, None])  # (N, 2, 4): of the place, of the velocity
    updated = KalmanState(means.copy(), covariances.copy())
    updated.means[:, :4] += gains[:, 0] * innovations
    updated.means[:, 4:] += gains[:, 1] * innovations
    updated.covariances[:, 0] = gains[:, 0] * measured
    updated.covariances[:, 1] = gains[:, 1] * measured
    updated.covariances[:, 2] -= gains[:, 1] * covariances[:, 1]
    return updated


def squared_mahalanobis(state: KalmanState, measurements: FloatArray, *, box: BoxModel = ASPECT_HEIGHT) -> FloatArray:
    """Return (N, M) squared Mahalanobis distances, 4 degrees of freedom, of (M, 4) measurements from N tracks.

    Squares of differences are multiplied out, as products of matrices are fast; rounding stays below 1e-8 of a distance
    between places of one image.
    """
    if not len(measurements):
        return np.zeros((len(state.means), 0))
    precisions = 1 / (state.covariances[:, 0] + box.squares(state.means) * box.measured)
    middle = len(measurements) // 2
    origin = np.partition(measurements, middle, axis=0)[middle]  # near to most, so that squares lose little
    means, there = state.means[:, :4] - origin, measurements - origin
    weighted = precisions * means
    distances = weighted @ (-2 * there.T)
    distances += precisions @ np.square(there).T
    distances += (weighted * means).sum(axis=1)[:, None]
    return np.asarray(np.maximum(distances, 0.0, out=distances))


def warp(state: KalmanState, camera_motion: FloatArray, *, box: BoxModel = ASPECT_HEIGHT) -> KalmanState:
    """Return the beliefs in the coordinates of a moved camera: x -> A x + b, `camera_motion` = [A | b] (2, 3).

    A turns and scales centres and their velocities, sqrt(|det A|) scales sides, aspects stay. A correlation of x with
    y, which turning brings where their variances differ, is left out. Source: the camera motion compensation of
    BoT-SORT (Aharon et al., 2022, section 3.2), for these states.
    """
    linear = np.eye(4)
    linear[:2, :2] = camera_motion[:, :2]
    linear[3, 3] = np.sqrt(abs(np.linalg.det(camera_motion[:, :2])))
    if box.wide:
        linear[2, 2] = linear[3, 3]
    means = (state.means.reshape(-1, 2, 4) @ linear.T).reshape(-1, 8)
    means[:, :2] += camera_motion[:, 2]
    return KalmanState(means, state.covariances @ np.square(linear).T)

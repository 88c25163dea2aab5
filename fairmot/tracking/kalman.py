"""Kalman filter of constant velocity over many boxes at once.

The state of a track is a box of 4 numbers and their velocities per time step; the measurement is the box. The noise of
the 4 numbers is independent, so the 8x8 covariance splits into four 2x2 blocks of position and velocity, stored as 3
numbers each; the result equals that of the dense filter. Legend: N tracks, M measurements.
Source: Wojke et al., Simple Online and Realtime Tracking with a Deep Association Metric (2017), section 2.1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fairmot.geometry.arrays import FloatArray

POSITION_WEIGHT = 1.0 / 20  # standard deviation of a position, in sides of the box
VELOCITY_WEIGHT = 1.0 / 160  # standard deviation of a velocity per step, in sides of the box
MIN_SIDE = 1e-3  # px; noise scales with the sides and must not vanish


class KalmanState(NamedTuple):
    """Gaussian states of N tracks, float64.

    means: (N, 8) box and velocities.
    covariances: (N, 3, 4) variances of the box, its covariances with the velocities, and variances of the velocities.
    """

    means: FloatArray
    covariances: FloatArray


@dataclass(frozen=True)
class BoxModel:
    """Box parameterisation and noise of the filter.

    scale_sides: for each number the side that its noise scales with, 0 the third of the four, 1 the height.
    process_position, process_velocity: (4,) process variances of one step, in squared sides (aspects: absolute).
    measurement: (4,) measurement variances. initial_position, initial_velocity: (4,) variances of a new track.
    size_velocities: columns of the means with the velocities of the size, which are 0 for a lost track.
    has_width: whether the third number is the width in pixels, instead of width / height.
    """

    scale_sides: list[int]
    process_position: FloatArray
    process_velocity: FloatArray
    measurement: FloatArray
    initial_position: FloatArray
    initial_velocity: FloatArray
    size_velocities: tuple[int, ...]
    has_width: bool

    def measure(self, boxes_tlwh: FloatArray) -> FloatArray:
        """(N, 4) tlwh -> (N, 4) centre x, centre y, width / height (or width), height."""
        measurements = boxes_tlwh.copy()
        measurements[:, :2] += boxes_tlwh[:, 2:] / 2
        if not self.has_width:
            measurements[:, 2] /= boxes_tlwh[:, 3]
        return measurements

    def boxes_tlwh(self, means: FloatArray) -> FloatArray:
        """(N, 8) means -> (N, 4) left, top, width, height."""
        boxes = means[:, :4].copy()
        if not self.has_width:
            boxes[:, 2] *= means[:, 3]
        boxes[:, :2] -= boxes[:, 2:] / 2
        return boxes

    def squared_scales(self, means: FloatArray) -> FloatArray:
        """(N, 8) or (N, 4) -> (N, 4) factors of the variances."""
        sides = np.maximum(np.abs(means[:, 2:4]), MIN_SIDE) ** 2
        squares = sides[:, self.scale_sides]
        if not self.has_width:
            squares[:, 2] = 1
        return np.asarray(squares)


_STDS = {  # standard deviations, in sides; of an aspect, absolute
    "process_position": (POSITION_WEIGHT, 1e-2),
    "process_velocity": (VELOCITY_WEIGHT, 1e-5),
    "measurement": (POSITION_WEIGHT, 1e-1),
    "initial_position": (2 * POSITION_WEIGHT, 1e-2),
    "initial_velocity": (10 * VELOCITY_WEIGHT, 1e-5),
}
_ASPECT_VARIANCES = {name: np.square([std, std, aspect, std]) for name, (std, aspect) in _STDS.items()}
_WIDTH_VARIANCES = {name: np.square([std, std, std, std]) for name, (std, _) in _STDS.items()}

# Reference implementation: all noise scales with the height, aspects have absolute noise.
ASPECT_HEIGHT = BoxModel([1, 1, 1, 1], size_velocities=(7,), has_width=False, **_ASPECT_VARIANCES)
# BoT-SORT (Aharon et al., 2022, equations 5 to 7): noise of centre x and width scales with the width.
WIDTH_HEIGHT = BoxModel([0, 1, 0, 1], size_velocities=(6, 7), has_width=True, **_WIDTH_VARIANCES)
BOX_MODELS = {"xyah": ASPECT_HEIGHT, "xywh": WIDTH_HEIGHT}


def initiate(measurements: FloatArray, *, box: BoxModel = ASPECT_HEIGHT) -> KalmanState:
    """Return the states of new tracks at (N, 4) measurements, with zero velocity of large variance."""
    squares = box.squared_scales(measurements)
    covariances = np.zeros((len(measurements), 3, 4))
    covariances[:, 0] = squares * box.initial_position
    covariances[:, 2] = squares * box.initial_velocity
    return KalmanState(np.concatenate([measurements, np.zeros_like(measurements)], axis=1), covariances)


def predict(state: KalmanState, *, box: BoxModel = ASPECT_HEIGHT, steps: float | FloatArray = 1.0) -> KalmanState:
    """Return the states `steps` time steps later, a number or (N, 1); process noise is proportional to it."""
    means, before = state
    squares = box.squared_scales(means)
    moved, covariances = means.copy(), before.copy()
    moved[:, :4] += steps * means[:, 4:]
    covariances[:, 1] += steps * before[:, 2]
    covariances[:, 0] += steps * (before[:, 1] + covariances[:, 1]) + squares * (steps * box.process_position)
    covariances[:, 2] += squares * (steps * box.process_velocity)
    return KalmanState(moved, covariances)


def update(
    state: KalmanState, measurements: FloatArray, *, box: BoxModel = ASPECT_HEIGHT, noise: FloatArray | None = None
) -> KalmanState:
    """Return the states after one measurement per track, (N, 4); `noise` (N,) scales the measurement variances."""
    means, covariances = state
    measured = box.squared_scales(means) * box.measurement
    if noise is not None:
        measured *= noise[:, None]
    innovations = measurements - means[:, :4]
    gains = covariances[:, :2] / (covariances[:, :1] + measured[:, None])  # (N, 2, 4): of position and velocity
    updated = KalmanState(means.copy(), covariances.copy())
    updated.means[:, :4] += gains[:, 0] * innovations
    updated.means[:, 4:] += gains[:, 1] * innovations
    updated.covariances[:, 0] = gains[:, 0] * measured
    updated.covariances[:, 1] = gains[:, 1] * measured
    updated.covariances[:, 2] -= gains[:, 1] * covariances[:, 1]
    return updated


def squared_mahalanobis(state: KalmanState, measurements: FloatArray, *, box: BoxModel = ASPECT_HEIGHT) -> FloatArray:
    """Return (N, M) squared Mahalanobis distances, 4 degrees of freedom, of (M, 4) measurements from N tracks.

    Squared differences are expanded into matrix products for speed; the rounding error stays below 1e-8 of a distance
    between points of one image.
    """
    if not len(measurements):
        return np.zeros((len(state.means), 0))
    precisions = 1 / (state.covariances[:, 0] + box.squared_scales(state.means) * box.measurement)
    middle = len(measurements) // 2
    origin = np.partition(measurements, middle, axis=0)[middle]  # a median measurement, against cancellation
    means, measurements = state.means[:, :4] - origin, measurements - origin
    weighted = precisions * means
    distances = weighted @ (-2 * measurements.T)
    distances += precisions @ np.square(measurements).T
    distances += (weighted * means).sum(axis=1)[:, None]
    return np.asarray(np.maximum(distances, 0.0, out=distances))


def warp(state: KalmanState, camera_motion: FloatArray, *, box: BoxModel = ASPECT_HEIGHT) -> KalmanState:
    """Return the states in the coordinates of a moved camera: x -> A x + b, `camera_motion` = [A | b] (2, 3).

    A rotates and scales centres and their velocities, sqrt(|det A|) scales sides, aspects stay. The correlation of x
    and y that a rotation introduces is neglected. Source: camera motion compensation of BoT-SORT (Aharon et al., 2022,
    section 3.2), adapted to these states.
    """
    linear = np.eye(4)
    linear[:2, :2] = camera_motion[:, :2]
    linear[3, 3] = np.sqrt(abs(np.linalg.det(camera_motion[:, :2])))
    if box.has_width:
        linear[2, 2] = linear[3, 3]
    means = (state.means.reshape(-1, 2, 4) @ linear.T).reshape(-1, 8)
    means[:, :2] += camera_motion[:, 2]
    return KalmanState(means, state.covariances @ np.square(linear).T)

"""A Kalman filter of constant velocity over many boxes at once.

State, 8 numbers a track: centre x, centre y, aspect (width / height), height, and their velocities per frame.
Measurement, 4 numbers: `xyah`, the first four. Legend: N tracks, M measurements.
Source: Wojke et al., Simple Online and Realtime Tracking with a Deep Association Metric (2017), section 2.1.
"""

from typing import NamedTuple

import numpy as np

from fairmot.geometry.arrays import FloatArray

POSITION_WEIGHT = 1.0 / 20  # standard deviation of a position, in heights
VELOCITY_WEIGHT = 1.0 / 160  # standard deviation of a velocity per frame, in heights
HEIGHT_VELOCITY = 7  # its place in the state
SMALLEST_HEIGHT = 1e-3  # px; noise scales with the height, and a height of 0 would leave no noise at all

_DIAGONAL = np.arange(8)


class KalmanState(NamedTuple):
    """Gaussian beliefs: means (N, 8) and covariances (N, 8, 8), float64."""

    means: FloatArray
    covariances: FloatArray


def initiate(boxes_xyah: FloatArray) -> KalmanState:
    """Return the beliefs of new tracks at (N, 4) measurements: no velocity, and little certainty of it."""
    means = np.concatenate([boxes_xyah, np.zeros_like(boxes_xyah)], axis=1)
    covariances = np.zeros((len(means), 8, 8))
    covariances[:, _DIAGONAL, _DIAGONAL] = np.concatenate(
        [
            _variances(boxes_xyah[:, 3], scale=2 * POSITION_WEIGHT, aspect=1e-2),
            _variances(boxes_xyah[:, 3], scale=10 * VELOCITY_WEIGHT, aspect=1e-5),
        ],
        axis=1,
    )
    return KalmanState(means, covariances)


def predict(state: KalmanState) -> KalmanState:
    """Return the beliefs one frame later.

    The transition adds the velocities to the positions; written in 4x4 blocks, [[A, B], [B', C]] becomes
    [[A + B + B' + C, B + C], [B' + C, C]] plus process noise that grows with the height.
    """
    means, before = state
    moved = means.copy()
    moved[:, :4] += means[:, 4:]
    covariances = before.copy()
    covariances[:, :4, :] += before[:, 4:, :]
    covariances[:, :, :4] += covariances[:, :, 4:]
    covariances[:, _DIAGONAL, _DIAGONAL] += np.concatenate(
        [
            _variances(means[:, 3], scale=POSITION_WEIGHT, aspect=1e-2),
            _variances(means[:, 3], scale=VELOCITY_WEIGHT, aspect=1e-5),
        ],
        axis=1,
    )
    return KalmanState(moved, covariances)


def update(state: KalmanState, boxes_xyah: FloatArray) -> KalmanState:
    """Return the beliefs after each track's own measurement, (N, 4)."""
    means, covariances = state
    gains_T = np.linalg.solve(_innovation_covariances(state), covariances[:, :4, :])
    innovations = boxes_xyah - means[:, :4]
    corrected = covariances - gains_T.transpose(0, 2, 1) @ covariances[:, :4, :]
    return KalmanState(
        means + np.einsum("nm,nms->ns", innovations, gains_T),
        _symmetric(corrected),
    )


def squared_mahalanobis(state: KalmanState, boxes_xyah: FloatArray) -> FloatArray:
    """Return (N, M) squared Mahalanobis distances, 4 degrees of freedom, of (M, 4) measurements from N tracks."""
    precisions = np.linalg.inv(_innovation_covariances(state))
    differences = boxes_xyah[None, :, :] - state.means[:, None, :4]
    return np.asarray(np.einsum("nmi,nmi->nm", differences @ precisions, differences))


def warp(state: KalmanState, camera_motion: FloatArray) -> KalmanState:
    """Return the beliefs in the coordinates of a moved camera: x -> A x + b, `camera_motion` = [A | b] (2, 3).

    A turns and scales centres and their velocities, sqrt(|det A|) scales heights, aspects stay. Source: the camera
    motion compensation of BoT-SORT (Aharon et al., 2022, section 3.2), for this state's aspect and height.
    """
    linear = np.eye(4)
    linear[:2, :2] = camera_motion[:, :2]
    linear[3, 3] = np.sqrt(abs(np.linalg.det(camera_motion[:, :2])))
    transform = np.kron(np.eye(2), linear)
    means = state.means @ transform.T
    means[:, :2] += camera_motion[:, 2]
    return KalmanState(means, _symmetric(transform @ state.covariances @ transform.T))


def _innovation_covariances(state: KalmanState) -> FloatArray:
    """(N, 4, 4): the state's uncertainty in measurement space plus the measurement's own."""
    innovation = state.covariances[:, :4, :4].copy()
    innovation[:, _DIAGONAL[:4], _DIAGONAL[:4]] += _variances(state.means[:, 3], scale=POSITION_WEIGHT, aspect=1e-1)
    return innovation


def _symmetric(covariances: FloatArray) -> FloatArray:
    """Even out what rounding leaves unequal across the diagonal, so that it cannot build up."""
    return np.asarray((covariances + covariances.transpose(0, 2, 1)) / 2)


def _variances(heights: FloatArray, *, scale: float, aspect: float) -> FloatArray:
    """(N,) heights -> (N, 4) variances of x, y, aspect, height; `aspect` is that one's standard deviation."""
    deviations = np.empty((len(heights), 4))
    deviations[:] = (scale * np.maximum(np.abs(heights), SMALLEST_HEIGHT))[:, None]
    deviations[:, 2] = aspect
    return np.square(deviations)

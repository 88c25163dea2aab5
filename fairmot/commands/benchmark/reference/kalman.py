"""Kalman filter of the reference tracker: dense 8x8 matrices, one track at a time, as in the reference implementation.

Source: Wojke et al., Simple Online and Realtime Tracking with a Deep Association Metric (2017), section 2.1.
"""

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, solve_triangular

Floats = npt.NDArray[np.float64]

POSITION, VELOCITY = 1 / 20, 1 / 160  # standard deviations, in heights


class ReferenceKalman:
    """Filter of constant velocity over centre x, centre y, aspect and height."""

    def __init__(self) -> None:
        self._motion = np.eye(8) + np.eye(8, k=4)
        self._observation = np.eye(4, 8)

    def initiate(self, box_xyah: Floats) -> tuple[Floats, Floats]:
        """Return mean (8,) and covariance (8, 8) of a new track at a measurement (4,)."""
        mean = np.r_[box_xyah, np.zeros_like(box_xyah)]
        position, velocity = 2 * POSITION * box_xyah[3], 10 * VELOCITY * box_xyah[3]
        deviations = [position, position, 1e-2, position, velocity, velocity, 1e-5, velocity]
        return mean, np.diag(np.square(deviations))

    def predict_all(self, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """Return means (N, 8) and covariances (N, 8, 8) in the next frame."""
        position, velocity = POSITION * means[:, 3], VELOCITY * means[:, 3]
        ones = np.ones_like(position)
        rows = [position, position, 1e-2 * ones, position, velocity, velocity, 1e-5 * ones, velocity]
        variances = np.square(np.stack(rows)).T
        noise = np.asarray([np.diag(variance) for variance in variances])
        predicted = np.dot(means, self._motion.T)
        half = np.dot(self._motion, covariances).transpose((1, 0, 2))
        return predicted, np.dot(half, self._motion.T) + noise

    def project(self, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
        """Return mean (4,) and covariance (4, 4) of the expected measurement of a track."""
        deviation = POSITION * mean[3]
        noise = np.diag(np.square([deviation, deviation, 1e-1, deviation]))
        projected = np.linalg.multi_dot((self._observation, covariance, self._observation.T))
        return np.dot(self._observation, mean), projected + noise

    def update(self, mean: Floats, covariance: Floats, box_xyah: Floats) -> tuple[Floats, Floats]:
        """Return mean and covariance after a measurement (4,)."""
        expected, innovation = self.project(mean, covariance)
        factor, lower = cho_factor(innovation, lower=True, check_finite=False)
        cross = np.dot(covariance, self._observation.T).T
        gain = cho_solve((factor, lower), cross, check_finite=False).T
        updated = mean + np.dot(box_xyah - expected, gain.T)
        return updated, covariance - np.linalg.multi_dot((gain, innovation, gain.T))

    def squared_mahalanobis(self, mean: Floats, covariance: Floats, boxes_xyah: Floats) -> Floats:
        """Return squared Mahalanobis distances (M,) of measurements (M, 4) from one track."""
        expected, innovation = self.project(mean, covariance)
        factor = np.linalg.cholesky(innovation)
        scaled = solve_triangular(factor, (boxes_xyah - expected).T, lower=True, check_finite=False, overwrite_b=True)
        return np.asarray(np.sum(scaled * scaled, axis=0))

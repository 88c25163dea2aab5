"""Pinhole camera of the synthetic world and its motion.

World axes in metres: X to the right, Z away from the camera, on flat ground. Pan, shake and zoom rotate the camera
about its centre and therefore transform the full image: one scale and one shift per frame.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import FloatArray
from fairmot.synthetic.options import WorldOptions

STATURE = 1.7  # metres; of the person in Preset.heights
FOCAL = 1.6  # focal length in image heights


@dataclass(frozen=True)
class Camera:
    """Pinhole camera above flat ground.

    size_hw: image size in pixels. height: metres above the ground. horizon: image row in pixels.
    near, far: depth range of the walkable ground in metres.
    """

    size_hw: tuple[int, int]
    height: float
    horizon: float
    near: float
    far: float

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return FOCAL * self.size_hw[0]

    def scale(self, depth: float) -> float:
        """Pixels per metre at `depth` metres."""
        return self.focal / depth

    def project(self, x: float, depth: float) -> tuple[float, float]:
        """Ground point (X, Z) in metres -> column and row in pixels, before the camera's motion."""
        scale = self.scale(depth)
        return self.size_hw[1] / 2 + x * scale, self.horizon + self.height * scale

    def half_width(self, depth: float) -> float:
        """Metres from the optical axis to the image's edge at `depth`."""
        return self.size_hw[1] / 2 / self.focal * depth

    def depth_at(self, position: float) -> float:
        """Depth where people's size is at `position` between that at the far end (0) and at the near end (1)."""
        return 1 / (1 / self.far + position * (1 / self.near - 1 / self.far))


def build_camera(size_hw: tuple[int, int], heights: tuple[float, float], rng: np.random.Generator) -> Camera:
    """Draw a camera that shows people of the given far and near heights (fractions of the image height) in full."""
    focal = FOCAL * size_hw[0]
    far, near = (focal * STATURE / (fraction * size_hw[0]) for fraction in heights)
    height = float(rng.uniform(2.3, 3.1))
    lowest = heights[1] * height / STATURE
    horizon = (float(rng.uniform(0.93, 0.97)) - lowest) * size_hw[0]
    return Camera(size_hw, height, horizon, near, far)


@dataclass(frozen=True)
class SyntheticCameraMotion:
    """Image motion over F frames: `scales` (F,) about the image's centre, then `shifts_xy` (F, 2) in pixels."""

    scales: FloatArray
    shifts_xy: FloatArray

    def matrix(self, frame: int, size_hw: tuple[int, int]) -> FloatArray:
        """The (2, 3) affine transform from the static image to frame `frame` (from 0)."""
        scale, shift = float(self.scales[frame]), self.shifts_xy[frame]
        centre = np.array([size_hw[1], size_hw[0]]) / 2
        return np.column_stack([np.eye(2) * scale, centre * (1 - scale) + shift])

    def velocity_x(self, frame: int) -> float:
        """Horizontal motion of the image's centre in pixels per frame."""
        if len(self.shifts_xy) < 2:
            return 0.0
        before, after = max(frame - 1, 0), min(frame + 1, len(self.shifts_xy) - 1)
        return float((self.shifts_xy[after, 0] - self.shifts_xy[before, 0]) / (after - before))


def build_motion(options: WorldOptions, rng: np.random.Generator) -> SyntheticCameraMotion:
    """Draw pan (slow sines), shake (low-pass filtered noise) and zoom of a sequence."""
    height, width = options.size_hw
    preset = options.settings
    seconds = np.arange(options.frames) / options.frame_rate
    pan = _two_sines(seconds, (0.05, 0.12), rng) * preset.pan * width
    tilt = _two_sines(seconds, (0.05, 0.12), rng) * preset.pan * 0.15 * height
    shake = _shake(options, rng) * preset.shake * height
    scales = 1 + preset.zoom * (1 + _two_sines(seconds, (0.03, 0.08), rng)) / 2
    return SyntheticCameraMotion(scales, np.column_stack([pan, tilt]) + shake)


def _two_sines(seconds: FloatArray, band: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    """Sum of two sines with frequencies from `band` (1/s), in [-1, 1]."""
    low, high = rng.uniform(*band, 2)
    phases = rng.uniform(0, 2 * np.pi, 2)
    return np.asarray(
        0.7 * np.sin(2 * np.pi * low * seconds + phases[0]) + 0.3 * np.sin(2 * np.pi * 2 * high * seconds + phases[1])
    )


def _shake(options: WorldOptions, rng: np.random.Generator) -> FloatArray:
    """(F, 2) hand-held noise of unit variance, smoothed over about a sixth of a second."""
    radius = max(1, round(options.frame_rate / 6))
    kernel = np.hanning(2 * radius + 3)
    noise = rng.normal(size=(options.frames + len(kernel) - 1, 2))
    smooth = np.column_stack([np.convolve(noise[:, axis], kernel, "valid") for axis in range(2)])
    return np.asarray(smooth / np.sqrt(np.sum(kernel**2)))

"""The camera: where the ground and the people on it fall in the image, and how the picture moves.

World axes in metres: X to the right, Z away from the camera, on flat ground. The camera's own motion (pan, shake,
zoom) turns it about its centre, so it moves the whole picture: one scale and one shift a frame.
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import FloatArray
from fairmot.synthetic.options import Preset

STATURE = 1.7  # metres; what Preset.heights speak of
FOCAL = 1.6  # focal length in image heights


@dataclass(frozen=True)
class Camera:
    """A pinhole camera above flat ground.

    size_hw: image size in pixels. height: metres above the ground. horizon: its row in pixels.
    near, far: depth of the walkable ground's ends in metres.
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

    def scale(self, depth: FloatArray) -> FloatArray:
        """Pixels a metre at `depth` metres."""
        return np.asarray(self.focal / depth)

    def ground(self, x: FloatArray, depth: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Ground points (X, Z) in metres -> column and row in pixels, before the camera's motion."""
        scale = self.scale(depth)
        return self.size_hw[1] / 2 + x * scale, self.horizon + self.height * scale

    def half_width(self, depth: float) -> float:
        """Metres from the optical axis to the image's edge at `depth`."""
        return self.size_hw[1] / 2 / self.focal * depth


def build_camera(size_hw: tuple[int, int], heights: tuple[float, float], rng: np.random.Generator) -> Camera:
    """Draw a camera that sees people of the given heights (shares of the image height, far and near) wholly."""
    focal = FOCAL * size_hw[0]
    far, near = (focal * STATURE / (share * size_hw[0]) for share in heights)
    height = float(rng.uniform(2.3, 3.1))
    lowest = heights[1] * height / STATURE
    horizon = (float(rng.uniform(0.93, 0.97)) - lowest) * size_hw[0]
    return Camera(size_hw, height, horizon, near, far)


@dataclass(frozen=True)
class SyntheticCameraMotion:
    """How the picture moves: F frames of `scales` (F,) about the image's centre, then `shifts_xy` (F, 2) in pixels."""

    scales: FloatArray
    shifts_xy: FloatArray

    def matrix(self, frame: int, size_hw: tuple[int, int]) -> FloatArray:
        """The (2, 3) affine from the resting picture to frame `frame` (from 0)."""
        scale, shift = float(self.scales[frame]), self.shifts_xy[frame]
        centre = np.array([size_hw[1], size_hw[0]]) / 2
        return np.column_stack([np.eye(2) * scale, centre * (1 - scale) + shift])

    def velocity(self, frame: int) -> FloatArray:
        """(2,) pixels a frame that the picture's centre moves."""
        if len(self.shifts_xy) < 2:
            return np.zeros(2)
        before, after = max(frame - 1, 0), min(frame + 1, len(self.shifts_xy) - 1)
        return np.asarray((self.shifts_xy[after] - self.shifts_xy[before]) / (after - before))


@dataclass(frozen=True)
class Shot:
    """How long and how fast a sequence is filmed: frames, frames a second, image size."""

    frames: int
    frame_rate: float
    size_hw: tuple[int, int]


def build_motion(shot: Shot, preset: Preset, rng: np.random.Generator) -> SyntheticCameraMotion:
    """Draw pan (slow sines), shake (low-passed noise) and zoom for a sequence."""
    height, width = shot.size_hw
    seconds = np.arange(shot.frames) / shot.frame_rate
    pan = _sway(seconds, (0.05, 0.12), rng) * preset.pan * width
    tilt = _sway(seconds, (0.05, 0.12), rng) * preset.pan * 0.15 * height
    shake = _tremble(shot, rng) * preset.shake * height
    scales = 1 + preset.zoom * (1 + _sway(seconds, (0.03, 0.08), rng)) / 2
    return SyntheticCameraMotion(scales, np.column_stack([pan, tilt]) + shake)


def _sway(seconds: FloatArray, band: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    """Two sines of frequencies within `band` (1/s), in [-1, 1]."""
    low, high = rng.uniform(*band, 2)
    phases = rng.uniform(0, 2 * np.pi, 2)
    return np.asarray(
        0.7 * np.sin(2 * np.pi * low * seconds + phases[0]) + 0.3 * np.sin(2 * np.pi * 2 * high * seconds + phases[1])
    )


def _tremble(shot: Shot, rng: np.random.Generator) -> FloatArray:
    """(F, 2) hand-held noise of unit variance, smooth over about a sixth of a second."""
    reach = max(1, round(shot.frame_rate / 6))
    kernel = np.hanning(2 * reach + 3)
    noise = rng.normal(size=(shot.frames + len(kernel) - 1, 2))
    smooth = np.column_stack([np.convolve(noise[:, axis], kernel, "valid") for axis in range(2)])
    return np.asarray(smooth / np.sqrt(np.sum(kernel**2)))

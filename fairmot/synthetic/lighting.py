"""Lighting over a sequence: changing brightness and tint, moving cloud shadows, sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.synthetic.options import WorldOptions

NOISE = 2.5  # standard deviation in grey levels


@dataclass(frozen=True)
class Lighting:
    """Lighting of F frames.

    gains: (F, 3) factors of blue, green, red. cloud: (H, 2W, 3) factors times 128. speed: its pixels per frame.
    noise: (H + 32, W + 32, 3) grey levels; noise_offsets: (F, 2) row and column of each frame's noise.
    """

    gains: FloatArray
    cloud: ImageArray
    speed: float
    noise: IntArray
    noise_offsets: IntArray

    def apply(self, image: ImageArray, frame: int) -> ImageArray:
        """Return `image` (H, W, 3) with the lighting and noise of frame `frame` (from 0)."""
        height, width = image.shape[:2]
        levels = np.arange(256)[:, None] * self.gains[frame][None]
        table = np.clip(levels + 0.5, 0, 255).astype(np.uint8)[None]
        start = int(abs(frame * self.speed) % width)
        lit = cv2.multiply(cv2.LUT(image, table), self.cloud[:, start : start + width], scale=1 / 128)
        top, left = self.noise_offsets[frame]
        noise = self.noise[top : top + height, left : left + width]
        return np.asarray(cv2.add(lit, noise, dtype=cv2.CV_8U), dtype=np.uint8)


def build_lighting(options: WorldOptions, rng: np.random.Generator) -> Lighting:
    """Draw the lighting of a sequence."""
    height, width = options.size_hw
    change = options.settings.light_change
    seconds = np.arange(options.frames) / options.frame_rate
    wave = np.sin(2 * np.pi * rng.uniform(0.04, 0.12) * seconds + rng.uniform(0, 2 * np.pi))
    base = rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3)
    tint = 1 + 0.25 * change * np.outer(wave, rng.uniform(-1, 1, 3))
    gains = base * (1 + 0.6 * change * wave)[:, None] * tint
    profile = rng.normal(1, 0.5 * change, (3, 8)).astype(np.float32)
    profile = np.hstack([profile, profile])
    cloud = np.clip(cv2.resize(profile, (2 * width, height), interpolation=cv2.INTER_CUBIC), 0.5, 1.4) * 128
    noise = np.clip(rng.normal(0, NOISE, (height + 32, width + 32, 3)), -20, 20).round().astype(np.int16)
    return Lighting(
        gains=gains,
        cloud=np.ascontiguousarray(np.repeat(cloud[..., None], 3, axis=2).astype(np.uint8)),
        speed=float(rng.uniform(-1, 1) * width / (6 * options.frame_rate)),
        noise=noise,
        noise_offsets=rng.integers(0, 32, (options.frames, 2)),
    )

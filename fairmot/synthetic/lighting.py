"""Light over a sequence: brightness and tint that drift, cloud shadows that pass, sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray, IntArray
from fairmot.synthetic.camera import Shot
from fairmot.synthetic.options import Preset

NOISE = 2.5  # grey levels


@dataclass(frozen=True)
class Light:
    """gains: (F, 3) factors for blue, green, red. cloud: (H, 2W, 3) factors times 128. speed: its pixels a frame.

    noise: (H + 32, W + 32, 3) grey levels, added at a place that `noise_at` (F, 2) draws for each frame.
    """

    gains: FloatArray
    cloud: ImageArray
    speed: float
    noise: IntArray
    noise_at: IntArray

    def apply(self, image: ImageArray, frame: int) -> ImageArray:
        """Return `image` (H, W, 3) as frame `frame` (from 0) is lit and sensed."""
        height, width = image.shape[:2]
        levels = np.arange(256)[:, None] * self.gains[frame][None]
        table = np.clip(levels + 0.5, 0, 255).astype(np.uint8)[None]
        start = int(abs(frame * self.speed) % width)
        lit = cv2.multiply(cv2.LUT(image, table), self.cloud[:, start : start + width], scale=1 / 128)
        top, left = self.noise_at[frame]
        grain = self.noise[top : top + height, left : left + width]
        return np.asarray(cv2.add(lit, grain, dtype=cv2.CV_8U), dtype=np.uint8)


def build_light(shot: Shot, preset: Preset, rng: np.random.Generator) -> Light:
    """Draw the light of a sequence; `preset.light` is the share by which it changes."""
    height, width = shot.size_hw
    seconds = np.arange(shot.frames) / shot.frame_rate
    wave = np.sin(2 * np.pi * rng.uniform(0.04, 0.12) * seconds + rng.uniform(0, 2 * np.pi))
    base = rng.uniform(0.85, 1.1) * rng.uniform(0.96, 1.04, 3)
    tint = 1 + 0.25 * preset.light * np.outer(wave, rng.uniform(-1, 1, 3))
    gains = base * (1 + 0.6 * preset.light * wave)[:, None] * tint
    profile = rng.normal(1, 0.5 * preset.light, (3, 8)).astype(np.float32)
    profile = np.hstack([profile, profile])
    cloud = np.clip(cv2.resize(profile, (2 * width, height), interpolation=cv2.INTER_CUBIC), 0.5, 1.4) * 128
    noise = np.clip(rng.normal(0, NOISE, (height + 32, width + 32, 3)), -20, 20).round().astype(np.int16)
    return Light(
        gains=gains,
        cloud=np.ascontiguousarray(np.repeat(cloud[..., None], 3, axis=2).astype(np.uint8)),
        speed=float(rng.uniform(-1, 1) * width / (6 * shot.frame_rate)),
        noise=noise,
        noise_at=rng.integers(0, 32, (shot.frames, 2)),
    )

"""Draw a body once for each gait phase and view; later frames only resize and paste it.

A sprite is premultiplied BGRA (uint8) with the point on the ground that it stands on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.synthetic.body import BodySegment, Point

PHASES = 18
VIEWS = 12
TILT = 0.12  # the camera looks down a little: what is nearer lies lower in the picture
LIGHT = (-0.45, 0.35, 0.82)  # direction of the light: right, up, towards the camera


@dataclass(frozen=True)
class Sprite:
    """image: (H, W, 4) premultiplied BGRA. foot_xy: the ground point in its pixels. extent_xyxy: box of its silhouette.

    scale: pixels a metre (or a stature) that it is drawn at.
    """

    image: ImageArray
    foot_xy: tuple[float, float]
    extent_xyxy: tuple[float, float, float, float]
    scale: float


def make_sprite(image: ImageArray, foot_xy: tuple[float, float], scale: float) -> Sprite:
    """Measure the silhouette (alpha of one half and more) of a premultiplied BGRA image."""
    solid = image[..., 3] >= 128
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if len(rows) == 0:
        return Sprite(image, foot_xy, (*foot_xy, *foot_xy), scale)
    extent = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    return Sprite(image, foot_xy, extent, scale)


def draw_body(parts: list[BodySegment], view: float, pixels: float) -> Sprite:
    """Draw `parts` seen at heading `view` (radians, 0 = walking to the right); a stature is `pixels` tall."""
    height, width = math.ceil(pixels * 1.15) + 4, math.ceil(pixels * 1.0) + 4
    foot = (width / 2, height - 2 - 0.07 * pixels)
    canvas = np.zeros((height, width, 4), dtype=np.float32)
    cos, sin = math.cos(view), math.sin(view)

    def away(point: Point) -> float:
        return point[0] * sin + point[2] * cos

    def depth(part: BodySegment) -> float:
        return (away(part.start) + away(part.end)) / 2 - part.nearer

    for part in sorted(parts, key=depth, reverse=True):
        ends = [
            (foot[0] + pixels * (p[0] * cos - p[2] * sin), foot[1] - pixels * (p[1] + TILT * away(p)))
            for p in (part.start, part.end)
        ]
        thickness = math.hypot(sin, part.flatness * cos) if part.hollow == 0 else 1.0
        _draw_part(canvas, part, np.array(ends), _Look(view, pixels, thickness))
    rows, columns = np.flatnonzero(canvas[..., 3].any(axis=1)), np.flatnonzero(canvas[..., 3].any(axis=0))
    top, left = (int(axis[0]) if len(axis) else 0 for axis in (rows, columns))
    used = canvas[top : rows[-1] + 1 if len(rows) else 1, left : columns[-1] + 1 if len(columns) else 1]
    image = (np.clip(used, 0, 1) * 255 + 0.5).astype(np.uint8)
    return make_sprite(image, (foot[0] - left, foot[1] - top), pixels)


@dataclass(frozen=True)
class _Look:
    view: float
    pixels: float
    thickness: float


def _draw_part(canvas: FloatArray, part: BodySegment, ends: FloatArray, look: _Look) -> None:
    """Paint one capsule over the canvas, anti-aliased and shaded as a cylinder."""
    radii = np.array(part.radii) * look.pixels * look.thickness
    reach = float(radii.max()) + 2
    low = np.maximum(np.floor(ends.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(ends.max(axis=0) + reach), [canvas.shape[1], canvas.shape[0]]).astype(int)
    if (high <= low).any():
        return
    x = np.arange(low[0], high[0], dtype=np.float32)[None, :] + np.float32(0.5 - ends[0, 0])
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None] + np.float32(0.5 - ends[0, 1])
    axis = ends[1] - ends[0]
    length = float(np.hypot(*axis))
    ax, ay = (float(side) for side in axis / length) if length > 1e-3 else (0.0, 1.0)
    along, across = x * ax + y * ay, x * ay - y * ax
    beyond = (along - np.clip(along, 0, length)) / np.float32(max(part.cap, 0.05))
    share = np.clip(along / np.float32(max(length, 1e-3)), 0, 1)
    radius = np.float32(radii[0]) + share * np.float32(radii[1] - radii[0])
    distance = np.sqrt(across * across + beyond * beyond)
    alpha = np.clip(radius - distance + np.float32(0.5), 0, 1)
    if part.hollow:
        alpha *= np.clip(distance - radius + np.float32(part.hollow * look.pixels + 0.5), 0, 1)
    colour = _shade(part, look, (across / radius, (along + radius) / np.float32(length + radii.sum())), (ax, ay))
    region = canvas[low[1] : high[1], low[0] : high[0]]
    region *= (1 - alpha)[..., None]
    region[..., :3] += colour * alpha[..., None]
    region[..., 3] += alpha


def _shade(part: BodySegment, look: _Look, at: tuple[FloatArray, FloatArray], axis: tuple[float, float]) -> FloatArray:
    """Colours of a part at (`across` in radii, `along` in [0, 1]), lit from LIGHT."""
    across, along = np.clip(at[0], -1, 1), at[1]
    facing = np.sqrt(1 - across * across)
    azimuth = np.arctan2(-facing, across * axis[1]) - np.float32(look.view)
    lit = across * np.float32(axis[1] * LIGHT[0] + axis[0] * LIGHT[1]) + facing * np.float32(LIGHT[2])
    brightness = 0.5 + 0.55 * np.clip(lit, 0, 1)
    return part.paint(azimuth, along) * brightness[..., None].astype(np.float32)


class SpriteBook:
    """Sprites of one actor, drawn when first needed, each with halved copies for far places."""

    def __init__(self, draw: Callable[[int, int, bool], Sprite]) -> None:
        """`draw(phase index, view index, standing)` gives the full-size sprite."""
        self._draw = draw
        self._levels: dict[tuple[int, int, bool], list[Sprite]] = {}

    def sprite(self, phase: float, heading: float, *, standing: bool, scale: float) -> Sprite:
        """The sprite nearest to a gait phase and heading (radians), at least `scale` pixels a metre where it can be."""
        turn = 2 * math.pi
        key = (
            0 if standing else round(phase % turn / turn * PHASES) % PHASES,
            round(heading % turn / turn * VIEWS) % VIEWS,
            standing,
        )
        if key not in self._levels:
            self._levels[key] = _halvings(self._draw(*key))
        fine_enough = [sprite for sprite in self._levels[key] if sprite.scale >= scale * 0.75]
        return fine_enough[-1] if fine_enough else self._levels[key][0]


def _halvings(sprite: Sprite) -> list[Sprite]:
    """The sprite and its half sizes, down to 24 pixels of height."""
    levels = [sprite]
    while levels[-1].image.shape[0] >= 48:
        last = levels[-1]
        padded = np.pad(last.image, ((0, last.image.shape[0] % 2), (0, last.image.shape[1] % 2), (0, 0)))
        half = cv2.resize(padded, (padded.shape[1] // 2, padded.shape[0] // 2), interpolation=cv2.INTER_AREA)
        levels.append(
            Sprite(
                np.asarray(half, dtype=np.uint8),
                (last.foot_xy[0] / 2, last.foot_xy[1] / 2),
                (last.extent_xyxy[0] / 2, last.extent_xyxy[1] / 2, last.extent_xyxy[2] / 2, last.extent_xyxy[3] / 2),
                last.scale / 2,
            )
        )
    return levels

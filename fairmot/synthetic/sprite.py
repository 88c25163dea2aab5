"""Sprites of people: each gait phase and view is rendered once and then resized in every frame.

A sprite is premultiplied BGRA (uint8) with the position of its ground point.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.synthetic.appearance import Appearance
from fairmot.synthetic.body import BodySegment, Point, Pose, Posture, build_body
from fairmot.synthetic.trajectories import Trajectory

GAIT_PHASES = 18
VIEWS = 12
TILT = 0.12  # downward tilt of the camera: nearer points are lower in the image
LIGHT = (-0.45, 0.35, 0.82)  # light direction: right, up, towards the camera


@dataclass(frozen=True)
class Sprite:
    """image: (H, W, 4) premultiplied BGRA. foot_xy: ground point in its pixels. extent_xyxy: box of its silhouette.

    scale: pixels per metre (props) or per stature (people).
    """

    image: ImageArray
    foot_xy: tuple[float, float]
    extent_xyxy: tuple[float, float, float, float]
    scale: float


def make_sprite(image: ImageArray, foot_xy: tuple[float, float], scale: float) -> Sprite:
    """Make a sprite of a premultiplied BGRA image; its silhouette has an alpha of at least one half."""
    solid = image[..., 3] >= 128
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if len(rows) == 0:
        return Sprite(image, foot_xy, (*foot_xy, *foot_xy), scale)
    extent = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    return Sprite(image, foot_xy, extent, scale)


def draw_body(segments: list[BodySegment], view: float, pixels: float) -> Sprite:
    """Render a body with heading `view` (radians, 0 = walking to the right) at `pixels` per stature."""
    height, width = math.ceil(pixels * 1.15) + 4, math.ceil(pixels * 1.0) + 4
    foot = (width / 2, height - 2 - 0.07 * pixels)
    canvas = np.zeros((height, width, 4), dtype=np.float32)
    cos, sin = math.cos(view), math.sin(view)

    def depth(point: Point) -> float:
        return point[0] * sin + point[2] * cos

    def sort_key(segment: BodySegment) -> float:
        return (depth(segment.start) + depth(segment.end)) / 2 - segment.depth_bias

    for segment in sorted(segments, key=sort_key, reverse=True):
        ends = [
            (foot[0] + pixels * (p[0] * cos - p[2] * sin), foot[1] - pixels * (p[1] + TILT * depth(p)))
            for p in (segment.start, segment.end)
        ]
        _draw_segment(canvas, segment, np.array(ends), view=view, pixels=pixels)
    rows, columns = np.flatnonzero(canvas[..., 3].any(axis=1)), np.flatnonzero(canvas[..., 3].any(axis=0))
    top, left = (int(axis[0]) if len(axis) else 0 for axis in (rows, columns))
    used = canvas[top : rows[-1] + 1 if len(rows) else 1, left : columns[-1] + 1 if len(columns) else 1]
    image = (np.clip(used, 0, 1) * 255 + 0.5).astype(np.uint8)
    return make_sprite(image, (foot[0] - left, foot[1] - top), pixels)


def _draw_segment(canvas: FloatArray, segment: BodySegment, ends: FloatArray, *, view: float, pixels: float) -> None:
    """Draw a capsule between `ends` (2, 2) over the canvas, anti-aliased and shaded as a cylinder."""
    thickness = math.hypot(math.sin(view), segment.flatness * math.cos(view)) if segment.rim == 0 else 1.0
    radii = np.array(segment.radii) * pixels * thickness
    margin = float(radii.max()) + 2
    low = np.maximum(np.floor(ends.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(ends.max(axis=0) + margin), [canvas.shape[1], canvas.shape[0]]).astype(int)
    if (high <= low).any():
        return
    x = np.arange(low[0], high[0], dtype=np.float32)[None, :] + np.float32(0.5 - ends[0, 0])
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None] + np.float32(0.5 - ends[0, 1])
    axis = ends[1] - ends[0]
    length = float(np.hypot(*axis))
    ax, ay = (float(side) for side in axis / length) if length > 1e-3 else (0.0, 1.0)
    along, across = x * ax + y * ay, x * ay - y * ax
    beyond = (along - np.clip(along, 0, length)) / np.float32(max(segment.cap, 0.05))
    position = np.clip(along / np.float32(max(length, 1e-3)), 0, 1)
    radius = np.float32(radii[0]) + position * np.float32(radii[1] - radii[0])
    distance = np.sqrt(across * across + beyond * beyond)
    alpha = np.clip(radius - distance + np.float32(0.5), 0, 1)
    if segment.rim:
        alpha *= np.clip(distance - radius + np.float32(segment.rim * pixels + 0.5), 0, 1)
    colour = _shade(segment, view, (across / radius, (along + radius) / np.float32(length + radii.sum())), (ax, ay))
    region = canvas[low[1] : high[1], low[0] : high[0]]
    region *= (1 - alpha)[..., None]
    region[..., :3] += colour * alpha[..., None]
    region[..., 3] += alpha


def _shade(
    segment: BodySegment, view: float, surface: tuple[FloatArray, FloatArray], axis: tuple[float, float]
) -> FloatArray:
    """Colours (..., 3) at surface points (across in radii, along in [0, 1]), lit from LIGHT."""
    across, along = np.clip(surface[0], -1, 1), surface[1]
    facing = np.sqrt(1 - across * across)
    azimuth = np.arctan2(-facing, across * axis[1]) - np.float32(view)
    diffuse = across * np.float32(axis[1] * LIGHT[0] + axis[0] * LIGHT[1]) + facing * np.float32(LIGHT[2])
    brightness = 0.5 + 0.55 * np.clip(diffuse, 0, 1)
    return segment.colour_at(azimuth, along) * brightness[..., None].astype(np.float32)


class SpriteAtlas:
    """Sprites of one person in all gait phases and views, drawn on first use, each with mipmap levels."""

    def __init__(self, appearance: Appearance, pixels: float, *, posture: Posture = "walk") -> None:
        """`pixels`: height of the full-size sprites per stature."""
        self._appearance, self._pixels, self._posture = appearance, pixels, posture
        self._levels: dict[tuple[int, int, bool], list[Sprite]] = {}

    def select(self, trajectory: Trajectory, frame: int, *, scale: float) -> Sprite:
        """Return the sprite nearest to gait phase and heading of a frame.

        Of its mipmap levels the smallest that suffices for `scale` pixels per stature is returned.
        """
        turn = 2 * math.pi
        phase, heading = float(trajectory.phase[frame]), float(trajectory.heading[frame])
        is_standing = bool(trajectory.stride[frame] < 0.05)
        key = (
            0 if is_standing else round(phase % turn / turn * GAIT_PHASES) % GAIT_PHASES,
            round(heading % turn / turn * VIEWS) % VIEWS,
            is_standing,
        )
        if key not in self._levels:
            pose = Pose(2 * math.pi * key[0] / GAIT_PHASES, 0.0 if is_standing else 1.0, self._posture)
            segments = build_body(self._appearance, pose)
            self._levels[key] = _mipmap(draw_body(segments, 2 * math.pi * key[1] / VIEWS, self._pixels))
        sufficient = [sprite for sprite in self._levels[key] if sprite.scale >= scale * 0.75]
        return sufficient[-1] if sufficient else self._levels[key][0]


def _mipmap(sprite: Sprite) -> list[Sprite]:
    """Return the sprite at full, half, quarter, ... size, down to a height of 24 pixels."""
    levels = [sprite]
    while levels[-1].image.shape[0] >= 48:
        last = levels[-1]
        padded = np.pad(last.image, ((0, last.image.shape[0] % 2), (0, last.image.shape[1] % 2), (0, 0)))
        half = cv2.resize(padded, (padded.shape[1] // 2, padded.shape[0] // 2), interpolation=cv2.INTER_AREA)
        foot_x, foot_y = (value / 2 for value in last.foot_xy)
        left, top, right, bottom = (value / 2 for value in last.extent_xyxy)
        image = np.asarray(half, dtype=np.uint8)
        levels.append(Sprite(image, (foot_x, foot_y), (left, top, right, bottom), last.scale / 2))
    return levels

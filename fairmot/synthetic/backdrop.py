"""Backdrop of the synthetic world: ground in perspective, and a street, plaza, park or hall behind it."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.synthetic.appearance import Colour
from fairmot.synthetic.camera import Camera

SCENES = ("street", "plaza", "park", "hall")
TEXEL = 48  # ground texture pixels per metre
TILE = 8  # metres after which the ground texture repeats


@dataclass(frozen=True)
class Backdrop:
    """image: (H + 2m, W + 2m, 3) BGR with a margin of m = `margin` pixels on each side for the camera's motion."""

    image: ImageArray
    margin: int


def draw_backdrop(camera: Camera, scene: str, margin: int, rng: np.random.Generator) -> Backdrop:
    """Draw a scene, one of SCENES, for `camera`."""
    height, width = (side + 2 * margin for side in camera.size_hw)
    oversampling = 2 if camera.size_hw[1] <= 1000 else 1
    view = _BackdropView(camera, margin, oversampling, depth=camera.far * float(rng.uniform(1.15, 1.5)))
    canvas = np.zeros((height * oversampling, width * oversampling, 3), dtype=np.float32)
    BACKGROUNDS[scene](canvas, view, rng)
    _draw_ground(canvas, view, _draw_texture(scene, rng), rng)
    canvas *= _patches(canvas.shape[:2], 5, 0.05, rng)[..., None]
    small = np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA))
    return Backdrop((np.clip(small, 0, 1) * 255).astype(np.uint8), margin)


@dataclass(frozen=True)
class _BackdropView:
    """Projection to a canvas with oversampling and a margin; the back wall is at `depth` metres."""

    camera: Camera
    margin: int
    oversampling: int
    depth: float

    def row(self, up: float) -> int:
        """Canvas row of a height above the ground in metres, at the back wall."""
        scale = self.camera.focal / self.depth
        return round((self.camera.horizon + (self.camera.height - up) * scale + self.margin) * self.oversampling)

    @property
    def unit(self) -> float:
        """Canvas pixels per metre at the back wall."""
        return self.camera.focal / self.depth * self.oversampling


def _patches(shape: tuple[int, int], cells: int, amount: float, rng: np.random.Generator) -> FloatArray:
    """Return smooth random factors around 1, with about `cells` cells over the height."""
    grid = rng.normal(1, amount, (cells, max(2, round(cells * shape[1] / shape[0])))).astype(np.float32)
    return np.asarray(cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC))


def _draw_ground(canvas: FloatArray, view: _BackdropView, texture: FloatArray, rng: np.random.Generator) -> None:
    """Draw the ground up to the back wall with a texture that repeats every TILE metres."""
    camera, first = view.camera, max(0, view.row(0.0))
    rows = (np.arange(first, canvas.shape[0], dtype=np.float32) + 0.5) / view.oversampling - view.margin
    columns = (np.arange(canvas.shape[1], dtype=np.float32) + 0.5) / view.oversampling - view.margin
    depth = camera.focal * camera.height / np.maximum(rows - camera.horizon, 1.0)
    x = (columns[None, :] - camera.size_hw[1] / 2) / camera.focal * depth[:, None]
    angle = float(rng.choice([0.0, 0.0, 0.4, 0.78]))
    turned_x = x * np.cos(angle) + depth[:, None] * np.sin(angle)
    turned_z = depth[:, None] * np.cos(angle) - x * np.sin(angle)
    at = [np.mod(axis * TEXEL, TILE * TEXEL).astype(np.float32) for axis in (turned_x, turned_z)]
    ground = cv2.remap(texture.astype(np.float32), at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    mean = texture.mean(axis=(0, 1))
    contrast = np.clip(view.camera.near * 1.6 / depth, 0.35, 1)[:, None, None]
    light = (0.86 + 0.2 * np.linspace(0, 1, len(rows), dtype=np.float32))[:, None, None]
    canvas[first:] = (mean + (ground - mean) * contrast) * light


def _blank_texture(colour: Colour, rough: float, rng: np.random.Generator) -> FloatArray:
    size = TILE * TEXEL
    texture = np.ones((size, size, 3), dtype=np.float32) * np.asarray(colour, np.float32)
    for cells in (size // 2, 24):
        cell = size // cells
        wrapped = np.pad(rng.normal(1, rough, (cells, cells)).astype(np.float32), 1, mode="wrap")
        grown = cv2.resize(wrapped, (size + 2 * cell, size + 2 * cell), interpolation=cv2.INTER_LINEAR)
        texture *= grown[cell : cell + size, cell : cell + size, None]
    return texture


def _add_slabs(texture: FloatArray, sides: tuple[float, float], rng: np.random.Generator) -> FloatArray:
    """Draw slabs of about `sides` metres (an integer number per tile) in slightly different colours, with joints."""
    counts = [max(1, round(TILE / side)) for side in sides]
    shades = rng.normal(1, rng.uniform(0.02, 0.1), (counts[1], counts[0], 1)).astype(np.float32)
    if rng.random() < 0.35:
        checker = (np.add.outer(np.arange(counts[1]), np.arange(counts[0])) % 2)[..., None]
        shades = shades * (1 - np.float32(rng.uniform(0.1, 0.35)) * checker).astype(np.float32)
    size = TILE * TEXEL
    texture = texture * cv2.resize(shades, (size, size), interpolation=cv2.INTER_NEAREST)[..., None]
    for axis in (0, 1):
        for index in range(counts[1 - axis]):
            at = round(index * size / counts[1 - axis])
            lines = texture[at : at + 2] if axis == 0 else texture[:, at : at + 2]
            lines *= 0.72
    return texture


def _to_colour(values: FloatArray) -> Colour:
    blue, green, red = (float(value) for value in values)
    return blue, green, red


def _stone(rng: np.random.Generator, low: float = 0.35, high: float = 0.72) -> Colour:
    value, warmth = rng.uniform(low, high), rng.uniform(-0.05, 0.07)
    return (float(value - warmth), float(value), float(value + warmth))


def _draw_texture(scene: str, rng: np.random.Generator) -> FloatArray:
    """Draw the ground texture of a scene: asphalt, pavement, grass, gravel, planks or slabs."""
    if scene == "park":
        if rng.random() < 0.65:
            green = rng.uniform(0.3, 0.52)
            grass = (float(green * 0.35), float(green), float(green * rng.uniform(0.5, 0.85)))
            return _blank_texture(grass, 0.16, rng)
        return _blank_texture(_stone(rng, 0.5, 0.7), 0.12, rng)
    if scene == "hall":
        if rng.random() < 0.4:
            return _add_slabs(_blank_texture((0.25, 0.42, 0.6), 0.06, rng), (0.2, 2.0), rng)
        return _add_slabs(_blank_texture(_stone(rng, 0.5, 0.85), 0.02, rng), (1.0, 1.0), rng)
    if scene == "street" and rng.random() < 0.4:
        return _blank_texture(_stone(rng, 0.28, 0.45), 0.09, rng)
    side = float(rng.choice([0.5, 0.8, 1.0, 1.6]))
    return _add_slabs(_blank_texture(_stone(rng), 0.05, rng), (side, side * float(rng.choice([1.0, 0.5]))), rng)


def _draw_sky(canvas: FloatArray, view: _BackdropView, rng: np.random.Generator) -> None:
    bottom = max(1, view.row(0.0))
    top = np.array([0.85, 0.65, 0.45]) * rng.uniform(0.7, 1.1)
    low = np.array([0.92, 0.88, 0.82]) * rng.uniform(0.8, 1.05)
    canvas[:bottom] = top + (low - top) * np.linspace(0, 1, bottom)[:, None, None]
    canvas[:bottom] *= _patches((bottom, canvas.shape[1]), 3, 0.06, rng)[..., None]


def _draw_street(canvas: FloatArray, view: _BackdropView, rng: np.random.Generator) -> None:
    _draw_sky(canvas, view, rng)
    left = -float(rng.uniform(0, 4)) * view.unit
    while left < canvas.shape[1]:
        right = left + float(rng.uniform(3.5, 8)) * view.unit
        _draw_house(canvas, view, (int(left), int(right)), rng)
        left = right
    cv2.rectangle(canvas, (0, view.row(0.16)), (canvas.shape[1], view.row(0.0)), (0.45, 0.46, 0.47), -1)


def _draw_house(canvas: FloatArray, view: _BackdropView, span: tuple[int, int], rng: np.random.Generator) -> None:
    """Draw a facade with a shop or doors at the bottom and windows above."""
    value = rng.uniform(0.3, 0.85)
    wall = _to_colour(np.clip(value * rng.uniform(0.75, 1.15, 3), 0, 1))
    top, base = view.row(float(rng.uniform(4, 12))), view.row(0.0)
    cv2.rectangle(canvas, (span[0], top), (span[1], base), wall, -1)
    glass = _to_colour(np.array([0.42, 0.36, 0.3]) * rng.uniform(0.4, 1.4))
    frame = _to_colour(np.array(wall) * (1.25 if value < 0.5 else 0.6))
    shop = rng.random() < 0.5
    width, gap = float(rng.uniform(0.9, 2.4 if shop else 1.4)), float(rng.uniform(0.4, 1.0))
    x = span[0] + gap * view.unit
    while x + width * view.unit < span[1]:
        ends = (int(x), int(x + width * view.unit))
        bottom = 0.1 if shop or rng.random() < 0.25 else 0.9
        for low, high in ((bottom, 2.3), (3.4, 4.9), (6.2, 7.7)):
            upper, lower, inset = view.row(high), view.row(low), max(1, int(0.06 * view.unit))
            cv2.rectangle(canvas, (ends[0], upper), (ends[1], lower), frame, -1)
            cv2.rectangle(canvas, (ends[0] + inset, upper + inset), (ends[1] - inset, lower - inset), glass, -1)
        x += (width + gap) * view.unit
    if shop:
        awning = _to_colour(rng.uniform(0.1, 0.9, 3))
        cv2.rectangle(canvas, (span[0], view.row(3.0)), (span[1], view.row(2.45)), awning, -1)


def _draw_trees(canvas: FloatArray, view: _BackdropView, count: int, rng: np.random.Generator) -> None:
    for _ in range(count):
        x = int(rng.uniform(0, canvas.shape[1]))
        green = np.array([rng.uniform(0.08, 0.22), rng.uniform(0.25, 0.5), rng.uniform(0.12, 0.35)])
        half = max(1, int(rng.uniform(0.1, 0.22) * view.unit))
        crown = float(rng.uniform(2.2, 4.5))
        cv2.rectangle(canvas, (x - half, view.row(crown)), (x + half, view.row(0.0)), (0.12, 0.18, 0.25), -1)
        for _ in range(45):
            at = (int(x + rng.normal(0, 0.8) * view.unit), view.row(crown + float(rng.normal(0, 0.7))))
            colour = _to_colour(green * rng.uniform(0.6, 1.4))
            cv2.circle(canvas, at, max(1, int(rng.uniform(0.2, 0.5) * view.unit)), colour, -1)


def _draw_plaza(canvas: FloatArray, view: _BackdropView, rng: np.random.Generator) -> None:
    _draw_sky(canvas, view, rng)
    left = 0.0
    while left < canvas.shape[1]:
        right = left + float(rng.uniform(2, 6)) * view.unit
        if rng.random() < 0.75:
            _draw_house(canvas, view, (int(left), int(right)), rng)
        left = right
    _draw_trees(canvas, view, int(rng.integers(1, 5)), rng)


def _draw_park(canvas: FloatArray, view: _BackdropView, rng: np.random.Generator) -> None:
    _draw_sky(canvas, view, rng)
    _draw_trees(canvas, view, int(rng.integers(5, 11)), rng)
    green = np.array([0.14, 0.36, 0.2]) * rng.uniform(0.6, 1.2)
    top = view.row(float(rng.uniform(0.5, 1.3)))
    for x in range(0, canvas.shape[1], max(2, int(0.12 * view.unit))):
        colour = _to_colour(green * rng.uniform(0.7, 1.3))
        height = int(rng.normal(0, 0.08) * view.unit)
        cv2.rectangle(canvas, (x, top + height), (x + int(0.2 * view.unit), view.row(0.0)), colour, -1)


def _draw_hall(canvas: FloatArray, view: _BackdropView, rng: np.random.Generator) -> None:
    wall = np.array(_stone(rng, 0.45, 0.85)) * rng.uniform(0.9, 1.05, 3)
    canvas[:] = wall
    x, base = float(rng.uniform(0, 1)) * view.unit, view.row(0.0)
    while x < canvas.shape[1]:
        width = float(rng.uniform(1.0, 2.8)) * view.unit
        ends = (int(x), int(x + width * 0.88))
        tone = rng.uniform(0.5, 1.25)
        if rng.random() < 0.35:
            glass = _to_colour(np.array([0.5, 0.44, 0.36]) * tone)
            cv2.rectangle(canvas, (ends[0], view.row(2.4)), (ends[1], base), glass, -1)
            cv2.rectangle(canvas, (ends[0], view.row(2.4)), (ends[1], base), (0.2, 0.2, 0.2), max(1, view.oversampling))
        elif rng.random() < 0.6:
            poster = _to_colour(rng.uniform(0.2, 0.9, 3))
            cv2.rectangle(canvas, (ends[0], view.row(2.3)), (ends[1], view.row(0.9)), poster, -1)
        x += width
    cv2.rectangle(canvas, (0, view.row(0.14)), (canvas.shape[1], base), _to_colour(wall * 0.55), -1)
    canvas[: max(0, view.row(3.4))] *= 0.8


BACKGROUNDS: dict[str, Callable[[FloatArray, _BackdropView, np.random.Generator], None]] = {
    "street": _draw_street,
    "plaza": _draw_plaza,
    "park": _draw_park,
    "hall": _draw_hall,
}

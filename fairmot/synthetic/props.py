"""Things that stand about and hide people: columns, panels, hedges, benches, planters, signs, bins and cars.

Each is painted in metres on a small canvas, then made a sprite.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.geometry.arrays import FloatArray
from fairmot.synthetic.appearance import Colour
from fairmot.synthetic.sprite import Sprite, make_sprite

OVERSAMPLE = 2
Painter = Callable[["Easel", np.random.Generator], None]


@dataclass(frozen=True)
class Prop:
    """A still thing: its kind, where it stands (metres), its size (metres), and whether it hides a whole person."""

    kind: str
    x: float
    depth: float
    width: float
    height: float
    screens: bool


class Easel:
    """A canvas in metres: x from the thing's middle to the right, y up from the ground; colours are BGR in [0, 1]."""

    def __init__(self, width: float, height: float, pixels_per_metre: float) -> None:
        """`width` and `height` in metres, a margin of 0.1 m is added."""
        self.width, self.height = width, height
        self._unit = pixels_per_metre * OVERSAMPLE
        rows, columns = int((height + 0.2) * self._unit) + 1, int((width + 0.2) * self._unit) + 1
        self._colour = np.zeros((rows, columns, 3), dtype=np.float32)
        self._alpha = np.zeros((rows, columns), dtype=np.float32)

    def _point(self, x: float, y: float) -> tuple[int, int]:
        return round((x + self.width / 2 + 0.1) * self._unit), round((self.height + 0.1 - y) * self._unit)

    def box(self, left: float, bottom: float, right: float, top: float, colour: Colour) -> None:
        """Fill a rectangle."""
        first, last = self._point(left, top), self._point(right, bottom)
        cv2.rectangle(self._colour, first, last, colour, -1)
        cv2.rectangle(self._alpha, first, last, 1.0, -1)

    def disc(self, x: float, y: float, radii: tuple[float, float], colour: Colour) -> None:
        """Fill an upright ellipse."""
        axes = (max(1, round(radii[0] * self._unit)), max(1, round(radii[1] * self._unit)))
        cv2.ellipse(self._colour, self._point(x, y), axes, 0, 0, 360, colour, -1)
        cv2.ellipse(self._alpha, self._point(x, y), axes, 0, 0, 360, 1.0, -1)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        corners = np.array([self._point(*point) for point in points], dtype=np.int32)
        cv2.fillPoly(self._colour, [corners], colour)
        cv2.fillPoly(self._alpha, [corners], 1.0)

    def round_off(self) -> None:
        """Shade from left to right like an upright cylinder."""
        across = np.linspace(-1, 1, self._colour.shape[1], dtype=np.float32)
        self._colour *= (0.55 + 0.5 * np.sqrt(np.clip(1 - (across + 0.25) ** 2, 0, 1)))[None, :, None]

    def grain(self, amount: float, rng: np.random.Generator) -> None:
        """Speckle the surface."""
        rough = rng.normal(1, amount, (self._colour.shape[0] // 4 + 1, self._colour.shape[1] // 4 + 1))
        size = (self._colour.shape[1], self._colour.shape[0])
        self._colour *= cv2.resize(rough.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[..., None]

    def sprite(self) -> Sprite:
        """Return the painting as a premultiplied sprite."""
        layers = np.dstack([np.clip(self._colour, 0, 1) * self._alpha[..., None], self._alpha])
        size = (layers.shape[1] // OVERSAMPLE, layers.shape[0] // OVERSAMPLE)
        small = np.asarray(cv2.resize(layers, size, interpolation=cv2.INTER_AREA), dtype=np.float64)
        foot = self._point(0.0, 0.0)
        image = (small * 255 + 0.5).astype(np.uint8)
        return make_sprite(image, (foot[0] / OVERSAMPLE, foot[1] / OVERSAMPLE), self._unit / OVERSAMPLE)


def draw_prop(prop: Prop, pixels_per_metre: float, rng: np.random.Generator) -> Sprite:
    """Paint `prop` at `pixels_per_metre`."""
    easel = Easel(prop.width, prop.height, pixels_per_metre)
    PAINTERS[prop.kind](easel, rng)
    easel.grain(0.04, rng)
    return easel.sprite()


def _any(rng: np.random.Generator, low: float = 0.15, high: float = 0.85) -> Colour:
    blue, green, red = rng.uniform(low, high, 3)
    return (float(blue), float(green), float(red))


def _grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    value = float(rng.uniform(low, high))
    return (value, value, float(min(1.0, value * rng.uniform(0.95, 1.08))))


def _times(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _column(easel: Easel, rng: np.random.Generator) -> None:
    half, top = easel.width / 2, easel.height
    stone = _grey(rng, 0.4, 0.75)
    easel.disc(0, 0.06, (half, 0.06), stone)
    easel.box(-half, 0.06, half, top - 0.12, stone)
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(-half, half * 0.5), rng.uniform(0.3, top * 0.6)
        easel.box(x, y, min(half, x + rng.uniform(0.2, 0.5)), y + rng.uniform(0.3, 0.7), _any(rng))
    easel.box(-half, top - 0.25, half, top - 0.08, _times(stone, 0.7))
    easel.disc(0, top - 0.08, (half, 0.08), _times(stone, 1.1))
    easel.round_off()


def _panel(easel: Easel, rng: np.random.Generator) -> None:
    half, top = easel.width / 2, easel.height
    frame = _grey(rng, 0.12, 0.4)
    easel.box(-half, 0, half, top, frame)
    easel.box(-half + 0.08, 0.25, half - 0.08, top - 0.12, _any(rng, 0.3, 0.95))
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-half + 0.1, half - 0.3), rng.uniform(0.3, top - 0.6)
        if rng.random() < 0.5:
            easel.box(x, y, min(half - 0.1, x + rng.uniform(0.2, 0.6)), y + rng.uniform(0.06, 0.4), _any(rng))
        else:
            easel.disc(x * 0.6, y, (rng.uniform(0.06, 0.25), rng.uniform(0.06, 0.3)), _any(rng))


def _hedge(easel: Easel, rng: np.random.Generator) -> None:
    half, top = easel.width / 2, easel.height
    green = (float(rng.uniform(0.08, 0.2)), float(rng.uniform(0.28, 0.48)), float(rng.uniform(0.12, 0.3)))
    easel.box(-half + 0.04, 0.0, half - 0.04, top - 0.1, green)
    for _ in range(150):
        x, y = rng.uniform(-half + 0.05, half - 0.05), rng.uniform(0.06, top - 0.06)
        size = float(rng.uniform(0.04, 0.11))
        easel.disc(x, y, (size, size * 0.8), _times(green, float(rng.uniform(0.65, 1.35))))


def _bench(easel: Easel, rng: np.random.Generator) -> None:
    half = easel.width / 2
    wood, iron = (0.16, 0.3, 0.5), _grey(rng, 0.1, 0.25)
    for x in (-half + 0.1, half - 0.16):
        easel.box(x, 0, x + 0.07, 0.8, iron)
    for y in (0.42, 0.56, 0.7):
        easel.box(-half, y, half, y + 0.09, _times(wood, float(rng.uniform(0.85, 1.15))))


def _planter(easel: Easel, rng: np.random.Generator) -> None:
    half, rim = easel.width / 2, easel.height * 0.45
    green = (0.14, float(rng.uniform(0.35, 0.55)), 0.22)
    for _ in range(70):
        x, y = rng.uniform(-half * 0.9, half * 0.9), rng.uniform(rim, easel.height - 0.1)
        petal = _any(rng, 0.3, 1.0) if rng.random() < 0.25 else _times(green, float(rng.uniform(0.6, 1.3)))
        easel.disc(x, y, (0.09, 0.08), petal)
    easel.polygon([(-half * 0.85, 0), (half * 0.85, 0), (half, rim), (-half, rim)], _any(rng, 0.3, 0.7))


def _sign(easel: Easel, rng: np.random.Generator) -> None:
    easel.box(-0.035, 0, 0.035, easel.height - 0.1, _grey(rng, 0.35, 0.6))
    plate = _any(rng, 0.1, 0.95)
    half = easel.width / 2
    if rng.random() < 0.5:
        easel.disc(0, easel.height - half, (half, half), plate)
        easel.disc(0, easel.height - half, (half * 0.75, half * 0.75), (0.92, 0.92, 0.92))
    else:
        easel.box(-half, easel.height - 2 * half, half, easel.height, plate)


def _bin(easel: Easel, rng: np.random.Generator) -> None:
    half = easel.width / 2
    colour = _any(rng, 0.1, 0.5)
    easel.polygon(
        [(-half * 0.85, 0), (half * 0.85, 0), (half, easel.height * 0.85), (-half, easel.height * 0.85)], colour
    )
    easel.disc(0, easel.height * 0.85, (half, 0.07), _times(colour, 0.5))
    easel.round_off()


def _car(easel: Easel, rng: np.random.Generator) -> None:
    half, top = easel.width / 2, easel.height
    paint, glass = _any(rng, 0.1, 0.9), (0.35, 0.3, 0.25)
    roof = [(-half * 0.62, top * 0.6), (-half * 0.42, top), (half * 0.3, top), (half * 0.6, top * 0.6)]
    easel.polygon(roof, paint)
    easel.polygon([(x * 0.92, y * 0.96 + 0.02) for x, y in roof], glass)
    easel.box(-0.05, top * 0.6, 0.03, top * 0.97, paint)
    easel.polygon(
        [(-half, 0.3), (half, 0.3), (half * 0.98, top * 0.55), (half * 0.6, top * 0.63), (-half * 0.98, top * 0.62)],
        paint,
    )
    easel.box(-half, 0.3, half, 0.42, _times(paint, 0.6))
    easel.box(-half, top * 0.42, -half + 0.16, top * 0.54, (0.2, 0.2, 0.85))
    easel.box(half - 0.16, top * 0.42, half, top * 0.52, (0.85, 0.95, 0.95))
    for x in (-half * 0.62, half * 0.62):
        easel.disc(x, 0.31, (0.31, 0.31), (0.07, 0.07, 0.07))
        easel.disc(x, 0.31, (0.18, 0.18), (0.6, 0.6, 0.6))


def _pedestal(easel: Easel, rng: np.random.Generator) -> None:
    half, top = easel.width / 2, easel.height
    stone = _grey(rng, 0.45, 0.75)
    easel.box(-half, 0, half, top * 0.2, _times(stone, 0.85))
    easel.box(-half * 0.85, top * 0.2, half * 0.85, top * 0.85, stone)
    easel.box(-half, top * 0.85, half, top, _times(stone, 1.12))


PAINTERS: dict[str, Painter] = {
    "column": _column,
    "panel": _panel,
    "hedge": _hedge,
    "bench": _bench,
    "planter": _planter,
    "sign": _sign,
    "bin": _bin,
    "car": _car,
    "pedestal": _pedestal,
}
SCREENS = ("column", "panel", "hedge")
CLUTTER: dict[str, FloatArray] = {
    "bench": np.array([1.6, 0.85]),
    "planter": np.array([1.1, 0.95]),
    "sign": np.array([0.6, 2.5]),
    "bin": np.array([0.5, 0.95]),
    "car": np.array([4.1, 1.42]),
}

"""Props of the synthetic world: columns, panels, hedges, benches, planters, signs, bins, cars and pedestals.

Each is drawn in metres on a canvas of its own and converted to a sprite.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from fairmot.synthetic.appearance import Colour, scale_colour
from fairmot.synthetic.sprite import Sprite, make_sprite

OVERSAMPLE = 2
Painter = Callable[["PropCanvas", np.random.Generator], None]


@dataclass(frozen=True)
class Prop:
    """Static object: kind, position and size in metres, and whether it hides a full person."""

    kind: str
    x: float
    depth: float
    width: float
    height: float
    is_occluder: bool = False


class PropCanvas:
    """Canvas in metres: x to the right of the prop's centre, y above the ground; colours are BGR in [0, 1]."""

    def __init__(self, width: float, height: float, pixels_per_metre: float) -> None:
        """`width` and `height` in metres without the margin of 0.1 m."""
        self.width, self.height = width, height
        self._unit = pixels_per_metre * OVERSAMPLE
        rows, columns = int((height + 0.2) * self._unit) + 1, int((width + 0.2) * self._unit) + 1
        self._colour = np.zeros((rows, columns, 3), dtype=np.float32)
        self._alpha = np.zeros((rows, columns), dtype=np.float32)

    def _point(self, x: float, y: float) -> tuple[int, int]:
        return round((x + self.width / 2 + 0.1) * self._unit), round((self.height + 0.1 - y) * self._unit)

    def rectangle(self, left: float, bottom: float, right: float, top: float, colour: Colour) -> None:
        """Draw a filled rectangle."""
        first, last = self._point(left, top), self._point(right, bottom)
        cv2.rectangle(self._colour, first, last, colour, -1)
        cv2.rectangle(self._alpha, first, last, 1.0, -1)

    def ellipse(self, x: float, y: float, radii: tuple[float, float], colour: Colour) -> None:
        """Draw a filled axis-aligned ellipse."""
        axes = (max(1, round(radii[0] * self._unit)), max(1, round(radii[1] * self._unit)))
        cv2.ellipse(self._colour, self._point(x, y), axes, 0, 0, 360, colour, -1)
        cv2.ellipse(self._alpha, self._point(x, y), axes, 0, 0, 360, 1.0, -1)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """Draw a filled polygon."""
        corners = np.array([self._point(*point) for point in points], dtype=np.int32)
        cv2.fillPoly(self._colour, [corners], colour)
        cv2.fillPoly(self._alpha, [corners], 1.0)

    def shade_cylinder(self) -> None:
        """Shade from left to right as an upright cylinder."""
        across = np.linspace(-1, 1, self._colour.shape[1], dtype=np.float32)
        self._colour *= (0.55 + 0.5 * np.sqrt(np.clip(1 - (across + 0.25) ** 2, 0, 1)))[None, :, None]

    def add_noise(self, amount: float, rng: np.random.Generator) -> None:
        """Multiply the colours by smooth noise of standard deviation `amount`."""
        noise = rng.normal(1, amount, (self._colour.shape[0] // 4 + 1, self._colour.shape[1] // 4 + 1))
        size = (self._colour.shape[1], self._colour.shape[0])
        self._colour *= cv2.resize(noise.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[..., None]

    def to_sprite(self) -> Sprite:
        """Return the canvas as a sprite."""
        layers = np.dstack([np.clip(self._colour, 0, 1) * self._alpha[..., None], self._alpha])
        size = (layers.shape[1] // OVERSAMPLE, layers.shape[0] // OVERSAMPLE)
        small = np.asarray(cv2.resize(layers, size, interpolation=cv2.INTER_AREA), dtype=np.float64)
        foot = self._point(0.0, 0.0)
        image = (small * 255 + 0.5).astype(np.uint8)
        return make_sprite(image, (foot[0] / OVERSAMPLE, foot[1] / OVERSAMPLE), self._unit / OVERSAMPLE)


def draw_prop(prop: Prop, pixels_per_metre: float, rng: np.random.Generator) -> Sprite:
    """Draw a prop at `pixels_per_metre`."""
    canvas = PropCanvas(prop.width, prop.height, pixels_per_metre)
    PAINTERS[prop.kind](canvas, rng)
    canvas.add_noise(0.04, rng)
    return canvas.to_sprite()


def _random_colour(rng: np.random.Generator, low: float = 0.15, high: float = 0.85) -> Colour:
    blue, green, red = rng.uniform(low, high, 3)
    return (float(blue), float(green), float(red))


def _random_grey(rng: np.random.Generator, low: float, high: float) -> Colour:
    value = float(rng.uniform(low, high))
    return (value, value, float(min(1.0, value * rng.uniform(0.95, 1.08))))


def _column(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half, top = canvas.width / 2, canvas.height
    stone = _random_grey(rng, 0.4, 0.75)
    canvas.ellipse(0, 0.06, (half, 0.06), stone)
    canvas.rectangle(-half, 0.06, half, top - 0.12, stone)
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(-half, half * 0.5), rng.uniform(0.3, top * 0.6)
        canvas.rectangle(x, y, min(half, x + rng.uniform(0.2, 0.5)), y + rng.uniform(0.3, 0.7), _random_colour(rng))
    canvas.rectangle(-half, top - 0.25, half, top - 0.08, scale_colour(stone, 0.7))
    canvas.ellipse(0, top - 0.08, (half, 0.08), scale_colour(stone, 1.1))
    canvas.shade_cylinder()


def _panel(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half, top = canvas.width / 2, canvas.height
    frame = _random_grey(rng, 0.12, 0.4)
    canvas.rectangle(-half, 0, half, top, frame)
    canvas.rectangle(-half + 0.08, 0.25, half - 0.08, top - 0.12, _random_colour(rng, 0.3, 0.95))
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(-half + 0.1, half - 0.3), rng.uniform(0.3, top - 0.6)
        if rng.random() < 0.5:
            canvas.rectangle(
                x, y, min(half - 0.1, x + rng.uniform(0.2, 0.6)), y + rng.uniform(0.06, 0.4), _random_colour(rng)
            )
        else:
            canvas.ellipse(x * 0.6, y, (rng.uniform(0.06, 0.25), rng.uniform(0.06, 0.3)), _random_colour(rng))


def _hedge(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half, top = canvas.width / 2, canvas.height
    green = (float(rng.uniform(0.08, 0.2)), float(rng.uniform(0.28, 0.48)), float(rng.uniform(0.12, 0.3)))
    canvas.rectangle(-half + 0.04, 0.0, half - 0.04, top - 0.1, green)
    for _ in range(150):
        x, y = rng.uniform(-half + 0.05, half - 0.05), rng.uniform(0.06, top - 0.06)
        size = float(rng.uniform(0.04, 0.11))
        canvas.ellipse(x, y, (size, size * 0.8), scale_colour(green, float(rng.uniform(0.65, 1.35))))


def _bench(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half = canvas.width / 2
    wood, iron = (0.16, 0.3, 0.5), _random_grey(rng, 0.1, 0.25)
    for x in (-half + 0.1, half - 0.16):
        canvas.rectangle(x, 0, x + 0.07, 0.8, iron)
    for y in (0.42, 0.56, 0.7):
        canvas.rectangle(-half, y, half, y + 0.09, scale_colour(wood, float(rng.uniform(0.85, 1.15))))


def _planter(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half, rim = canvas.width / 2, canvas.height * 0.45
    green = (0.14, float(rng.uniform(0.35, 0.55)), 0.22)
    for _ in range(70):
        x, y = rng.uniform(-half * 0.9, half * 0.9), rng.uniform(rim, canvas.height - 0.1)
        petal = (
            _random_colour(rng, 0.3, 1.0) if rng.random() < 0.25 else scale_colour(green, float(rng.uniform(0.6, 1.3)))
        )
        canvas.ellipse(x, y, (0.09, 0.08), petal)
    canvas.polygon([(-half * 0.85, 0), (half * 0.85, 0), (half, rim), (-half, rim)], _random_colour(rng, 0.3, 0.7))


def _sign(canvas: PropCanvas, rng: np.random.Generator) -> None:
    canvas.rectangle(-0.035, 0, 0.035, canvas.height - 0.1, _random_grey(rng, 0.35, 0.6))
    plate = _random_colour(rng, 0.1, 0.95)
    half = canvas.width / 2
    if rng.random() < 0.5:
        canvas.ellipse(0, canvas.height - half, (half, half), plate)
        canvas.ellipse(0, canvas.height - half, (half * 0.75, half * 0.75), (0.92, 0.92, 0.92))
    else:
        canvas.rectangle(-half, canvas.height - 2 * half, half, canvas.height, plate)


def _bin(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half = canvas.width / 2
    colour = _random_colour(rng, 0.1, 0.5)
    canvas.polygon(
        [(-half * 0.85, 0), (half * 0.85, 0), (half, canvas.height * 0.85), (-half, canvas.height * 0.85)], colour
    )
    canvas.ellipse(0, canvas.height * 0.85, (half, 0.07), scale_colour(colour, 0.5))
    canvas.shade_cylinder()


def _car(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half, top = canvas.width / 2, canvas.height
    paint, glass = _random_colour(rng, 0.1, 0.9), (0.35, 0.3, 0.25)
    roof = [(-half * 0.62, top * 0.6), (-half * 0.42, top), (half * 0.3, top), (half * 0.6, top * 0.6)]
    canvas.polygon(roof, paint)
    canvas.polygon([(x * 0.92, y * 0.96 + 0.02) for x, y in roof], glass)
    canvas.rectangle(-0.05, top * 0.6, 0.03, top * 0.97, paint)
    canvas.polygon(
        [(-half, 0.3), (half, 0.3), (half * 0.98, top * 0.55), (half * 0.6, top * 0.63), (-half * 0.98, top * 0.62)],
        paint,
    )
    canvas.rectangle(-half, 0.3, half, 0.42, scale_colour(paint, 0.6))
    canvas.rectangle(-half, top * 0.42, -half + 0.16, top * 0.54, (0.2, 0.2, 0.85))
    canvas.rectangle(half - 0.16, top * 0.42, half, top * 0.52, (0.85, 0.95, 0.95))
    for x in (-half * 0.62, half * 0.62):
        canvas.ellipse(x, 0.31, (0.31, 0.31), (0.07, 0.07, 0.07))
        canvas.ellipse(x, 0.31, (0.18, 0.18), (0.6, 0.6, 0.6))


def _pedestal(canvas: PropCanvas, rng: np.random.Generator) -> None:
    half, top = canvas.width / 2, canvas.height
    stone = _random_grey(rng, 0.45, 0.75)
    canvas.rectangle(-half, 0, half, top * 0.2, scale_colour(stone, 0.85))
    canvas.rectangle(-half * 0.85, top * 0.2, half * 0.85, top * 0.85, stone)
    canvas.rectangle(-half, top * 0.85, half, top, scale_colour(stone, 1.12))


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
OCCLUDERS = ("column", "panel", "hedge")
CLUTTER: dict[str, tuple[float, float]] = {  # width and height in metres
    "bench": (1.6, 0.85),
    "planter": (1.1, 0.95),
    "sign": (0.6, 2.5),
    "bin": (0.5, 0.95),
    "car": (4.1, 1.42),
}

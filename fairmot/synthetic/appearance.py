"""Appearance of people: build, clothes, patterns, skin, hair and bags. Colours are BGR in [0, 1]."""

import colorsys
from dataclasses import dataclass, replace

import numpy as np

from fairmot.geometry.arrays import FloatArray

PATTERNS = ("plain", "plain", "bands", "stripes", "checks", "blocks", "dots", "logo")  # repeated values are likelier
BOTTOMS = ("trousers", "trousers", "trousers", "shorts", "skirt", "dress", "coat")
BAGS = ("none", "none", "backpack", "shoulder")
HAIRS = ("short", "short", "long", "cap", "bald", "hood")
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Cloth:
    """Textile of two colours in one of PATTERNS; `count`: repetitions of the pattern around or along the body."""

    colour: Colour
    second: Colour
    pattern: str = "plain"
    count: float = 5.0

    def colour_at(self, azimuth: FloatArray, along: FloatArray) -> FloatArray:
        """Colours (..., 3) at `azimuth` (radians, 0 at the front) and `along` (0 at the top, 1 at the bottom)."""
        weight = self._second_weight(azimuth, along)[..., None]
        first, second = np.asarray(self.colour, np.float32), np.asarray(self.second, np.float32)
        return np.asarray(first + weight * (second - first), dtype=np.float32)

    def _second_weight(self, azimuth: FloatArray, along: FloatArray) -> FloatArray:
        """Weight of the second colour at each point."""
        if self.pattern == "bands":
            return _edge(np.sin(2 * np.pi * self.count * along))
        if self.pattern == "stripes":
            return _edge(np.sin(2 * self.count * azimuth))
        if self.pattern == "checks":
            return _edge(np.sin(2 * np.pi * self.count * 0.7 * along) * np.sin(1.4 * self.count * azimuth))
        if self.pattern == "blocks":
            return _edge((along - 0.5) * 8)
        if self.pattern == "dots":
            return _edge(np.sin(2 * np.pi * self.count * along) * np.sin(2 * self.count * azimuth) - 0.45)
        if self.pattern == "logo":
            from_front = np.abs(np.mod(azimuth + np.pi, 2 * np.pi) - np.pi)
            return _edge(1.6 - 3.2 * np.maximum(from_front / 0.7, np.abs(along - 0.4) / 0.22))
        return np.zeros_like(along)


def _edge(wave: FloatArray) -> FloatArray:
    return np.asarray(np.clip(0.5 + 2.5 * wave, 0.0, 1.0))


@dataclass(frozen=True)
class Appearance:
    """One person: stature in metres, build (1 = average width), clothes, skin and hair.

    hair: one of HAIRS; bottom: of BOTTOMS; bag: of BAGS.
    """

    stature: float
    build: float
    skin: Colour
    hair_colour: Colour
    hair: str
    top: Cloth
    sleeves: float  # 0 = bare arms, 0.5 = short, 1 = long
    bottom: str
    lower: Cloth
    shoes: Colour
    bag: str
    bag_colour: Colour


SKINS: tuple[Colour, ...] = (
    (0.72, 0.80, 0.95),
    (0.58, 0.70, 0.90),
    (0.44, 0.58, 0.80),
    (0.30, 0.43, 0.64),
    (0.20, 0.28, 0.45),
    (0.14, 0.20, 0.32),
)
HAIR_COLOURS: tuple[Colour, ...] = (
    (0.08, 0.08, 0.09),
    (0.10, 0.15, 0.22),
    (0.12, 0.26, 0.42),
    (0.35, 0.62, 0.82),
    (0.72, 0.72, 0.74),
    (0.10, 0.22, 0.58),
)


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Sample the appearance of a person."""
    dark = rng.random() < 0.5
    lower = _colour(rng, value=(0.08, 0.4) if dark else (0.35, 0.85), saturation=(0.05, 0.6))
    return Appearance(
        stature=float(np.clip(rng.normal(1.71, 0.09), 1.5, 1.95)),
        build=float(rng.uniform(0.88, 1.22)),
        skin=SKINS[rng.integers(len(SKINS))],
        hair_colour=HAIR_COLOURS[rng.integers(len(HAIR_COLOURS))],
        hair=HAIRS[rng.integers(len(HAIRS))],
        top=_cloth(rng),
        sleeves=float(rng.choice([0.0, 0.5, 1.0, 1.0])),
        bottom=BOTTOMS[rng.integers(len(BOTTOMS))],
        lower=Cloth(lower, scale_colour(lower, 0.75), "stripes" if rng.random() < 0.2 else "plain", 3.0),
        shoes=_colour(rng, value=(0.05, 0.95), saturation=(0.0, 0.7)),
        bag=BAGS[rng.integers(len(BAGS))],
        bag_colour=_colour(rng, value=(0.1, 0.9), saturation=(0.2, 0.9)),
    )


def sample_lookalike(person: Appearance, rng: np.random.Generator) -> Appearance:
    """Sample a person with clothes of the same cut and similar colours as `person`; bag, shoes and hair differ."""
    top = replace(
        person.top,
        colour=_jitter(person.top.colour, rng),
        second=_jitter(person.top.second, rng),
        count=person.top.count * float(rng.uniform(0.75, 1.3)),
    )
    return replace(
        person,
        stature=float(np.clip(person.stature + rng.normal(0, 0.03), 1.5, 1.95)),
        top=top,
        lower=replace(person.lower, colour=_jitter(person.lower.colour, rng)),
        hair=HAIRS[rng.integers(len(HAIRS))],
        hair_colour=HAIR_COLOURS[rng.integers(len(HAIR_COLOURS))],
        shoes=_colour(rng, value=(0.05, 0.95), saturation=(0.0, 0.7)),
        bag=BAGS[rng.integers(len(BAGS))],
        bag_colour=_colour(rng, value=(0.1, 0.9), saturation=(0.2, 0.9)),
    )


def sample_statue(rng: np.random.Generator) -> Appearance:
    """Sample a statue or mannequin: the shape of a person in one colour."""
    base = ((0.55, 0.58, 0.60), (0.24, 0.34, 0.38), (0.80, 0.84, 0.86), (0.34, 0.44, 0.34))[rng.integers(4)]
    cloth = Cloth(base, base)
    person = sample_appearance(rng)
    return replace(
        person,
        skin=base,
        hair_colour=scale_colour(base, 0.9),
        hair="short" if person.hair == "cap" else person.hair,
        top=cloth,
        sleeves=1.0,
        lower=cloth,
        shoes=scale_colour(base, 0.85),
        bag="none",
    )


def _cloth(rng: np.random.Generator) -> Cloth:
    colour = _colour(rng, value=(0.12, 0.98), saturation=(0.0, 1.0))
    second = _colour(rng, value=(0.1, 1.0), saturation=(0.0, 0.9))
    if abs(sum(colour) - sum(second)) < 0.6:
        second = (0.93, 0.93, 0.93) if sum(colour) < 1.5 else (0.09, 0.08, 0.08)
    return Cloth(colour, second, PATTERNS[rng.integers(len(PATTERNS))], float(rng.uniform(3, 6)))


def _colour(rng: np.random.Generator, *, value: tuple[float, float], saturation: tuple[float, float]) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return (float(blue), float(green), float(red))


def scale_colour(colour: Colour, factor: float) -> Colour:
    """Multiply the three values of a colour."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _jitter(colour: Colour, rng: np.random.Generator) -> Colour:
    moved = np.clip(np.asarray(colour) + rng.normal(0, 0.035, 3), 0.03, 1.0)
    return (float(moved[0]), float(moved[1]), float(moved[2]))

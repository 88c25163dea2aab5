"""Colours of identities: deterministic, and distinct for consecutive identities."""

import math

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_LIGHTNESS = (0.75, 0.62, 0.86)
_CHROMA = 0.19

Colour = tuple[int, int, int]


def colour_of(identity: int) -> Colour:
    """Return (red, green, blue) of an identity, each 0 to 255; the same in every frame and run.

    Hue advances by the golden angle, which spreads consecutive identities over the hue circle, and lightness cycles
    through three steps, both in OKLCH (Ottosson 2020), a perceptually uniform colour space.
    """
    lightness = _LIGHTNESS[identity % len(_LIGHTNESS)]
    chroma, hue = _CHROMA, GOLDEN_ANGLE * identity
    while True:
        linear = _oklab_to_linear_rgb(lightness, chroma * math.cos(hue), chroma * math.sin(hue))
        if all(0 <= value <= 1 for value in linear):
            red, green, blue = (_encode_srgb(value) for value in linear)
            return red, green, blue
        chroma *= 0.95


def ink_on(colour: Colour) -> Colour:
    """Return black or white, whichever has more contrast on `colour` (relative luminance, WCAG 2).

    >>> ink_on((250, 240, 90)), ink_on((20, 20, 120))
    ((0, 0, 0), (255, 255, 255))
    """
    red, green, blue = ((value / 255) ** 2.2 for value in colour)
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else (255, 255, 255)


def _oklab_to_linear_rgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _encode_srgb(linear: float) -> int:
    encoded = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * encoded)

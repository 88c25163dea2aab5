from itertools import combinations

import cv2
import numpy as np
import pytest

from fairmot.viz.colours import colour_of, ink_on


def lab(colour: tuple[int, int, int]) -> np.ndarray:
    return cv2.cvtColor(np.array([[colour]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("first", [1, 40, 900])
def test_eight_consecutive_identities_are_distinct(first: int) -> None:
    """The just noticeable difference in CIELAB is 2.3; eight times that is required."""
    colours = [lab(colour_of(identity)) for identity in range(first, first + 8)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(colours, 2)) > 18.4


def test_colours_are_deterministic_and_in_range() -> None:
    assert colour_of(7) == colour_of(7)
    for identity in range(-1, 300):
        assert all(0 <= value <= 255 for value in colour_of(identity))


def test_ink_has_contrast() -> None:
    for identity in range(1, 200):
        paper = colour_of(identity)
        assert abs(lab(paper)[0] - lab(ink_on(paper))[0]) > 40

import numpy as np
import pytest

from fairmot.viz.trails import FootTrails


def at(*lefts: float) -> np.ndarray:
    return np.array([[left, 0.0, 2.0, 8.0] for left in lefts]).reshape(-1, 4)


def test_tracks_of_the_frame_are_returned_with_their_points() -> None:
    trails = FootTrails(length=3)
    trails.update(np.array([1, 2]), at(0, 10))
    trails.update(np.array([2]), at(12))
    shown = trails.update(np.array([1]), at(4))
    assert list(shown) == [1]
    assert shown[1].tolist() == [[1.0, 8.0], [5.0, 8.0]]


def test_points_older_than_the_length_are_removed() -> None:
    trails = FootTrails(length=2)
    trails.update(np.array([1]), at(0))
    trails.update(np.zeros(0, int), at())
    assert trails.update(np.array([1]), at(6))[1].tolist() == [[7.0, 8.0]]


def test_memory_is_bounded() -> None:
    trails = FootTrails(length=5)
    for frame in range(500):
        trails.update(np.array([frame, frame + 1]), at(0, 1))
    assert len(trails._points) <= 7


def test_length_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        FootTrails(0)

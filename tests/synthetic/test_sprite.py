from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.synthetic.appearance import BAGS, BOTTOMS, HAIRS, PATTERNS, Cloth, sample_appearance, sample_lookalike
from fairmot.synthetic.body import BodySegment, Pose, build_body
from fairmot.synthetic.sprite import Sprite, SpriteAtlas, draw_body, make_sprite
from fairmot.synthetic.trajectories import stationary
from fairmot.utils.seed import make_rng

PERSON = replace(sample_appearance(make_rng(3)), bag="none", hair="short", build=1.0)


def silhouette(pose: Pose, view: float = 0.0, pixels: float = 100.0) -> np.ndarray:
    return draw_body(build_body(PERSON, pose), view, pixels).image[..., 3] >= 128


def test_body_is_as_tall_as_its_stature() -> None:
    for stride in (0.0, 1.0):
        for phase in (0.0, 1.0, 2.0):
            rows = np.flatnonzero(silhouette(Pose(phase, stride), pixels=200.0).any(axis=1))
            assert 0.93 <= (rows[-1] - rows[0] + 1) / 200 <= 1.08


def test_gait_changes_the_width() -> None:
    widths = [np.count_nonzero(silhouette(Pose(phase, 1.0)).any(axis=0)) for phase in np.arange(12) * np.pi / 6]
    assert max(widths) > 1.6 * min(widths)


def test_half_a_gait_cycle_swaps_the_legs() -> None:
    left, right = silhouette(Pose(0.7, 1.0)), silhouette(Pose(0.7 + np.pi, 1.0))
    assert np.count_nonzero(left.any(axis=0)) == pytest.approx(np.count_nonzero(right.any(axis=0)), abs=4)


@pytest.mark.parametrize("posture", ["walk", "sit", "ride"])
@pytest.mark.parametrize("view", [0.0, 1.6, 3.1, 4.7])
def test_every_posture_is_drawn_in_every_view(posture: str, view: float) -> None:
    for bottom in BOTTOMS:
        for hair, bag in zip(HAIRS, (*BAGS, *BAGS), strict=False):
            person = replace(PERSON, bottom=bottom, hair=hair, bag=bag)
            sprite = draw_body(build_body(person, Pose(0.5, 1.0, posture)), view, 40.0)
            left, top, right, bottom_row = sprite.extent_xyxy
            assert right - left > 4
            assert bottom_row - top > 20


def test_colours_are_premultiplied() -> None:
    image = draw_body(build_body(PERSON, Pose(0.4, 1.0)), 0.3, 80.0).image
    assert np.all(image[..., :3] <= image[..., 3:].astype(int) + 1)


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS)))
def test_patterns_show_both_colours(pattern: str) -> None:
    cloth = Cloth((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), pattern, 4.0)
    azimuth, along = np.meshgrid(np.linspace(-np.pi, np.pi, 80), np.linspace(0, 1, 80))
    painted = cloth.colour_at(azimuth, along)
    assert painted.shape == (80, 80, 3)
    assert painted.min() == 0.0
    assert painted.max() == (0.0 if pattern == "plain" else 1.0)


@given(st.integers(0, 10_000))
def test_sampled_people_are_in_range_and_lookalikes_close(seed: int) -> None:
    rng = make_rng(seed)
    person = sample_appearance(rng)
    twin = sample_lookalike(person, rng)
    assert 1.5 <= person.stature <= 1.95
    assert twin.top.pattern == person.top.pattern
    assert np.abs(np.array(twin.top.colour) - person.top.colour).max() < 0.2
    for colour in (person.skin, person.top.colour, twin.top.colour, person.shoes):
        assert all(0 <= channel <= 1 for channel in colour)


def test_atlas_draws_each_view_once_with_mipmap_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def spy(segments: list[BodySegment], view: float, pixels: float) -> Sprite:
        drawn.append((view, pixels))
        return draw_body(segments, view, pixels)

    monkeypatch.setattr("fairmot.synthetic.sprite.draw_body", spy)
    atlas = SpriteAtlas(PERSON, 160.0)
    path = replace(stationary(0.0, 5.0, 0.0, 3), phase=np.array([0.0, 0.01, 3.0]), heading=np.array([0, 2 * np.pi, 0]))
    walk = replace(path, stride=np.ones(3))
    large, small = (atlas.select(walk, frame, scale=scale) for frame, scale in ((0, 160.0), (1, 30.0)))
    assert drawn == [(0.0, 160.0)]
    assert (large.scale, small.scale) == (160.0, 40.0)
    assert atlas.select(walk, 0, scale=500.0) is large
    atlas.select(path, 2, scale=100.0)
    assert len(drawn) == 2


def test_empty_sprite_has_no_extent() -> None:
    assert make_sprite(np.zeros((5, 5, 4), np.uint8), (2.0, 3.0), 1.0).extent_xyxy == (2.0, 3.0, 2.0, 3.0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.synthetic.camera import Camera
from fairmot.synthetic.options import HARD
from fairmot.synthetic.path_planning import PlanningArea, count_passes, plan_ride, plan_walks
from fairmot.synthetic.props import Prop
from fairmot.synthetic.trajectories import Leg, duration, stand, walk_along
from fairmot.utils.seed import make_rng


def test_a_straight_walk_keeps_its_speed_and_heading() -> None:
    walk = walk_along((0.0, 5.0), [Leg(6.0, 5.0, 1.5)], np.arange(41) / 10, stature=1.7)
    assert walk.x == pytest.approx(np.arange(41) * 0.15)
    assert np.all(walk.heading == 0)
    assert walk.present.all()
    assert np.all(np.diff(walk.phase) > 0)


def test_the_walker_is_absent_before_and_after() -> None:
    walk = walk_along((0.0, 5.0), [Leg(1.0, 5.0, 1.0)], np.linspace(-1, 2, 31), stature=1.7)
    assert walk.present.sum() == 11


def test_a_pause_stops_the_gait_and_keeps_the_heading() -> None:
    legs = [Leg(2.0, 5.0, 1.0, pause=2.0), Leg(0.0, 5.0, 1.0)]
    assert duration((0.0, 5.0), legs) == 6.0
    walk = walk_along((0.0, 5.0), legs, np.arange(61) / 10, stature=1.7)
    assert np.all(walk.stride[21:39] == 0)
    assert np.all(walk.heading[:40] == 0)
    assert np.all(np.abs(walk.heading[41:]) == pytest.approx(np.pi))
    assert np.ptp(walk.x[23:37]) == pytest.approx(0.0)
    assert walk.x.max() <= 2.0 + 1e-9


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_planned_walks_never_jump(seed: int, frames: int) -> None:
    camera = Camera((270, 480), 2.0, 40.0, 4.0, 9.0)
    screen = Prop("column", 0.3, 5.0, 1.2, 2.3, screens=True)
    stage = PlanningArea(camera, HARD, frames, 25.0, (screen,))
    for walk in plan_walks(stage, make_rng(seed)):
        steps = np.hypot(np.diff(walk.x), np.diff(walk.depth))
        assert np.all(steps <= HARD.speed[1] * 1.16 / 25.0 + 1e-9)
        assert np.all((walk.depth >= camera.near * 0.9) & (walk.depth <= camera.far * 1.1))


def test_a_ride_is_faster_than_a_walk() -> None:
    stage = PlanningArea(Camera((270, 480), 2.0, 40.0, 4.0, 9.0), HARD, 100, 25.0, ())
    ride = plan_ride(stage, make_rng(1))
    moving = np.abs(np.diff(ride.x))
    assert moving.max() * 25 == pytest.approx(3.2, rel=0.01)


def test_passes_are_counted_behind_screens_only() -> None:
    walk = walk_along((-3.0, 6.0), [Leg(3.0, 6.0, 1.5)], np.arange(100) / 25, stature=1.7)
    front = Prop("column", 0.5, 5.0, 1.2, 2.3, screens=True)
    behind = Prop("column", 0.5, 7.0, 1.2, 2.3, screens=True)
    low = Prop("bench", 0.5, 5.0, 1.6, 0.8, screens=False)
    assert count_passes([walk], (front,)) == 1
    assert count_passes([walk], (behind, low)) == 0


def test_standing_has_no_stride() -> None:
    still = stand(1.0, 5.0, 0.5, 4)
    assert still.present.all()
    assert not still.stride.any()
    assert np.all(still.x == 1.0)

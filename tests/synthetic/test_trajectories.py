import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.synthetic.camera import Camera
from fairmot.synthetic.options import HARD
from fairmot.synthetic.path_planning import PlanningArea, count_occluder_passes, plan_ride, plan_walkers
from fairmot.synthetic.props import Prop
from fairmot.synthetic.trajectories import Waypoint, path_duration, sample_path, stationary
from fairmot.utils.seed import make_rng


def test_straight_path_has_constant_speed_and_heading() -> None:
    path = sample_path((0.0, 5.0), [Waypoint(6.0, 5.0, 1.5)], np.arange(41) / 10, stature=1.7)
    assert path.x == pytest.approx(np.arange(41) * 0.15)
    assert np.all(path.heading == 0)
    assert path.present.all()
    assert np.all(np.diff(path.phase) > 0)


def test_walker_is_not_present_outside_the_path() -> None:
    path = sample_path((0.0, 5.0), [Waypoint(1.0, 5.0, 1.0)], np.linspace(-1, 2, 31), stature=1.7)
    assert path.present.sum() == 11


def test_pause_stops_gait_and_keeps_heading() -> None:
    waypoints = [Waypoint(2.0, 5.0, 1.0, pause=2.0), Waypoint(0.0, 5.0, 1.0)]
    assert path_duration((0.0, 5.0), waypoints) == 6.0
    path = sample_path((0.0, 5.0), waypoints, np.arange(61) / 10, stature=1.7)
    assert np.all(path.stride[21:39] == 0)
    assert np.all(path.heading[:40] == 0)
    assert np.all(np.abs(path.heading[41:]) == pytest.approx(np.pi))
    assert np.ptp(path.x[23:37]) == pytest.approx(0.0)
    assert path.x.max() <= 2.0 + 1e-9


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_planned_paths_are_continuous(seed: int, frames: int) -> None:
    camera = Camera((270, 480), 2.0, 40.0, 4.0, 9.0)
    occluder = Prop("column", 0.3, 5.0, 1.2, 2.3, is_occluder=True)
    area = PlanningArea(camera, HARD, frames, 25.0, (occluder,))
    for path in plan_walkers(area, make_rng(seed)):
        steps = np.hypot(np.diff(path.x), np.diff(path.depth))
        assert np.all(steps <= HARD.speed[1] * 1.16 / 25.0 + 1e-9)
        assert np.all((path.depth >= camera.near * 0.9) & (path.depth <= camera.far * 1.1))


def test_ride_has_bicycle_speed() -> None:
    area = PlanningArea(Camera((270, 480), 2.0, 40.0, 4.0, 9.0), HARD, 100, 25.0, ())
    ride = plan_ride(area, make_rng(1))
    moving = np.abs(np.diff(ride.x))
    assert moving.max() * 25 == pytest.approx(3.2, rel=0.01)


def test_only_passes_behind_occluders_count() -> None:
    path = sample_path((-3.0, 6.0), [Waypoint(3.0, 6.0, 1.5)], np.arange(100) / 25, stature=1.7)
    front = Prop("column", 0.5, 5.0, 1.2, 2.3, is_occluder=True)
    behind = Prop("column", 0.5, 7.0, 1.2, 2.3, is_occluder=True)
    low = Prop("bench", 0.5, 5.0, 1.6, 0.8, is_occluder=False)
    assert count_occluder_passes([path], (front,)) == 1
    assert count_occluder_passes([path], (behind, low)) == 0


def test_stationary_has_no_stride() -> None:
    still = stationary(1.0, 5.0, 0.5, 4)
    assert still.present.all()
    assert not still.stride.any()
    assert np.all(still.x == 1.0)

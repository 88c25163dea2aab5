"""Path planning: lanes across the image with turns and pauses, many of them behind occluders."""

from dataclasses import dataclass

import numpy as np

from fairmot.synthetic.camera import Camera
from fairmot.synthetic.options import Preset
from fairmot.synthetic.props import Prop
from fairmot.synthetic.trajectories import Trajectory, Waypoint, path_duration, sample_path

OUTSIDE = 0.7  # metres beyond the image's edge where paths begin and end
LANES = 4


@dataclass(frozen=True)
class PlanningArea:
    """Ground that the camera covers, duration, and occluders."""

    camera: Camera
    preset: Preset
    frames: int
    frame_rate: float
    props: tuple[Prop, ...]


def plan_walkers(area: PlanningArea, rng: np.random.Generator) -> list[Trajectory]:
    """Plan consecutive trajectories of different people, one at a time over the full sequence."""
    seconds = np.arange(area.frames) / area.frame_rate
    trajectories: list[Trajectory] = []
    begin: float | None = None
    while begin is None or begin < seconds[-1]:
        start, waypoints = _draw_path(area, rng)
        duration = path_duration(start, waypoints)
        begin = -float(rng.uniform(0.05, 0.95)) * duration if begin is None else begin
        trajectories.append(sample_path(start, waypoints, seconds - begin, stature=1.7))
        begin += duration + float(rng.uniform(0, 0.6))
    return trajectories


def plan_ride(area: PlanningArea, rng: np.random.Generator) -> Trajectory:
    """Plan a single crossing on a bicycle at a random time."""
    seconds = np.arange(area.frames) / area.frame_rate
    depth, side = _draw_lane(area, rng), float(rng.choice([-1, 1]))
    edge = _edge(area, depth) + 1.0
    begin = float(rng.uniform(-1, max(seconds[-1] - 2, 0)))
    return sample_path((-side * edge, depth), [Waypoint(side * edge, depth, 3.2)], seconds - begin, stature=3.0)


def count_occluder_passes(trajectories: list[Trajectory], props: tuple[Prop, ...]) -> int:
    """Return how often a trajectory passes behind an occluder in the camera's view."""
    passes = 0
    for prop in props:
        if prop.is_occluder:
            for trajectory in trajectories:
                aside = trajectory.x / trajectory.depth - prop.x / prop.depth
                crosses = (np.sign(aside[1:]) != np.sign(aside[:-1])) & trajectory.present[1:] & trajectory.present[:-1]
                passes += int(np.count_nonzero(crosses & (trajectory.depth[1:] > prop.depth)))
    return passes


def _edge(area: PlanningArea, depth: float) -> float:
    return area.camera.half_width(depth) * (1 + 2 * area.preset.pan) + OUTSIDE


def _draw_lane(area: PlanningArea, rng: np.random.Generator) -> float:
    """Draw a depth near one of LANES lanes, evenly spaced in people's size."""
    return float(area.camera.depth_at((rng.integers(LANES) + 0.5 + rng.uniform(-0.25, 0.25)) / LANES))


def _draw_path(area: PlanningArea, rng: np.random.Generator) -> tuple[tuple[float, float], list[Waypoint]]:
    """Draw a start outside the image and the waypoints to an end outside it."""
    preset = area.preset
    depth, side = _draw_lane(area, rng), float(rng.choice([-1, 1]))
    speed = float(rng.uniform(*preset.speed))
    last = _draw_lane(area, rng) if rng.random() < 0.25 else depth * float(rng.uniform(0.95, 1.05))
    last = float(np.clip(last, area.camera.near, area.camera.far))
    start, end = (-side * _edge(area, depth), depth), (side * _edge(area, last), last)
    choice = rng.random()
    if choice >= preset.turn_fraction + preset.stop_fraction:
        return start, [Waypoint(*end, speed)]
    x, pause = _draw_turning_point(area, depth, rng)
    if choice < preset.turn_fraction:
        end_depth = start[1] * float(rng.uniform(0.97, 1.03))
        return start, [Waypoint(x, depth, speed, pause), Waypoint(start[0], end_depth, speed)]
    pause += float(rng.uniform(0.2, 0.5)) if pause > 0 else float(rng.uniform(0.6, 2.0))
    return start, [Waypoint(x, depth, speed, pause), Waypoint(*end, speed * float(rng.uniform(0.85, 1.15)))]


def _draw_turning_point(area: PlanningArea, depth: float, rng: np.random.Generator) -> tuple[float, float]:
    """Draw x in metres of a turn or pause at `depth`, often behind an occluder, and the minimum pause in seconds."""
    nearer = [prop for prop in area.props if prop.is_occluder and prop.depth < depth - 0.15]
    if nearer and rng.random() < area.preset.hide_fraction:
        prop = nearer[rng.integers(len(nearer))]
        return prop.x * depth / prop.depth + float(rng.uniform(-0.08, 0.08)), 0.08
    return float(rng.uniform(-0.6, 0.6)) * area.camera.half_width(depth), 0.0

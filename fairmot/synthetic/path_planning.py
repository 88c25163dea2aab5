"""Who walks where: lanes across the picture, turns and pauses, many of them behind things that hide."""

from dataclasses import dataclass

import numpy as np

from fairmot.synthetic.camera import Camera
from fairmot.synthetic.options import Preset
from fairmot.synthetic.props import Prop
from fairmot.synthetic.trajectories import Leg, Walk, duration, walk_along

OUTSIDE = 0.7  # metres beyond the image's edge where walks begin and end
LANES = 4


@dataclass(frozen=True)
class PlanningArea:
    """What walks are planned on: the ground that the camera sees, the time, and the things that hide."""

    camera: Camera
    preset: Preset
    frames: int
    frame_rate: float
    props: tuple[Prop, ...]


def plan_walks(stage: PlanningArea, rng: np.random.Generator) -> list[Walk]:
    """One place in the crowd: walks of different people, one after the other, for the whole sequence."""
    seconds = np.arange(stage.frames) / stage.frame_rate
    walks: list[Walk] = []
    begin: float | None = None
    while begin is None or begin < seconds[-1]:
        start, legs = _draw_path(stage, rng)
        length = duration(start, legs)
        begin = -float(rng.uniform(0.05, 0.95)) * length if begin is None else begin
        walks.append(walk_along(start, legs, seconds - begin, stature=1.7))
        begin += length + float(rng.uniform(0, 0.6))
    return walks


def plan_ride(stage: PlanningArea, rng: np.random.Generator) -> Walk:
    """Somebody who rides through once, at a time drawn from the sequence."""
    seconds = np.arange(stage.frames) / stage.frame_rate
    depth, side = _lane(stage, rng), float(rng.choice([-1, 1]))
    edge = _edge(stage, depth) + 1.0
    begin = float(rng.uniform(-1, max(seconds[-1] - 2, 0)))
    return walk_along((-side * edge, depth), [Leg(side * edge, depth, 3.2)], seconds - begin, stature=3.0)


def count_passes(walks: list[Walk], props: tuple[Prop, ...]) -> int:
    """How often somebody comes to be right behind a prop that screens, as the camera sees it."""
    passes = 0
    for prop in props:
        if prop.screens:
            for walk in walks:
                aside = walk.x / walk.depth - prop.x / prop.depth
                crosses = (np.sign(aside[1:]) != np.sign(aside[:-1])) & walk.present[1:] & walk.present[:-1]
                passes += int(np.count_nonzero(crosses & (walk.depth[1:] > prop.depth)))
    return passes


def _edge(stage: PlanningArea, depth: float) -> float:
    return stage.camera.half_width(depth) * (1 + 2 * stage.preset.pan) + OUTSIDE


def _lane(stage: PlanningArea, rng: np.random.Generator) -> float:
    """A depth near one of LANES, which are evenly spread in the size of people."""
    share = (rng.integers(LANES) + 0.5 + rng.uniform(-0.25, 0.25)) / LANES
    near, far = stage.camera.near, stage.camera.far
    return float(1 / (1 / far + share * (1 / near - 1 / far)))


def _draw_path(stage: PlanningArea, rng: np.random.Generator) -> tuple[tuple[float, float], list[Leg]]:
    """A start outside the picture and the legs to an end outside it."""
    preset = stage.preset
    depth, side = _lane(stage, rng), float(rng.choice([-1, 1]))
    speed = float(rng.uniform(*preset.speed))
    last = _lane(stage, rng) if rng.random() < 0.25 else depth * float(rng.uniform(0.95, 1.05))
    last = float(np.clip(last, stage.camera.near, stage.camera.far))
    start, end = (-side * _edge(stage, depth), depth), (side * _edge(stage, last), last)
    act = rng.random()
    if act >= preset.turn_share + preset.stop_share:
        return start, [Leg(*end, speed)]
    at, pause = _turning_point(stage, depth, rng)
    if act < preset.turn_share:
        back = start[1] * float(rng.uniform(0.97, 1.03))
        return start, [Leg(at, depth, speed, pause), Leg(start[0], back, speed)]
    pause += float(rng.uniform(0.2, 0.5)) if pause > 0 else float(rng.uniform(0.6, 2.0))
    return start, [Leg(at, depth, speed, pause), Leg(*end, speed * float(rng.uniform(0.85, 1.15)))]


def _turning_point(stage: PlanningArea, depth: float, rng: np.random.Generator) -> tuple[float, float]:
    """X in metres where somebody at `depth` turns or stops, and the least pause; behind a screen if one is nearer."""
    nearer = [prop for prop in stage.props if prop.screens and prop.depth < depth - 0.15]
    if nearer and rng.random() < stage.preset.hide_share:
        prop = nearer[rng.integers(len(nearer))]
        return prop.x * depth / prop.depth + float(rng.uniform(-0.08, 0.08)), 0.08
    return float(rng.uniform(-0.6, 0.6)) * stage.camera.half_width(depth), 0.0

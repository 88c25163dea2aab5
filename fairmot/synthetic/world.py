"""Synthetic world: camera, actors with their trajectories, and props, drawn from options alone."""

import math
from dataclasses import dataclass

import numpy as np

from fairmot.synthetic.appearance import Appearance, sample_appearance, sample_lookalike, sample_statue
from fairmot.synthetic.backdrop import SCENES
from fairmot.synthetic.body import Posture
from fairmot.synthetic.camera import Camera, SyntheticCameraMotion, build_camera, build_motion
from fairmot.synthetic.occlusion_preview import OcclusionPreview, Walker
from fairmot.synthetic.options import Preset, WorldOptions
from fairmot.synthetic.path_planning import PlanningArea, count_occluder_passes, plan_ride, plan_walkers
from fairmot.synthetic.props import CLUTTER, OCCLUDERS, Prop
from fairmot.synthetic.statistics import find_occlusions, measure_occlusion
from fairmot.synthetic.trajectories import Trajectory, stationary
from fairmot.utils.seed import make_rng

PEDESTRIAN, RIDER, STATIC_PERSON, DISTRACTOR = 1, 2, 7, 8  # MOTChallenge classes; only the first is scored
MAX_ATTEMPTS = 60  # with the preset's number of people
MAX_CUSTOM_ATTEMPTS = 4  # with another number, for which the preset's counts may be out of reach
SHORT = 60  # frames below which max_hidden is relaxed strongly
PREVIEW_VISIBILITY, PREVIEW_FRAMES = 0.17, 11  # stricter than an occlusion, so that the rendered sequence has it too
MAX_PASSES = 2.5  # occluder passes per expected occlusion; with more, too many boxes are hidden
REJECTED = 100.0  # shortfall of a plan that is not previewed
MARGIN = 1.25  # planned counts over those of the preset


@dataclass(frozen=True)
class Actor:
    """Person or statue with a box in the ground truth.

    identity: from 1. kind: MOTChallenge class. lift: metres above the ground (a statue on a pedestal).
    """

    identity: int
    kind: int
    appearance: Appearance
    trajectory: Trajectory
    posture: Posture = "walk"
    lift: float = 0.0


@dataclass(frozen=True)
class SyntheticWorld:
    """Contents of a sequence. scene: kind of backdrop."""

    options: WorldOptions
    camera: Camera
    motion: SyntheticCameraMotion
    actors: tuple[Actor, ...]
    props: tuple[Prop, ...]
    scene: str


def build_world(options: WorldOptions) -> SyntheticWorld:
    """Draw worlds until one meets the preset's counts with some margin; otherwise return the closest."""
    preview = OcclusionPreview(options.size_hw)
    attempts = MAX_ATTEMPTS if options.num_people == options.settings.people else MAX_CUSTOM_ATTEMPTS
    best = _draw_world(options, 0)
    best_shortfall = _shortfall(best, preview)
    for attempt in range(1, attempts):
        if best_shortfall <= 0:
            break
        world = _draw_world(options, attempt)
        shortfall = _shortfall(world, preview)
        if shortfall < best_shortfall:
            best, best_shortfall = world, shortfall
    return best


def _shortfall(world: SyntheticWorld, preview: OcclusionPreview) -> float:
    """Return the relative deviation of the planned world from the preset's counts; 0 if it meets them."""
    options, preset = world.options, world.options.settings
    occlusions, crossings = (
        math.floor(MARGIN * count * options.frames / 300) for count in (preset.occlusions, preset.crossings)
    )
    pedestrians = [actor for actor in world.actors if actor.kind == PEDESTRIAN]
    passes = count_occluder_passes([actor.trajectory for actor in pedestrians], world.props)
    if not occlusions <= passes <= MAX_PASSES * max(occlusions, 1):
        return REJECTED + abs(passes - occlusions)
    walkers = [Walker(actor.trajectory, actor.appearance.stature) for actor in world.actors if actor.lift == 0]
    table = preview.render(world.camera, walkers, list(world.props))
    table = table[table.ids <= len(pedestrians)]
    planned = measure_occlusion(table, options.size_hw)
    found = find_occlusions(table, options.size_hw, below=PREVIEW_VISIBILITY, min_frames=PREVIEW_FRAMES)
    return (
        _missing(planned.crossings, crossings)
        + _missing(len(found), occlusions)
        + 4 * max(0.0, planned.hidden_fraction - preset.max_hidden * (1 + SHORT / options.frames))
    )


def _missing(count: int, expected: int) -> float:
    """Return the fraction of `expected` that is missing."""
    return max(0.0, 1 - count / expected) if expected > 0 else 0.0


def _draw_world(options: WorldOptions, attempt: int) -> SyntheticWorld:
    preset, seed = options.settings, options.seed
    rng = make_rng(seed, attempt, 1)
    camera = build_camera(options.size_hw, preset.heights, rng)
    motion = build_motion(options, rng)
    props = _place_occluders(camera, preset, rng)
    area = PlanningArea(camera, preset, options.frames, options.frame_rate, tuple(props))
    trajectories = [trajectory for _ in range(options.num_people) for trajectory in plan_walkers(area, rng)]
    trajectories = [trajectory for trajectory in trajectories if trajectory.present.any()]
    people = _sample_people(len(trajectories), preset, make_rng(seed, attempt, 2))
    actors = [
        Actor(identity, PEDESTRIAN, appearance, trajectory)
        for identity, (appearance, trajectory) in enumerate(zip(people, trajectories, strict=True), 1)
    ]
    others, other_props = _draw_others(area, len(actors) + 1, make_rng(seed, attempt, 3))
    scene = SCENES[make_rng(seed, 4).integers(len(SCENES))]
    return SyntheticWorld(options, camera, motion, (*actors, *others), (*props, *other_props), scene)


def _sample_people(count: int, preset: Preset, rng: np.random.Generator) -> list[Appearance]:
    """Sample `count` appearances, in groups of `preset.lookalikes`."""
    people: list[Appearance] = []
    while len(people) < count:
        person = sample_appearance(rng)
        people += [person, *(sample_lookalike(person, rng) for _ in range(preset.lookalikes - 1))]
    return [people[index] for index in rng.permutation(count)]


def _place_occluders(camera: Camera, preset: Preset, rng: np.random.Generator) -> list[Prop]:
    """Place props that hide a full person, spread over the image width in front of most trajectories."""
    count = int(rng.integers(preset.occluders[0], preset.occluders[1] + 1))
    props = []
    for column in (np.arange(count) + rng.uniform(0.25, 0.75, count)) / count:
        depth = camera.depth_at(float(rng.uniform(*preset.occluder_position)))
        x = float((column * 2 - 1) * 0.85) * camera.half_width(depth)
        kind = OCCLUDERS[rng.integers(len(OCCLUDERS))]
        width, height = float(rng.uniform(*preset.occluder_width)), float(rng.uniform(2.15, 2.45))
        props.append(Prop(kind, x, depth, width, height, is_occluder=True))
    return props


def _draw_others(area: PlanningArea, first_id: int, rng: np.random.Generator) -> tuple[list[Actor], list[Prop]]:
    """Draw statues, bystanders and riders with their pedestals and benches, and clutter."""
    preset = area.preset
    actors: list[Actor] = []
    props: list[Prop] = []

    def draw_position(low: float, high: float) -> tuple[float, float]:
        """Return (x, depth) not in line with an occluder, if one is found in a few draws."""
        depth = area.camera.depth_at(float(rng.uniform(low, high)))
        x = 0.0
        for _ in range(8):
            x = float(rng.uniform(-0.9, 0.9)) * area.camera.half_width(depth)
            if all(abs(x / depth - prop.x / prop.depth) > (prop.width + 0.3) / 2 / prop.depth for prop in area.props):
                break
        return x, depth

    def add(kind: int, trajectory: Trajectory, posture: Posture = "walk", lift: float = 0.0) -> None:
        appearance = sample_statue(rng) if kind == DISTRACTOR else sample_appearance(rng)
        actors.append(Actor(first_id + len(actors), kind, appearance, trajectory, posture, lift))

    for _ in range(preset.statues):
        x, depth = draw_position(-0.1, 0.25)
        lift = float(rng.choice([0.0, 0.45, 0.7]))
        if lift > 0:
            props.append(Prop("pedestal", x, depth + 0.02, 0.8, lift))
        add(DISTRACTOR, stationary(x, depth, float(rng.uniform(np.pi, 2 * np.pi)), area.frames), lift=lift)
    for _ in range(preset.bystanders):
        x, depth = draw_position(-0.05, 0.3)
        is_sitting = rng.random() < 0.6
        if is_sitting:
            props.append(Prop("bench", x, depth + 0.15, 1.6, 0.85))
        heading = float(rng.uniform(1.3 * np.pi, 1.7 * np.pi))
        add(STATIC_PERSON, stationary(x, depth, heading, area.frames), "sit" if is_sitting else "walk")
    for _ in range(preset.riders):
        add(RIDER, plan_ride(area, rng), "ride")
    for _ in range(int(rng.integers(preset.clutter[0], preset.clutter[1] + 1))):
        kind = list(CLUTTER)[rng.integers(len(CLUTTER))]
        x, depth = draw_position(-0.2, 0.15) if kind == "car" else draw_position(-0.1, 0.75)
        props.append(Prop(kind, x, depth, *CLUTTER[kind]))
    return actors, props

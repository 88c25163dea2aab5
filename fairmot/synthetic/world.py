"""A whole synthetic world: camera, actors with their walks, things that stand about. Made from options alone."""

import math
from dataclasses import dataclass

import numpy as np

from fairmot.synthetic.appearance import Appearance, draw_appearance, draw_lookalike, draw_statue
from fairmot.synthetic.backdrop import KINDS
from fairmot.synthetic.body import Posture
from fairmot.synthetic.camera import Camera, Shot, SyntheticCameraMotion, build_camera, build_motion
from fairmot.synthetic.occlusion_preview import OcclusionPreview, Role
from fairmot.synthetic.options import Preset, WorldOptions
from fairmot.synthetic.path_planning import PlanningArea, count_passes, plan_ride, plan_walks
from fairmot.synthetic.props import CLUTTER, SCREENS, Prop
from fairmot.synthetic.statistics import measure, occlusion_runs
from fairmot.synthetic.trajectories import Walk, stand
from fairmot.utils.seed import make_rng

PEDESTRIAN, RIDER, STATIC_PERSON, DISTRACTOR = 1, 2, 7, 8  # MOTChallenge classes; only the first is scored
ATTEMPTS = 60  # plans drawn at most for the preset's own crowd
CUSTOM_ATTEMPTS = 4  # and for another, whose counts may be out of reach
SHORT = 60  # frames over which a plan cannot be held to a share
SURELY_HIDDEN, SURE_FRAMES = 0.17, 11  # stricter than an occlusion, so that the full picture shows one too
PASSES = 2.5  # most walks behind a screen, over the occlusions promised: a plan with more hides too much
UNLIKELY = 100.0  # shortfall of a plan that is not worth a rehearsal
MARGIN = 1.25  # how far the plan must exceed the counts that a preset promises


@dataclass(frozen=True)
class Actor:
    """Somebody or something with a box in the truth.

    identity: from 1. kind: MOTChallenge class. lift: metres above the ground (a statue on its pedestal).
    """

    identity: int
    kind: int
    appearance: Appearance
    walk: Walk
    posture: Posture = "walk"
    lift: float = 0.0


@dataclass(frozen=True)
class SyntheticWorld:
    """All that a sequence shows."""

    options: WorldOptions
    camera: Camera
    motion: SyntheticCameraMotion
    actors: tuple[Actor, ...]
    props: tuple[Prop, ...]
    scene: str


def build_world(options: WorldOptions) -> SyntheticWorld:
    """Draw worlds until one keeps the preset's promises with some margin; the nearest to it where none does."""
    rehearsal = OcclusionPreview(options.size_hw)
    best: tuple[float, SyntheticWorld] | None = None
    attempts = ATTEMPTS if options.crowd == options.world.people else CUSTOM_ATTEMPTS
    for attempt in range(attempts):
        world = _draw_world(options, attempt)
        shortfall = _shortfall(world, rehearsal)
        if best is None or shortfall < best[0]:
            best = (shortfall, world)
        if shortfall <= 0:
            break
    if best is None:
        raise AssertionError("no attempt was made")
    return best[1]


def _shortfall(world: SyntheticWorld, rehearsal: OcclusionPreview) -> float:
    """How far the planned world misses the preset's promises, as a share; 0 when it keeps them."""
    preset, options = world.options.world, world.options
    occlusions, crossings = (
        math.floor(MARGIN * count * options.frames / 300) for count in (preset.occlusions, preset.crossings)
    )
    passes = count_passes([actor.walk for actor in world.actors if actor.kind == PEDESTRIAN], world.props)
    if not occlusions <= passes <= PASSES * max(occlusions, 1):
        return UNLIKELY + abs(passes - occlusions)
    roles = [Role(actor.walk, actor.appearance.stature) for actor in world.actors if actor.lift == 0]
    table = rehearsal.play(world.camera, roles, list(world.props))
    people = sum(actor.kind == PEDESTRIAN for actor in world.actors)
    table = table[table.ids <= people]
    planned = measure(table, options.size_hw)
    sure = occlusion_runs(table, options.size_hw, below=SURELY_HIDDEN, frames_least=SURE_FRAMES)
    return (
        _lack(planned.crossings, crossings)
        + _lack(len(sure), occlusions)
        + 4 * max(0.0, planned.hidden_share - preset.hidden_share * (1 + SHORT / options.frames))
    )


def _lack(found: int, wanted: int) -> float:
    """Share of `wanted` that is missing."""
    return max(0.0, 1 - found / wanted) if wanted > 0 else 0.0


def _draw_world(options: WorldOptions, attempt: int) -> SyntheticWorld:
    preset = options.world
    rng = make_rng(options.seed, attempt, 1)
    camera = build_camera(options.size_hw, preset.heights, rng)
    motion = build_motion(Shot(options.frames, options.frame_rate, options.size_hw), preset, rng)
    props = _place_screens(camera, preset, rng)
    stage = PlanningArea(camera, preset, options.frames, options.frame_rate, tuple(props))
    walks = [walk for _ in range(options.crowd) for walk in plan_walks(stage, rng)]
    seen = [walk for walk in walks if walk.present.any()]
    cast = _cast(len(seen), preset, make_rng(options.seed, attempt, 2))
    actors = [
        Actor(index + 1, PEDESTRIAN, appearance, walk)
        for index, (appearance, walk) in enumerate(zip(cast, seen, strict=True))
    ]
    extras, more_props = _extras(stage, len(actors) + 1, make_rng(options.seed, attempt, 3))
    scene = KINDS[make_rng(options.seed, 4).integers(len(KINDS))]
    return SyntheticWorld(options, camera, motion, (*actors, *extras), (*props, *more_props), scene)


def _cast(count: int, preset: Preset, rng: np.random.Generator) -> list[Appearance]:
    """Draw `count` people, in groups of `preset.lookalikes` who dress alike."""
    cast: list[Appearance] = []
    while len(cast) < count:
        model = draw_appearance(rng)
        cast += [model, *(draw_lookalike(model, rng) for _ in range(preset.lookalikes - 1))]
    order = rng.permutation(count)
    return [cast[index] for index in order]


def _place_screens(camera: Camera, preset: Preset, rng: np.random.Generator) -> list[Prop]:
    """Things wide and tall enough to hide a whole person, spread over the picture in front of most walks."""
    count = int(rng.integers(preset.screens[0], preset.screens[1] + 1))
    props = []
    for place in (np.arange(count) + rng.uniform(0.25, 0.75, count)) / count:
        depth = _depth(camera, float(rng.uniform(*preset.screen_place)))
        x = float((place * 2 - 1) * 0.85) * camera.half_width(depth)
        kind = SCREENS[rng.integers(len(SCREENS))]
        width, height = float(rng.uniform(*preset.screen_width)), float(rng.uniform(2.15, 2.45))
        props.append(Prop(kind, x, depth, width, height, screens=True))
    return props


def _depth(camera: Camera, share: float) -> float:
    """Depth at which people are `share` of the way from the far size (0) to the near size (1)."""
    return 1 / (1 / camera.far + share * (1 / camera.near - 1 / camera.far))


def _free_place(stage: PlanningArea, depth: float, rng: np.random.Generator) -> tuple[float, float]:
    """A point (x, depth) in the picture that no screen stands in line with, where one is found in a few draws."""
    x = 0.0
    for _ in range(8):
        x = float(rng.uniform(-0.9, 0.9)) * stage.camera.half_width(depth)
        if all(abs(x / depth - prop.x / prop.depth) > (prop.width + 0.3) / 2 / prop.depth for prop in stage.props):
            break
    return x, depth


def _extras(stage: PlanningArea, first_id: int, rng: np.random.Generator) -> tuple[list[Actor], list[Prop]]:
    """Statues, bystanders and riders with what they stand or sit on, and clutter."""
    camera, preset = stage.camera, stage.preset
    actors: list[Actor] = []
    props: list[Prop] = []

    def place(share: float) -> tuple[float, float]:
        return _free_place(stage, _depth(camera, share), rng)

    def add(kind: int, walk: Walk, posture: Posture = "walk", lift: float = 0.0) -> None:
        appearance = draw_statue(rng) if kind == DISTRACTOR else draw_appearance(rng)
        actors.append(Actor(first_id + len(actors), kind, appearance, walk, posture, lift))

    for _ in range(preset.statues):
        x, depth = place(float(rng.uniform(-0.1, 0.25)))
        lift = float(rng.choice([0.0, 0.45, 0.7]))
        if lift > 0:
            props.append(Prop("pedestal", x, depth + 0.02, 0.8, lift, screens=False))
        add(DISTRACTOR, stand(x, depth, float(rng.uniform(np.pi, 2 * np.pi)), stage.frames), lift=lift)
    for _ in range(preset.bystanders):
        x, depth = place(float(rng.uniform(-0.05, 0.3)))
        sits = rng.random() < 0.6
        if sits:
            props.append(Prop("bench", x, depth + 0.15, 1.6, 0.85, screens=False))
        heading = float(rng.uniform(1.3 * np.pi, 1.7 * np.pi))
        add(STATIC_PERSON, stand(x, depth, heading, stage.frames), "sit" if sits else "walk")
    for _ in range(preset.riders):
        add(RIDER, plan_ride(stage, rng), "ride")
    for _ in range(int(rng.integers(preset.clutter[0], preset.clutter[1] + 1))):
        kind = list(CLUTTER)[rng.integers(len(CLUTTER))]
        x, depth = place(float(rng.uniform(-0.2, 0.15) if kind == "car" else rng.uniform(-0.1, 0.75)))
        props.append(Prop(kind, x, depth, float(CLUTTER[kind][0]), float(CLUTTER[kind][1]), screens=False))
    return actors, props

from dataclasses import replace

import numpy as np
import pytest

from fairmot.synthetic.camera import Camera
from fairmot.synthetic.occlusion_preview import OcclusionPreview, Role
from fairmot.synthetic.options import PRESETS, WorldOptions
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.statistics import WorldStatistics, measure
from fairmot.synthetic.trajectories import stand
from fairmot.synthetic.world import DISTRACTOR, PEDESTRIAN, RIDER, STATIC_PERSON, SyntheticWorld, build_world
from fairmot.synthetic.write import join_tables
from fairmot.utils.errors import InputError


def rendered_statistics(options: WorldOptions) -> WorldStatistics:
    truth = join_tables([frame.truth for frame in Renderer(build_world(options)).frames()])
    return measure(truth, options.size_hw)


def planned_statistics(options: WorldOptions) -> WorldStatistics:
    world = build_world(options)
    people = [actor for actor in world.actors if actor.kind == PEDESTRIAN]
    roles = [Role(actor.walk, actor.appearance.stature) for actor in people]
    return measure(OcclusionPreview(options.size_hw).play(world.camera, roles, list(world.props)), options.size_hw)


def test_a_rendered_sequence_of_easy_keeps_its_promises() -> None:
    found = rendered_statistics(WorldOptions("easy", 11))
    assert found.people >= 8
    assert found.crossings >= 10
    assert found.occlusions >= 4
    assert found.hidden_share < 0.085


def test_a_plan_of_hard_keeps_its_promises() -> None:
    found = planned_statistics(WorldOptions("hard", 12))
    assert found.crossings >= 30
    assert found.occlusions >= 12


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "seed"), [(name, seed) for name in PRESETS for seed in range(300, 310)])
def test_every_rendered_sequence_keeps_its_presets_promises(preset: str, seed: int) -> None:
    found = rendered_statistics(WorldOptions(preset, seed))
    assert found.people >= 8
    assert found.crossings >= PRESETS[preset].crossings
    assert found.occlusions >= PRESETS[preset].occlusions
    assert found.hidden_share <= 1.2 * PRESETS[preset].hidden_share + 0.03


def test_hard_promises_three_times_easy() -> None:
    easy, hard = PRESETS["easy"], PRESETS["hard"]
    assert hard.crossings >= 3 * easy.crossings
    assert hard.occlusions >= 3 * easy.occlusions


def test_the_rehearsal_tells_what_the_full_picture_shows() -> None:
    options = WorldOptions("easy", 14, frames=60)
    planned, shown = planned_statistics(options), rendered_statistics(options)
    assert abs(planned.boxes - shown.boxes) <= 0.03 * shown.boxes
    assert abs(planned.hidden_share - shown.hidden_share) < 0.04
    assert abs(planned.crossings - shown.crossings) <= max(3, 0.2 * shown.crossings)


def test_different_seeds_give_different_people_and_scenes() -> None:
    worlds = [build_world(WorldOptions("easy", seed, frames=10)) for seed in range(8)]
    assert len({world.actors[0].appearance for world in worlds}) == 8
    assert len({world.scene for world in worlds}) >= 2
    assert len({world.camera for world in worlds}) == 8


def test_hard_dresses_people_alike_and_easy_does_not() -> None:
    def alike(world: SyntheticWorld) -> int:
        looks = [actor.appearance for actor in world.actors if actor.kind == PEDESTRIAN]
        cuts = [(look.top.pattern, look.bottom, look.build) for look in looks]
        assert len(set(looks)) == len(looks)
        return len(cuts) - len(set(cuts))

    assert alike(build_world(WorldOptions("easy", 1, frames=30))) == 0
    assert alike(build_world(WorldOptions("hard", 1, frames=30))) >= 5


def test_people_enter_and_leave() -> None:
    world = build_world(WorldOptions("easy", 3, frames=120))
    walks = [actor.walk for actor in world.actors if actor.kind == PEDESTRIAN]
    assert any(not walk.present[0] and walk.present[-1] for walk in walks)
    assert any(walk.present[0] and not walk.present[-1] for walk in walks)
    assert all(walk.present.any() for walk in walks)


def test_the_crowd_is_what_was_asked_for() -> None:
    for people in (1, 5, 30):
        world = build_world(WorldOptions("easy", 3, frames=20, people=people))
        together = np.sum([actor.walk.present for actor in world.actors if actor.kind == PEDESTRIAN], axis=0)
        assert together.max() <= people
        assert together.max() >= 0.7 * people


def test_kinds_of_actors_follow_the_preset() -> None:
    kinds = [actor.kind for actor in build_world(WorldOptions("hard", 5, frames=20)).actors]
    hard = PRESETS["hard"]
    assert kinds.count(DISTRACTOR) == hard.statues
    assert kinds.count(STATIC_PERSON) == hard.bystanders
    assert kinds.count(RIDER) == hard.riders


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"preset": "medium"}, "easy, hard"),
        ({"frames": 0}, "frames"),
        ({"seed": -1}, "seed"),
        ({"size_hw": (10, 480)}, "height"),
        ({"size_hw": (270, 10**5)}, "width"),
        ({"frame_rate": 0.0}, "rate"),
        ({"people": 0}, "people"),
    ],
)
def test_options_that_make_no_sense_are_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        replace(WorldOptions(), **changes)


def test_a_rehearsal_without_roles_is_empty() -> None:
    world = build_world(WorldOptions("easy", 3, frames=5))
    assert len(OcclusionPreview((270, 480)).play(world.camera, [], list(world.props))) == 0


def test_a_rehearsal_leaves_out_who_stands_outside() -> None:
    camera = Camera((270, 480), height=2.0, horizon=40.0, near=4.0, far=9.0)
    roles = [Role(stand(0.0, 5.0, 0.0, 2), 1.7), Role(stand(50.0, 5.0, 0.0, 2), 1.7)]
    table = OcclusionPreview((270, 480)).play(camera, roles, [])
    assert table.ids.tolist() == [1, 1]
    assert table.visibilities.tolist() == [1.0, 1.0]

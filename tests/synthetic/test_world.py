from dataclasses import replace

import numpy as np
import pytest

from fairmot.synthetic.camera import Camera
from fairmot.synthetic.occlusion_preview import OcclusionPreview, Walker
from fairmot.synthetic.options import PRESETS, WorldOptions
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.statistics import OcclusionStatistics, measure_occlusion
from fairmot.synthetic.trajectories import stationary
from fairmot.synthetic.world import DISTRACTOR, PEDESTRIAN, RIDER, STATIC_PERSON, SyntheticWorld, build_world
from fairmot.synthetic.write import concatenate_tables
from fairmot.utils.errors import InputError


def rendered_statistics(options: WorldOptions) -> OcclusionStatistics:
    tables = [frame.ground_truth for frame in Renderer(build_world(options)).frames()]
    return measure_occlusion(concatenate_tables(tables), options.size_hw)


def planned_statistics(options: WorldOptions) -> OcclusionStatistics:
    world = build_world(options)
    people = [actor for actor in world.actors if actor.kind == PEDESTRIAN]
    walkers = [Walker(actor.trajectory, actor.appearance.stature) for actor in people]
    table = OcclusionPreview(options.size_hw).render(world.camera, walkers, list(world.props))
    return measure_occlusion(table, options.size_hw)


def test_rendered_easy_world_meets_the_preset() -> None:
    found = rendered_statistics(WorldOptions("easy", 11, size_hw=(135, 240)))
    assert found.people >= 8
    assert found.crossings >= 10
    assert found.occlusions >= 4
    assert found.hidden_fraction < 0.085


def test_planned_hard_world_meets_the_preset() -> None:
    found = planned_statistics(WorldOptions("hard", 12))
    assert found.crossings >= 30
    assert found.occlusions >= 12


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "seed"), [(name, seed) for name in PRESETS for seed in range(300, 310)])
def test_rendered_worlds_of_many_seeds_meet_the_preset(preset: str, seed: int) -> None:
    found = rendered_statistics(WorldOptions(preset, seed))
    assert found.people >= 8
    assert found.crossings >= PRESETS[preset].crossings
    assert found.occlusions >= PRESETS[preset].occlusions
    assert found.hidden_fraction <= 1.2 * PRESETS[preset].max_hidden + 0.03


def test_hard_has_three_times_the_counts_of_easy() -> None:
    easy, hard = PRESETS["easy"], PRESETS["hard"]
    assert hard.crossings >= 3 * easy.crossings
    assert hard.occlusions >= 3 * easy.occlusions


def test_preview_statistics_are_close_to_rendered_ones() -> None:
    options = WorldOptions("easy", 14, frames=60)
    planned, shown = planned_statistics(options), rendered_statistics(options)
    assert abs(planned.boxes - shown.boxes) <= 0.03 * shown.boxes
    assert abs(planned.hidden_fraction - shown.hidden_fraction) < 0.04
    assert abs(planned.crossings - shown.crossings) <= max(3, 0.2 * shown.crossings)


def test_seeds_change_people_scene_and_camera() -> None:
    worlds = [build_world(WorldOptions("easy", seed, frames=10)) for seed in range(8)]
    assert len({world.actors[0].appearance for world in worlds}) == 8
    assert len({world.scene for world in worlds}) >= 2
    assert len({world.camera for world in worlds}) == 8


def test_similar_clothes_only_in_hard() -> None:
    def alike(world: SyntheticWorld) -> int:
        people = [actor.appearance for actor in world.actors if actor.kind == PEDESTRIAN]
        cuts = [(person.top.pattern, person.bottom, person.build) for person in people]
        assert len(set(people)) == len(people)
        return len(cuts) - len(set(cuts))

    assert alike(build_world(WorldOptions("easy", 1, frames=30))) == 0
    assert alike(build_world(WorldOptions("hard", 1, frames=30))) >= 5


def test_people_enter_and_leave() -> None:
    world = build_world(WorldOptions("easy", 3, frames=120))
    trajectories = [actor.trajectory for actor in world.actors if actor.kind == PEDESTRIAN]
    assert any(not walk.present[0] and walk.present[-1] for walk in trajectories)
    assert any(walk.present[0] and not walk.present[-1] for walk in trajectories)
    assert all(walk.present.any() for walk in trajectories)


def test_people_option_sets_the_number_of_walkers() -> None:
    for people in (1, 5, 30):
        world = build_world(WorldOptions("easy", 3, frames=20, people=people))
        together = np.sum([actor.trajectory.present for actor in world.actors if actor.kind == PEDESTRIAN], axis=0)
        assert together.max() <= people
        assert together.max() >= 0.7 * people


def test_actor_classes_follow_the_preset() -> None:
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
        ({"frame_rate": 0.0}, "fps"),
        ({"people": 0}, "people"),
    ],
)
def test_invalid_option_is_named(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        replace(WorldOptions(), **changes)


def test_preview_without_walkers_is_empty() -> None:
    world = build_world(WorldOptions("easy", 3, frames=5))
    assert len(OcclusionPreview((270, 480)).render(world.camera, [], list(world.props))) == 0


def test_preview_excludes_walkers_outside_the_image() -> None:
    camera = Camera((270, 480), height=2.0, horizon=40.0, near=4.0, far=9.0)
    walkers = [Walker(stationary(0.0, 5.0, 0.0, 2), 1.7), Walker(stationary(50.0, 5.0, 0.0, 2), 1.7)]
    table = OcclusionPreview((270, 480)).render(camera, walkers, [])
    assert table.ids.tolist() == [1, 1]
    assert table.visibilities.tolist() == [1.0, 1.0]

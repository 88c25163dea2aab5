from dataclasses import replace

import numpy as np
import pytest

from fairmot.synthetic.appearance import sample_appearance
from fairmot.synthetic.camera import Camera, SyntheticCameraMotion
from fairmot.synthetic.options import EASY, WorldOptions
from fairmot.synthetic.props import Prop
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.trajectories import Trajectory, Waypoint, sample_path, stationary
from fairmot.synthetic.world import DISTRACTOR, PEDESTRIAN, STATIC_PERSON, Actor, SyntheticWorld, build_world
from fairmot.synthetic.write import concatenate_tables
from fairmot.utils.seed import make_rng

HW = (270, 480)
CAMERA = Camera(HW, height=2.0, horizon=40.0, near=4.0, far=9.0)


def make_world(actors: list[Actor], props: tuple[Prop, ...] = (), frames: int = 1) -> SyntheticWorld:
    motion = SyntheticCameraMotion(np.ones(frames), np.zeros((frames, 2)))
    return SyntheticWorld(WorldOptions("easy", 1, frames), CAMERA, motion, tuple(actors), props, "plaza")


def person(identity: int, trajectory: Trajectory, *, kind: int = PEDESTRIAN, stature: float = 1.7) -> Actor:
    appearance = replace(sample_appearance(make_rng(identity)), stature=stature, bag="none", build=1.0)
    return Actor(identity, kind, appearance, trajectory)


def silhouette_box(instances: np.ndarray, identity: int) -> list[float]:
    rows, columns = np.nonzero(instances == identity)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("depth", [4.0, 5.3, 8.7])
@pytest.mark.parametrize("heading", [0.0, 1.0, np.pi / 2, np.pi, 4.5])
def test_box_fits_the_silhouette(depth: float, heading: float) -> None:
    for phase in (0.0, 1.3, 2.9):
        walk = replace(stationary(0.13, depth, heading, 1), phase=np.array([phase]), stride=np.ones(1))
        frame = Renderer(make_world([person(1, walk)])).draw(0)
        left, top, width, height = frame.ground_truth.boxes_tlwh[0]
        found = silhouette_box(frame.instances, 1)
        assert np.abs(np.array([left, top, left + width, top + height]) - found).max() <= 1.5
        assert frame.ground_truth.visibilities[0] == 1.0


def test_box_height_is_inverse_to_depth() -> None:
    heights = []
    for depth in (4.0, 8.0):
        frame = Renderer(make_world([person(1, stationary(0.0, depth, 0.0, 1))])).draw(0)
        heights.append(float(frame.ground_truth.boxes_tlwh[0, 3]))
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.03)
    assert heights[0] == pytest.approx(1.7 * CAMERA.focal / 4.0, rel=0.08)


def test_nearer_person_occludes_the_farther() -> None:
    walkers = [person(1, stationary(0.0, 6.0, 0.0, 1)), person(2, stationary(0.0, 5.0, 0.0, 1))]
    frame = Renderer(make_world(walkers)).draw(0)
    visibility = dict(zip(frame.ground_truth.ids.tolist(), frame.ground_truth.visibilities.tolist(), strict=True))
    assert visibility[2] == 1.0
    assert 0.0 < visibility[1] < 0.6


def test_visibility_is_the_visible_fraction_of_the_silhouette() -> None:
    back, front = person(1, stationary(0.0, 6.0, 0.0, 1)), person(2, stationary(0.12, 5.0, 0.0, 1))
    alone = np.count_nonzero(Renderer(make_world([back])).draw(0).instances == 1)
    frame = Renderer(make_world([back, front])).draw(0)
    fraction = np.count_nonzero(frame.instances == 1) / alone
    assert frame.ground_truth.visibilities[0] == pytest.approx(fraction, abs=1e-9)


def test_occluder_hides_the_person_behind_only() -> None:
    column = Prop("panel", 0.0, 5.0, 1.4, 2.4, is_occluder=True)
    walkers = [person(1, stationary(0.0, 6.0, 0.0, 1)), person(2, stationary(0.3, 4.2, 0.0, 1))]
    table = Renderer(make_world(walkers, (column,))).draw(0).ground_truth
    assert table.visibilities[0] < 0.02
    assert table.visibilities[1] == 1.0


def test_visibility_decreases_outside_the_image() -> None:
    edge = CAMERA.half_width(5.0)
    listed = {}
    for x in (edge - 0.6, edge, edge + 0.6, edge + 2.0):
        table = Renderer(make_world([person(1, stationary(x, 5.0, np.pi / 2, 1))])).draw(0).ground_truth
        listed[x] = table.visibilities.tolist()
    assert listed[edge - 0.6] == [1.0]
    assert listed[edge][0] == pytest.approx(0.5, abs=0.15)
    assert listed[edge + 0.6] == []
    assert listed[edge + 2.0] == []


def test_box_at_the_edge_keeps_its_full_width() -> None:
    inside = Renderer(make_world([person(1, stationary(0.0, 5.0, np.pi / 2, 1))])).draw(0).ground_truth
    cut = Renderer(make_world([person(1, stationary(CAMERA.half_width(5.0), 5.0, np.pi / 2, 1))])).draw(0).ground_truth
    assert cut.boxes_tlwh[0, 2] == pytest.approx(inside.boxes_tlwh[0, 2])
    assert cut.boxes_tlwh[0, 0] + cut.boxes_tlwh[0, 2] > HW[1]


def test_path_across_is_listed_while_inside_the_image() -> None:
    frames, edge = 120, CAMERA.half_width(5.0) + 0.7
    walk = sample_path((-edge, 5.0), [Waypoint(edge, 5.0, 1.4)], np.arange(frames) / 20 - 0.5, stature=1.7)
    table = concatenate_tables(
        [f.ground_truth for f in Renderer(make_world([person(1, walk)], frames=frames)).frames()]
    )
    assert table.frames[0] > 10
    assert np.all(np.diff(table.frames) == 1)
    middles = table.boxes_tlwh[:, 0] + table.boxes_tlwh[:, 2] / 2
    assert np.all(np.diff(middles) > -3)
    assert middles[0] < 20
    assert middles[-1] > HW[1] - 20


def test_distractors_and_bystanders_have_consider_flag_0() -> None:
    actors = [
        person(1, stationary(-1.0, 6.0, 0.0, 1)),
        person(2, stationary(0.0, 6.0, 0.0, 1), kind=DISTRACTOR),
        person(3, stationary(1.0, 6.0, 0.0, 1), kind=STATIC_PERSON),
    ]
    table = Renderer(make_world(actors)).draw(0).ground_truth
    assert table.classes.tolist() == [PEDESTRIAN, DISTRACTOR, STATIC_PERSON]
    assert table.confidences.tolist() == [1.0, 0.0, 0.0]


def test_lift_moves_the_box_up() -> None:
    statue = person(1, stationary(0.0, 6.0, 0.0, 1), kind=DISTRACTOR)
    low = Renderer(make_world([statue])).draw(0).ground_truth.boxes_tlwh[0]
    high = Renderer(make_world([replace(statue, lift=0.5)])).draw(0).ground_truth.boxes_tlwh[0]
    assert low[1] - high[1] == pytest.approx(0.5 * CAMERA.focal / 6.0, abs=0.01)


def test_camera_motion_transforms_boxes() -> None:
    world = make_world([person(1, stationary(0.0, 5.0, 0.0, 2))], frames=2)
    moved = replace(world, motion=SyntheticCameraMotion(np.array([1.0, 1.1]), np.array([[0.0, 0.0], [20.0, 3.0]])))
    first, second = (frame.ground_truth.boxes_tlwh[0] for frame in Renderer(moved).frames())
    assert second[2:] == pytest.approx(first[2:] * 1.1, rel=1e-6)
    centre = np.array([HW[1], HW[0]]) / 2
    assert second[:2] == pytest.approx((first[:2] - centre) * 1.1 + centre + [20, 3], abs=1e-6)


def test_instance_map_agrees_with_ground_truth() -> None:
    for index, frame in enumerate(Renderer(build_world(WorldOptions("hard", 4, frames=3))).frames()):
        assert frame.image.shape == (*HW, 3)
        assert frame.image.dtype == np.uint8
        assert np.all(frame.ground_truth.frames == index + 1)
        shown = set(frame.ground_truth.ids[frame.ground_truth.visibilities > 0].tolist())
        assert shown <= set(np.unique(frame.instances).tolist())
        for row in range(len(frame.ground_truth)):
            rows, columns = np.nonzero(frame.instances == frame.ground_truth.ids[row])
            left, top, width, height = frame.ground_truth.boxes_tlwh[row]
            if len(rows):  # motion blur widens a silhouette by a few pixels
                assert columns.min() >= left - 6
                assert columns.max() <= left + width + 6
                assert rows.min() >= top - 2
                assert rows.max() <= top + height + 2


def test_light_changes_more_in_hard_than_in_easy() -> None:
    def spread(preset: str) -> float:
        renderer = Renderer(build_world(WorldOptions(preset, 6, frames=240, people=1)))
        return float(np.std([renderer.draw(frame).image.mean() for frame in range(0, 240, 40)]))

    assert spread("hard") > 2 * spread("easy")


@pytest.mark.parametrize("size_hw", [(120, 100), (240, 1200)])
def test_any_image_size(size_hw: tuple[int, int]) -> None:
    options = WorldOptions("easy", 2, frames=2, size_hw=size_hw, frame_rate=7.5, people=3)
    frames = list(Renderer(build_world(options)).frames())
    assert [frame.image.shape for frame in frames] == [(*size_hw, 3)] * 2


def test_every_scene_and_prop_is_drawn() -> None:
    world = build_world(WorldOptions("easy", 1, frames=1))
    kinds = ("column", "panel", "hedge", "bench", "planter", "sign", "bin", "car", "pedestal")
    props = tuple(Prop(kind, -2.0 + 0.5 * index, 6.0, 1.0, 1.0, is_occluder=False) for index, kind in enumerate(kinds))
    images = []
    for scene in ("street", "plaza", "park", "hall"):
        for seed in range(2):
            options = replace(world.options, seed=seed)
            images.append(Renderer(replace(world, options=options, scene=scene, props=props)).draw(0).image)
    assert len({image.tobytes() for image in images}) == len(images)
    assert all(image.std() > 15 for image in images)


def test_easy_has_no_pan_and_zoom() -> None:
    assert EASY.pan == 0.0
    assert EASY.zoom == 0.0

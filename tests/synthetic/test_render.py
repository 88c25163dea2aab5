from dataclasses import replace

import numpy as np
import pytest

from fairmot.synthetic.appearance import draw_appearance
from fairmot.synthetic.camera import Camera, SyntheticCameraMotion
from fairmot.synthetic.options import EASY, WorldOptions
from fairmot.synthetic.props import Prop
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.trajectories import Leg, Walk, stand, walk_along
from fairmot.synthetic.world import DISTRACTOR, PEDESTRIAN, STATIC_PERSON, Actor, SyntheticWorld, build_world
from fairmot.synthetic.write import join_tables
from fairmot.utils.seed import make_rng

HW = (270, 480)
CAMERA = Camera(HW, height=2.0, horizon=40.0, near=4.0, far=9.0)


def make_world(actors: list[Actor], props: tuple[Prop, ...] = (), frames: int = 1) -> SyntheticWorld:
    motion = SyntheticCameraMotion(np.ones(frames), np.zeros((frames, 2)))
    return SyntheticWorld(WorldOptions("easy", 1, frames), CAMERA, motion, tuple(actors), props, "plaza")


def person(identity: int, walk: Walk, *, kind: int = PEDESTRIAN, stature: float = 1.7) -> Actor:
    look = replace(draw_appearance(make_rng(identity)), stature=stature, bag="none", build=1.0)
    return Actor(identity, kind, look, walk)


def silhouette_box(instances: np.ndarray, identity: int) -> list[float]:
    rows, columns = np.nonzero(instances == identity)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("depth", [4.0, 5.3, 8.7])
@pytest.mark.parametrize("heading", [0.0, 1.0, np.pi / 2, np.pi, 4.5])
def test_boxes_hold_the_silhouette_tightly(depth: float, heading: float) -> None:
    for phase in (0.0, 1.3, 2.9):
        walk = replace(stand(0.13, depth, heading, 1), phase=np.array([phase]), stride=np.ones(1))
        frame = Renderer(make_world([person(1, walk)])).draw(0)
        left, top, width, height = frame.truth.boxes_tlwh[0]
        found = silhouette_box(frame.instances, 1)
        assert np.abs(np.array([left, top, left + width, top + height]) - found).max() <= 1.5
        assert frame.truth.visibilities[0] == 1.0


def test_size_follows_depth() -> None:
    heights = []
    for depth in (4.0, 8.0):
        frame = Renderer(make_world([person(1, stand(0.0, depth, 0.0, 1))])).draw(0)
        heights.append(float(frame.truth.boxes_tlwh[0, 3]))
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.03)
    assert heights[0] == pytest.approx(1.7 * CAMERA.focal / 4.0, rel=0.08)


def test_the_nearer_person_hides_the_farther() -> None:
    walkers = [person(1, stand(0.0, 6.0, 0.0, 1)), person(2, stand(0.0, 5.0, 0.0, 1))]
    frame = Renderer(make_world(walkers)).draw(0)
    seen = dict(zip(frame.truth.ids.tolist(), frame.truth.visibilities.tolist(), strict=True))
    assert seen[2] == 1.0
    assert 0.0 < seen[1] < 0.6


def test_visibility_is_the_seen_share_of_the_silhouette() -> None:
    back, front = person(1, stand(0.0, 6.0, 0.0, 1)), person(2, stand(0.12, 5.0, 0.0, 1))
    alone = np.count_nonzero(Renderer(make_world([back])).draw(0).instances == 1)
    frame = Renderer(make_world([back, front])).draw(0)
    share = np.count_nonzero(frame.instances == 1) / alone
    assert frame.truth.visibilities[0] == pytest.approx(share, abs=1e-9)


def test_a_screen_hides_a_whole_person_and_nobody_in_front() -> None:
    column = Prop("panel", 0.0, 5.0, 1.4, 2.4, screens=True)
    walkers = [person(1, stand(0.0, 6.0, 0.0, 1)), person(2, stand(0.3, 4.2, 0.0, 1))]
    truth = Renderer(make_world(walkers, (column,))).draw(0).truth
    assert truth.visibilities[0] < 0.02
    assert truth.visibilities[1] == 1.0


def test_who_leaves_the_image_is_seen_less_and_then_no_longer_listed() -> None:
    edge = CAMERA.half_width(5.0)
    listed = {}
    for x in (edge - 0.6, edge, edge + 0.6, edge + 2.0):
        truth = Renderer(make_world([person(1, stand(x, 5.0, np.pi / 2, 1))])).draw(0).truth
        listed[x] = truth.visibilities.tolist()
    assert listed[edge - 0.6] == [1.0]
    assert listed[edge][0] == pytest.approx(0.5, abs=0.15)
    assert listed[edge + 0.6] == []
    assert listed[edge + 2.0] == []


def test_boxes_at_the_edge_keep_their_whole_width() -> None:
    inside = Renderer(make_world([person(1, stand(0.0, 5.0, np.pi / 2, 1))])).draw(0).truth
    cut = Renderer(make_world([person(1, stand(CAMERA.half_width(5.0), 5.0, np.pi / 2, 1))])).draw(0).truth
    assert cut.boxes_tlwh[0, 2] == pytest.approx(inside.boxes_tlwh[0, 2])
    assert cut.boxes_tlwh[0, 0] + cut.boxes_tlwh[0, 2] > HW[1]


def test_a_walk_across_is_listed_while_it_is_in_the_image() -> None:
    frames, edge = 120, CAMERA.half_width(5.0) + 0.7
    walk = walk_along((-edge, 5.0), [Leg(edge, 5.0, 1.4)], np.arange(frames) / 20 - 0.5, stature=1.7)
    truth = join_tables([f.truth for f in Renderer(make_world([person(1, walk)], frames=frames)).frames()])
    assert truth.frames[0] > 10
    assert np.all(np.diff(truth.frames) == 1)
    middles = truth.boxes_tlwh[:, 0] + truth.boxes_tlwh[:, 2] / 2
    assert np.all(np.diff(middles) > -3)
    assert middles[0] < 20
    assert middles[-1] > HW[1] - 20


def test_distractors_and_bystanders_are_listed_with_mark_0() -> None:
    actors = [
        person(1, stand(-1.0, 6.0, 0.0, 1)),
        person(2, stand(0.0, 6.0, 0.0, 1), kind=DISTRACTOR),
        person(3, stand(1.0, 6.0, 0.0, 1), kind=STATIC_PERSON),
    ]
    truth = Renderer(make_world(actors)).draw(0).truth
    assert truth.classes.tolist() == [PEDESTRIAN, DISTRACTOR, STATIC_PERSON]
    assert truth.confidences.tolist() == [1.0, 0.0, 0.0]


def test_somebody_on_a_pedestal_stands_higher() -> None:
    statue = person(1, stand(0.0, 6.0, 0.0, 1), kind=DISTRACTOR)
    low = Renderer(make_world([statue])).draw(0).truth.boxes_tlwh[0]
    high = Renderer(make_world([replace(statue, lift=0.5)])).draw(0).truth.boxes_tlwh[0]
    assert low[1] - high[1] == pytest.approx(0.5 * CAMERA.focal / 6.0, abs=0.01)


def test_the_camera_moves_people_and_ground_together() -> None:
    world = make_world([person(1, stand(0.0, 5.0, 0.0, 2))], frames=2)
    moved = replace(world, motion=SyntheticCameraMotion(np.array([1.0, 1.1]), np.array([[0.0, 0.0], [20.0, 3.0]])))
    first, second = (frame.truth.boxes_tlwh[0] for frame in Renderer(moved).frames())
    assert second[2:] == pytest.approx(first[2:] * 1.1, rel=1e-6)
    centre = np.array([HW[1], HW[0]]) / 2
    assert second[:2] == pytest.approx((first[:2] - centre) * 1.1 + centre + [20, 3], abs=1e-6)


def test_instances_agree_with_the_truth() -> None:
    for index, frame in enumerate(Renderer(build_world(WorldOptions("hard", 4, frames=3))).frames()):
        assert frame.image.shape == (*HW, 3)
        assert frame.image.dtype == np.uint8
        assert np.all(frame.truth.frames == index + 1)
        shown = set(frame.truth.ids[frame.truth.visibilities > 0].tolist())
        assert shown <= set(np.unique(frame.instances).tolist())
        for row in range(len(frame.truth)):
            rows, columns = np.nonzero(frame.instances == frame.truth.ids[row])
            left, top, width, height = frame.truth.boxes_tlwh[row]
            if len(rows):  # motion blur widens a silhouette by a few pixels
                assert columns.min() >= left - 6
                assert columns.max() <= left + width + 6
                assert rows.min() >= top - 2
                assert rows.max() <= top + height + 2


def test_light_changes_over_a_hard_sequence_more_than_over_an_easy_one() -> None:
    def spread(preset: str) -> float:
        renderer = Renderer(build_world(WorldOptions(preset, 6, frames=240, people=1)))
        return float(np.std([renderer.draw(frame).image.mean() for frame in range(0, 240, 40)]))

    assert spread("hard") > 2 * spread("easy")


@pytest.mark.parametrize("size_hw", [(120, 100), (240, 1200)])
def test_any_shape_of_image(size_hw: tuple[int, int]) -> None:
    options = WorldOptions("easy", 2, frames=2, size_hw=size_hw, frame_rate=7.5, people=3)
    frames = list(Renderer(build_world(options)).frames())
    assert [frame.image.shape for frame in frames] == [(*size_hw, 3)] * 2


def test_all_kinds_of_scenes_and_props_are_drawn() -> None:
    world = build_world(WorldOptions("easy", 1, frames=1))
    kinds = ("column", "panel", "hedge", "bench", "planter", "sign", "bin", "car", "pedestal")
    props = tuple(Prop(kind, -2.0 + 0.5 * index, 6.0, 1.0, 1.0, screens=False) for index, kind in enumerate(kinds))
    pictures = []
    for scene in ("street", "plaza", "park", "hall"):
        for seed in range(2):
            options = replace(world.options, seed=seed)
            pictures.append(Renderer(replace(world, options=options, scene=scene, props=props)).draw(0).image)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert all(picture.std() > 15 for picture in pictures)


def test_easy_is_nearly_still() -> None:
    assert EASY.pan == 0.0
    assert EASY.zoom == 0.0

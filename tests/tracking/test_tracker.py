"""The tracker's rules one by one, its state, and what must hold whatever comes in."""

import io
from typing import Any

import numpy as np
import pytest
from helpers.locations import FIXTURES
from helpers.walkers import BOX, NOBODY, PARTS, assert_same, random_frames, run, see
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.formats.detection_cache import read_cache
from fairmot.structures.detections import Detections
from fairmot.tracking.options import TrackerOptions
from fairmot.tracking.tracker import JointTracker
from fairmot.utils.errors import InputError

# ------------------------------------------------------------------------------------------------ birth


def test_first_frame_is_confirmed_at_once_and_later_births_at_second_sight() -> None:
    frames = [see((0, 0)), see((0, 0), (1, 300)), see((0, 0), (1, 300))]
    assert run(JointTracker(), frames) == [[1], [1], [1, 2]]


def test_an_empty_first_frame_confirms_nobody_later() -> None:
    assert run(JointTracker(), [NOBODY, see((0, 0)), see((0, 0))]) == [[], [], [1]]


def test_a_tentative_track_has_one_chance_and_its_identity_is_spent() -> None:
    frames = [NOBODY, see((0, 0)), NOBODY, see((0, 0)), see((0, 0))]
    tracker = JointTracker()
    assert run(tracker, frames) == [[], [], [], [], [2]]
    assert tracker.num_tracks == 1


def test_a_tentative_track_matches_by_overlap_alone() -> None:
    """Another look does not matter; a shift beyond 1 - IoU = 0.7 does."""
    assert run(JointTracker(), [NOBODY, see((0, 0)), see((1, 20))])[-1] == [1]
    assert run(JointTracker(), [NOBODY, see((0, 0)), see((0, 24))])[-1] == []


def test_identities_count_from_one_in_each_tracker() -> None:
    assert run(JointTracker(), [see((0, 0))]) == run(JointTracker(), [see((0, 0))]) == [[1]]


# ------------------------------------------------------------------------------------------ association


def test_appearance_tells_apart_who_swaps_places() -> None:
    """Two people change places within the gate: the embeddings decide; without them, the places do."""
    before, after = see((0, 0), (1, 12)), see((1, 0), (0, 12))
    assert run(JointTracker(), [before, after])[-1] == [1, 2]
    tracks = JointTracker()
    tracks.update(before)
    assert tracks.update(after).detection_index.tolist() == [1, 0]
    blind = JointTracker(TrackerOptions(use_appearance=False))
    blind.update(before)
    assert blind.update(after).detection_index.tolist() == [0, 1]


def test_without_appearance_the_gate_stays() -> None:
    blind = JointTracker(TrackerOptions(use_appearance=False))
    assert run(blind, [see((0, 0)), see((0, 300)), see((0, 300))]) == [[1], [], [2]]


def test_overlap_rescues_a_changed_look() -> None:
    tracker = JointTracker()
    assert run(tracker, [see((0, 0)), see((1, 5))]) == [[1], [1]]


def test_classes_never_match_one_another() -> None:
    frames = [see((0, 0), classes=[0]), see((0, 0), classes=[1]), see((0, 0), classes=[1])]
    tracker = JointTracker()
    assert run(tracker, frames) == [[1], [], [2]]
    tracks = tracker.update(see((0, 0), (0, 0), classes=[0, 1]))
    assert (tracks.ids.tolist(), tracks.classes.tolist(), tracks.detection_index.tolist()) == ([2, 1], [1, 0], [1, 0])


def test_detection_index_points_into_what_was_given() -> None:
    tracker = JointTracker()
    weak = Detections(see((3, 500)).boxes_xyxy, np.array([0.2], np.float32), see((3, 0)).embeddings)
    strong = see((0, 0), (1, 300))
    both = Detections(
        *(
            np.concatenate([getattr(weak, name), getattr(strong, name)])
            for name in ("boxes_xyxy", "scores", "embeddings")
        )
    )
    tracks = tracker.update(both)
    assert tracks.detection_index.tolist() == [1, 2]
    np.testing.assert_allclose(tracks.boxes_tlwh, [[100, 100, 40, 100], [400, 100, 40, 100]])


# -------------------------------------------------------------------------------------------- retirement


@pytest.mark.parametrize(("gap", "identity"), [(3, 1), (4, 1), (5, 2)])
def test_a_lost_track_is_kept_for_the_buffer_and_one_more_frame(gap: int, identity: int) -> None:
    """Last seen in frame 2, buffer 3: expires in frame 6, may still come back in frame 7, is gone in frame 8."""
    tracker = JointTracker(TrackerOptions(max_lost=3))
    run(tracker, [see((0, 0)), see((0, 0)), *[NOBODY] * gap])
    assert run(tracker, [see((0, 0)), see((0, 0))])[-1] == [identity]


@pytest.mark.parametrize(("gap", "identity"), [(3, 1), (4, 2)])
def test_a_track_that_expired_once_is_not_kept_as_lost_again(gap: int, identity: int) -> None:
    tracker = JointTracker(TrackerOptions(max_lost=3))
    run(tracker, [see((0, 0)), see((0, 0)), *[NOBODY] * gap])
    assert run(tracker, [see((0, 0))]) == [[1]]
    assert run(tracker, [NOBODY, see((0, 0)), see((0, 0))])[-1] == [identity]


def test_a_buffer_of_nothing_still_keeps_two_frames() -> None:
    """Ageing looks only at who was lost before: lost in frame 2, expired in frame 3, found in frame 4."""
    tracker = JointTracker(TrackerOptions(max_lost=0))
    assert run(tracker, [see((0, 0)), NOBODY, NOBODY, see((0, 0))])[-1] == [1]
    tracker = JointTracker(TrackerOptions(max_lost=0))
    assert run(tracker, [see((0, 0)), NOBODY, NOBODY, NOBODY, see((0, 0))])[-1] == []
    assert tracker.num_tracks == 1


def test_a_lost_track_keeps_its_height() -> None:
    tracker = JointTracker()
    for step in range(6):
        tracker.update(see((0, 0), box=(100, 100, 140, 200 + 4 * step)))
    heights = []
    for _ in range(4):
        tracker.update(NOBODY)
        heights.append(float(tracker.state_dict()["means"][0, 3]))
    assert heights[0] > 120
    assert heights[1:] == [heights[0]] * 3


def test_of_two_duplicates_the_longer_life_wins() -> None:
    """A newcomer walks into the place of a lost track: its identity goes, the lost one stays."""
    tracker = JointTracker()
    run(tracker, [see((0, 0))] * 6)
    ids = run(tracker, [see((1, shift)) for shift in (60, 40, 24, 12, 4, 0)])
    assert ids[0] == []
    assert ids[1:4] == [[2], [2], [2]]
    assert [] in ids[4:]
    assert 1 in tracker.state_dict()["ids"]


@pytest.mark.parametrize(("older", "survivor"), [("lost", "lost"), ("tracked", "tracked"), ("tie", "lost")])
def test_duplicates_by_age(older: str, survivor: str) -> None:
    """The rule alone, on a state made by hand: a tracked and a lost box at one place."""
    tracker = JointTracker()
    tracker.update(see((0, 0), (1, 0)))
    state = tracker.state_dict()
    state["states"] = np.array([1, 2])
    state["start_frames"] = {"lost": [0, -9], "tracked": [-9, 0], "tie": [0, -1]}[older]
    tracker.load_state_dict(state)
    tracker.update(see((0, 0)))
    assert tracker.state_dict()["ids"].tolist() == [{"tracked": 1, "lost": 2}[survivor]]


def test_duplicates_of_another_class_are_none() -> None:
    tracker = JointTracker()
    tracker.update(see((0, 0), (1, 0), classes=[0, 1]))
    assert tracker.update(see((0, 0), classes=[0])).ids.tolist() == [1]
    assert tracker.num_tracks == 2


# ------------------------------------------------------------------------------------ time and the camera


def test_frame_index_counts_gaps() -> None:
    tracker = JointTracker(TrackerOptions(max_lost=3))
    tracker.update(see((0, 0)), frame_index=0)
    tracker.update(NOBODY, frame_index=1)
    tracker.update(NOBODY, frame_index=5)
    tracker.update(NOBODY, frame_index=6)
    assert tracker.num_tracks == 0


def test_a_gap_is_predicted_over() -> None:
    """A walker at 8 px a frame is found again after nine dropped frames, where standing still it would not be."""
    tracker = JointTracker()
    for frame in range(1, 11):
        tracker.update(see((0, 8.0 * frame)), frame_index=frame)
    assert tracker.update(see((0, 160.0)), frame_index=20).ids.tolist() == [1]


def test_frame_index_must_grow() -> None:
    tracker = JointTracker()
    tracker.update(see((0, 0)), frame_index=4)
    assert tracker.update(see((0, 0))).ids.tolist() == [1]
    for index in (5, 3):
        with pytest.raises(ValueError, match=f"frame_index: {index} does not come after 5"):
            tracker.update(NOBODY, frame_index=index)


def test_camera_motion_carries_all_tracks_along() -> None:
    """The view jumps by 300 px with a tracked, a lost and a tentative person in it: told of it, none is mistaken."""
    jump = np.array([[1.0, 0.0, 300.0], [0.0, 1.0, 0.0]])

    def after_jump(motion: np.ndarray | None) -> list[list[int]]:
        tracker = JointTracker()
        run(tracker, [see((0, 0), (1, 200)), see((0, 0)), see((0, 0), (2, 400))])
        return [
            tracker.update(see((0, 300), (1, 500), (2, 700)), camera_motion=motion).ids.tolist(),
            tracker.update(see((0, 300), (1, 500), (2, 700))).ids.tolist(),
        ]

    assert after_jump(jump) == [[1, 3, 2], [1, 3, 2]]
    assert after_jump(None)[0] == []


def test_camera_motion_zooms() -> None:
    tracker = JointTracker()
    tracker.update(see((0, 0)))
    zoom = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    tracks = tracker.update(see((0, 0), box=(200, 200, 280, 400)), camera_motion=zoom)
    np.testing.assert_allclose(tracks.boxes_tlwh, [[200, 200, 80, 200]])


def test_a_camera_at_rest_changes_nothing() -> None:
    frames = random_frames(3, 40)
    told, untold = JointTracker(), JointTracker()
    with_motion = [told.update(frame, camera_motion=np.eye(2, 3)) for frame in frames]
    without = [untold.update(frame) for frame in frames]
    assert [tracks.ids.tolist() for tracks in with_motion] == [tracks.ids.tolist() for tracks in without]
    for one, other in zip(with_motion, without, strict=True):
        np.testing.assert_allclose(one.boxes_tlwh, other.boxes_tlwh, rtol=0, atol=1e-9)


@pytest.mark.parametrize("motion", [np.eye(3), np.full((2, 3), np.nan)])
def test_a_wrong_camera_motion_is_refused_before_anything_changes(motion: np.ndarray) -> None:
    tracker = JointTracker()
    tracker.update(see((0, 0)))
    with pytest.raises(ValueError, match="camera_motion"):
        tracker.update(see((0, 0)), camera_motion=motion)
    assert tracker.state_dict()["frame"] == 1


def test_another_embedding_dimension_is_refused() -> None:
    tracker = JointTracker()
    tracker.update(see((0, 0)))
    with pytest.raises(ValueError, match="embeddings: 3 dimensions, the tracks have 8"):
        tracker.update(Detections(np.array([BOX]), np.ones(1), np.ones((1, 3))))


# -------------------------------------------------------------------------------------------------- state


def through_npz(state: dict[str, Any]) -> Any:
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    return np.load(file, allow_pickle=False)


def through_torch(state: dict[str, Any]) -> Any:
    import torch

    file = io.BytesIO()
    torch.save({name: torch.as_tensor(value) for name, value in state.items()}, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("carry", [through_npz, through_torch])
@pytest.mark.parametrize("scene", ["street", "noisy"])
def test_saved_in_the_middle_and_continued_is_the_same(scene: str, carry) -> None:
    cache = read_cache(FIXTURES / f"tracker_{scene}.npz")
    frames = list(cache.frames())[:60]
    whole, first, second = JointTracker(), JointTracker(), JointTracker()
    expected = [whole.update(frame) for frame in frames]
    for frame in frames[:31]:
        first.update(frame)
    second.load_state_dict(carry(first.state_dict()))
    assert_same([second.update(frame) for frame in frames[31:]], expected[31:])


def test_a_state_does_not_change_with_its_tracker() -> None:
    tracker = JointTracker()
    tracker.update(see((0, 0)))
    state = tracker.state_dict()
    copies = {name: np.copy(value) for name, value in state.items()}
    other = JointTracker()
    other.load_state_dict(state)
    tracker.update(see((0, 3)))
    other.update(see((0, 9)))
    for name, value in copies.items():
        np.testing.assert_array_equal(state[name], value)


def test_a_new_tracker_saves_and_loads() -> None:
    tracker = JointTracker()
    tracker.load_state_dict(JointTracker().state_dict())
    assert run(tracker, [see((0, 0))]) == [[1]]


def test_an_incomplete_state_is_refused_and_changes_nothing() -> None:
    tracker = JointTracker()
    tracker.update(see((0, 0)))
    for name in ("frame", "time", "updates", "next_id", "means"):
        state = tracker.state_dict()
        del state[name]
        with pytest.raises(InputError, match=f"tracker state: {name} is missing"):
            tracker.load_state_dict(state)
    assert run(tracker, [see((0, 0))]) == [[1]]


# --------------------------------------------------------------------------------------------- properties


@settings(max_examples=15, deadline=None)
@given(seeds=st.tuples(st.integers(0, 999), st.integers(0, 999)), turns=st.lists(st.booleans(), max_size=50))
def test_interleaved_trackers_do_not_influence_each_other(seeds: tuple[int, int], turns: list[bool]) -> None:
    streams = [random_frames(seed, len(turns)) for seed in seeds]
    alone = []
    for stream, mine in zip(streams, (False, True), strict=True):
        tracker = JointTracker()
        alone.append([tracker.update(frame) for frame in stream[: turns.count(mine)]])
    trackers, positions, together = [JointTracker(), JointTracker()], [0, 0], ([], [])
    for turn in turns:
        together[turn].append(trackers[turn].update(streams[turn][positions[turn]]))
        positions[turn] += 1
    for one, other in zip(alone, together, strict=True):
        assert_same(one, other)


odd_numbers = st.one_of(
    st.floats(-50, 300, width=32), st.sampled_from([0.0, 1e-30, -1.0, 1e30, 100.0, float("nan"), float("inf")])
)
odd_people = st.tuples(st.tuples(*[odd_numbers] * 4), odd_numbers, st.tuples(*[odd_numbers] * 2), st.integers(0, 1))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(odd_people, max_size=4), max_size=8), st.sampled_from([{}, {"use_appearance": False}, *PARTS]))
def test_nothing_turns_into_nan(frames: list[list[Any]], parts: dict[str, Any]) -> None:
    tracker = JointTracker(TrackerOptions(max_lost=2, **parts))
    lowest = tracker._options.second.threshold if tracker._options.second else 0.4
    known: set[int] = set()
    for people in frames:
        columns = [[person[column] for person in people] for column in range(4)]
        detections = Detections(
            np.array(columns[0], np.float32).reshape(-1, 4),
            np.array(columns[1], np.float32),
            np.array(columns[2], np.float32).reshape(-1, 2),
            np.array(columns[3], np.int64),
        )
        tracks = tracker.update(detections)
        assert np.isfinite(tracks.boxes_tlwh).all()
        assert len(set(tracks.ids.tolist())) == len(tracks) == len(set(tracks.detection_index.tolist()))
        assert (tracks.scores > lowest).all()
        known |= set(tracks.ids.tolist())
    state = tracker.state_dict()
    assert all(np.isfinite(value).all() for name, value in state.items() if name != "time")
    assert known <= set(range(1, state["next_id"]))


def test_zero_embeddings_are_tracked_by_overlap() -> None:
    blank = Detections(np.array([BOX], np.float32), np.ones(1, np.float32), np.zeros((1, 8), np.float32))
    tracker = JointTracker()
    assert run(tracker, [blank, blank, see((0, 0)), blank]) == [[1]] * 4


def test_boxes_without_height_are_left_out() -> None:
    flat = see((0, 0), box=(100, 100, 140, 100))
    assert run(JointTracker(), [flat, flat, see((0, 0)), see((0, 0))]) == [[], [], [], [1]]


def test_no_detection_ever() -> None:
    tracker = JointTracker()
    assert run(tracker, [NOBODY] * 50) == [[]] * 50
    assert tracker.num_tracks == 0


def test_arguments_are_left_alone() -> None:
    frames = random_frames(5, 10)
    copies = random_frames(5, 10)
    run(JointTracker(), frames)
    for frame, copy in zip(frames, copies, strict=True):
        for name in ("boxes_xyxy", "scores", "embeddings"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(copy, name))


def test_state_stays_bounded_over_thousands_of_ever_new_people() -> None:
    """Three new people every three frames, each seen three times: the held tracks are those of the last buffer."""
    rng = np.random.default_rng(0)
    tracker = JointTracker(TrackerOptions(max_lost=10))
    most, size_early = 0, 0
    for frame in range(3000):
        if frame % 3 == 0:
            corners, looks = rng.uniform(0, 4000, (3, 2)), rng.normal(size=(3, 8))
        boxes = np.concatenate([corners, corners + np.array([40, 100])], axis=1).astype(np.float32)
        tracker.update(Detections(boxes, np.full(3, 0.9, np.float32), looks.astype(np.float32)))
        most = max(most, tracker.num_tracks)
        if frame == 300:
            size_early = most
    state = tracker.state_dict()
    assert state["next_id"] > 2900
    assert most <= 3 * (10 + 3)
    assert most <= size_early + 6
    assert all(len(value) == tracker.num_tracks for value in state.values() if np.ndim(value))

"""Rules of the tracker, its state, and invariants for arbitrary input."""

import io
from typing import Any

import numpy as np
import pytest
from helpers.locations import FIXTURES
from helpers.walkers import BOX, EMPTY, OPTION_SETS, assert_same, concat, detect, random_frames, run
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.formats.detection_cache import read_cache
from fairmot.structures.detections import Detections
from fairmot.tracking.options import GalleryOptions, SecondAssociation, TrackerOptions
from fairmot.tracking.tracker import JointTracker
from fairmot.utils.errors import InputError

# ------------------------------------------------------------------------------------------- initiation


def test_first_frame_confirms_at_once_later_frames_at_the_second_match() -> None:
    frames = [detect((0, 0)), detect((0, 0), (1, 300)), detect((0, 0), (1, 300))]
    assert run(JointTracker(), frames) == [[1], [1], [1, 2]]


def test_empty_first_frame_confirms_no_later_track() -> None:
    assert run(JointTracker(), [EMPTY, detect((0, 0)), detect((0, 0))]) == [[], [], [1]]


def test_unmatched_tentative_track_is_removed_with_its_identity() -> None:
    tracker = JointTracker()
    assert run(tracker, [EMPTY, detect((0, 0)), EMPTY, detect((0, 0)), detect((0, 0))]) == [[], [], [], [], [2]]
    assert tracker.num_tracks == 1


def test_tentative_track_is_matched_by_overlap_only() -> None:
    """Another embedding is matched; a shift beyond 1 - IoU = 0.7 is not."""
    assert run(JointTracker(), [EMPTY, detect((0, 0)), detect((1, 20))])[-1] == [1]
    assert run(JointTracker(), [EMPTY, detect((0, 0)), detect((0, 24))])[-1] == []


def test_identities_count_from_one_in_each_tracker() -> None:
    assert run(JointTracker(), [detect((0, 0))]) == run(JointTracker(), [detect((0, 0))]) == [[1]]


def test_initiation_threshold_applies_to_new_tracks_only() -> None:
    tracker = JointTracker(TrackerOptions(initiation_threshold=0.7))
    frames = [detect((0, 0)), concat(detect((0, 0), score=0.5), detect((1, 300), score=0.6))]
    assert run(tracker, frames) == [[1], [1]]
    assert tracker.num_tracks == 1


def test_masked_detections_are_matched_but_initiate_no_track() -> None:
    tracker = JointTracker()
    tracker.update(detect((0, 0)))
    for _ in range(3):
        tracks = tracker.update(detect((0, 0), (1, 300)), can_initiate=np.array([False, False]))
        assert tracks.ids.tolist() == [1]
    assert tracker.num_tracks == 1
    tracker.update(detect((0, 0), (1, 300)), can_initiate=np.array([False, True]))
    assert tracker.num_tracks == 2


def test_initiation_mask_of_another_length_is_refused() -> None:
    tracker = JointTracker()
    with pytest.raises(ValueError, match="can_initiate"):
        tracker.update(detect((0, 0)), can_initiate=np.array([True, True]))
    assert tracker.state_dict()["updates"] == 0


# ------------------------------------------------------------------------------------------ association


def test_embeddings_decide_where_two_people_swap_positions() -> None:
    """Both are within the gate; without appearance the positions decide."""
    before, after = detect((0, 0), (1, 12)), detect((1, 0), (0, 12))
    assert run(JointTracker(), [before, after])[-1] == [1, 2]
    for use_appearance, expected in ((True, [1, 0]), (False, [0, 1])):
        tracker = JointTracker(TrackerOptions(use_appearance=use_appearance))
        tracker.update(before)
        assert tracker.update(after).detection_index.tolist() == expected


def test_without_appearance_the_gate_stays() -> None:
    tracker = JointTracker(TrackerOptions(use_appearance=False))
    assert run(tracker, [detect((0, 0)), detect((0, 300)), detect((0, 300))]) == [[1], [], [2]]


def test_overlap_matches_a_changed_embedding() -> None:
    assert run(JointTracker(), [detect((0, 0)), detect((1, 5))]) == [[1], [1]]


def test_classes_are_never_matched() -> None:
    frames = [detect((0, 0), classes=[0]), detect((0, 0), classes=[1]), detect((0, 0), classes=[1])]
    tracker = JointTracker()
    assert run(tracker, frames) == [[1], [], [2]]
    tracks = tracker.update(detect((0, 0), (0, 0), classes=[0, 1]))
    assert (tracks.ids.tolist(), tracks.classes.tolist(), tracks.detection_index.tolist()) == ([2, 1], [1, 0], [1, 0])


def test_detection_index_counts_low_scores() -> None:
    tracks = JointTracker().update(concat(detect((3, 500), score=0.2), detect((0, 0), (1, 300))))
    assert tracks.detection_index.tolist() == [1, 2]
    np.testing.assert_allclose(tracks.boxes_tlwh, [[100, 100, 40, 100], [400, 100, 40, 100]])


# ---------------------------------------------------------------------------------------------- removal


@pytest.mark.parametrize(("gap", "identity"), [(3, 1), (4, 1), (5, 2)])
def test_lost_track_is_kept_for_the_buffer_and_one_frame(gap: int, identity: int) -> None:
    """Matched in frame 2, buffer 3: expires in frame 6, may be matched in frame 7, is removed in frame 8."""
    tracker = JointTracker(TrackerOptions(max_lost=3))
    run(tracker, [detect((0, 0)), detect((0, 0)), *[EMPTY] * gap])
    assert run(tracker, [detect((0, 0)), detect((0, 0))])[-1] == [identity]


@pytest.mark.parametrize(("gap", "identity"), [(3, 1), (4, 2)])
def test_expired_track_is_removed_when_lost_again(gap: int, identity: int) -> None:
    tracker = JointTracker(TrackerOptions(max_lost=3))
    run(tracker, [detect((0, 0)), detect((0, 0)), *[EMPTY] * gap])
    assert run(tracker, [detect((0, 0))]) == [[1]]
    assert run(tracker, [EMPTY, detect((0, 0)), detect((0, 0))])[-1] == [identity]


def test_buffer_of_zero_keeps_lost_tracks_for_two_frames() -> None:
    """Only tracks lost before age: lost in frame 2, expired in frame 3, matched in frame 4."""
    tracker = JointTracker(TrackerOptions(max_lost=0))
    assert run(tracker, [detect((0, 0)), EMPTY, EMPTY, detect((0, 0))])[-1] == [1]
    tracker = JointTracker(TrackerOptions(max_lost=0))
    assert run(tracker, [detect((0, 0)), EMPTY, EMPTY, EMPTY, detect((0, 0))])[-1] == []
    assert tracker.num_tracks == 1


def test_frame_gaps_age_lost_tracks() -> None:
    tracker = JointTracker(TrackerOptions(max_lost=3))
    for frame_index, frame in ((0, detect((0, 0))), (1, EMPTY), (5, EMPTY), (6, EMPTY)):
        tracker.update(frame, frame_index=frame_index)
    assert tracker.num_tracks == 0


def test_frame_gaps_are_predicted_over() -> None:
    """At 8 px per frame a track is matched after nine skipped frames, beyond the reach of a static box."""
    tracker = JointTracker()
    for frame in range(1, 11):
        tracker.update(detect((0, 8.0 * frame)), frame_index=frame)
    assert tracker.update(detect((0, 160.0)), frame_index=20).ids.tolist() == [1]


def test_frame_index_must_increase() -> None:
    tracker = JointTracker()
    tracker.update(detect((0, 0)), frame_index=4)
    assert tracker.update(detect((0, 0))).ids.tolist() == [1]
    for index in (5, 3):
        with pytest.raises(ValueError, match=f"frame_index: {index} does not come after 5"):
            tracker.update(EMPTY, frame_index=index)


def test_another_embedding_dimension_is_refused() -> None:
    tracker = JointTracker()
    tracker.update(detect((0, 0)))
    with pytest.raises(ValueError, match="embeddings: 3 dimensions, the tracks have 8"):
        tracker.update(Detections(np.array([BOX]), np.ones(1), np.ones((1, 3))))


# ------------------------------------------------------------------------------------------------ state


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


def check_continuation(frames: list[Detections], options: TrackerOptions, carry: Any) -> None:
    """A tracker that is saved after 31 frames and loaded gives the tracks of an uninterrupted one."""
    full, first, second = (JointTracker(options) for _ in range(3))
    expected = [full.update(frame, time=number / 30) for number, frame in enumerate(frames)]
    for number, frame in enumerate(frames[:31]):
        first.update(frame, time=number / 30)
    second.load_state_dict(carry(first.state_dict()))
    continued = [second.update(frame, time=number / 30) for number, frame in enumerate(frames[31:], 31)]
    assert_same(continued, expected[31:])


@pytest.mark.parametrize("carry", [through_npz, through_torch])
def test_saved_state_continues_exactly(carry: Any) -> None:
    frames = list(read_cache(FIXTURES / "tracker_street.npz").frames())[:60]
    check_continuation(frames, TrackerOptions(), carry)


@pytest.mark.parametrize("options", OPTION_SETS)
def test_saved_state_of_every_part_continues_exactly(options: dict[str, Any]) -> None:
    check_continuation(random_frames(21, 60), TrackerOptions(max_lost=5, **options), dict)


def test_state_is_a_copy() -> None:
    tracker = JointTracker()
    tracker.update(detect((0, 0)))
    state = tracker.state_dict()
    copies = {name: np.copy(value) for name, value in state.items()}
    other = JointTracker()
    other.load_state_dict(state)
    tracker.update(detect((0, 3)))
    other.update(detect((0, 9)))
    for name, value in copies.items():
        np.testing.assert_array_equal(state[name], value)


def test_new_tracker_saves_and_loads() -> None:
    tracker = JointTracker()
    tracker.load_state_dict(JointTracker().state_dict())
    assert run(tracker, [detect((0, 0))]) == [[1]]


def test_incomplete_state_is_refused_and_changes_nothing() -> None:
    tracker = JointTracker()
    tracker.update(detect((0, 0)))
    for name in ("frame", "time", "updates", "next_id", "means"):
        state = tracker.state_dict()
        del state[name]
        with pytest.raises(InputError, match=f"tracker state: {name} is missing"):
            tracker.load_state_dict(state)
    assert run(tracker, [detect((0, 0))]) == [[1]]


# ------------------------------------------------------------------------------------------- properties


@settings(max_examples=15, deadline=None)
@given(seeds=st.tuples(st.integers(0, 999), st.integers(0, 999)), turns=st.lists(st.booleans(), max_size=50))
def test_interleaved_trackers_are_independent(seeds: tuple[int, int], turns: list[bool]) -> None:
    streams = [random_frames(seed, len(turns)) for seed in seeds]
    alone = []
    for stream, own in zip(streams, (False, True), strict=True):
        tracker = JointTracker()
        alone.append([tracker.update(frame) for frame in stream[: turns.count(own)]])
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
@given(
    st.lists(st.lists(odd_people, max_size=4), max_size=8),
    st.sampled_from([{}, {"use_appearance": False}, *OPTION_SETS]),
)
def test_no_value_becomes_nan(frames: list[list[Any]], options: dict[str, Any]) -> None:
    tracker = JointTracker(TrackerOptions(max_lost=2, **options))
    lowest = options["second"].threshold if "second" in options else 0.4
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


def test_identities_are_unique() -> None:
    for options in OPTION_SETS:
        tracker = JointTracker(TrackerOptions(max_lost=3, **options))
        for frame in random_frames(5, 80, people=10):
            tracker.update(frame)
            ids = tracker.state_dict()["ids"].tolist()
            assert len(set(ids)) == len(ids)


def test_zero_embeddings_are_matched_by_overlap() -> None:
    zero = Detections(np.array([BOX], np.float32), np.ones(1, np.float32), np.zeros((1, 8), np.float32))
    assert run(JointTracker(), [zero, zero, detect((0, 0)), zero]) == [[1]] * 4


def test_boxes_without_height_are_ignored() -> None:
    flat = detect((0, 0), box=(100, 100, 140, 100))
    assert run(JointTracker(), [flat, flat, detect((0, 0)), detect((0, 0))]) == [[], [], [], [1]]


def test_arguments_are_not_changed() -> None:
    frames, copies = random_frames(5, 10), random_frames(5, 10)
    run(JointTracker(), frames)
    for frame, copy in zip(frames, copies, strict=True):
        for name in ("boxes_xyxy", "scores", "embeddings"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(copy, name))


def test_empty_frames_remove_all_tracks() -> None:
    """Ten thousand empty frames are among the slow tests (test_soak.py)."""
    tracker = JointTracker(TrackerOptions(max_lost=3, second=SecondAssociation(), gallery=GalleryOptions(100, 0.2)))
    assert run(tracker, [EMPTY] * 5) == [[]] * 5
    run(tracker, [detect((0, 0), (1, 300))] * 3)
    run(tracker, [EMPTY] * 110)
    assert tracker.num_tracks == 0
    assert len(tracker.state_dict()["gallery_ids"]) == 0
    assert run(tracker, [detect((0, 0))] * 2) == [[], [3]]


def test_thousand_detections_are_tracked() -> None:
    rng = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(np.arange(40) * 60, np.arange(25) * 130), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + np.array([40, 100])], axis=1).astype(np.float32)
    crowd = Detections(boxes, np.full(1000, 0.9, np.float32), rng.normal(size=(1000, 16)).astype(np.float32))
    tracker = JointTracker()
    assert tracker.update(crowd).ids.tolist() == list(range(1, 1001))
    assert sorted(tracker.update(crowd).ids.tolist()) == list(range(1, 1001))


def test_state_is_bounded_with_new_people_in_every_frame() -> None:
    """Three new people every three frames: the table has the tracks of the last buffer."""
    rng = np.random.default_rng(0)
    tracker = JointTracker(TrackerOptions(max_lost=10))
    sizes = []
    for frame in range(900):
        if frame % 3 == 0:
            corners, embeddings = rng.uniform(0, 4000, (3, 2)), rng.normal(size=(3, 8))
        boxes = np.concatenate([corners, corners + np.array([40, 100])], axis=1).astype(np.float32)
        tracker.update(Detections(boxes, np.full(3, 0.9, np.float32), embeddings.astype(np.float32)))
        sizes.append(tracker.num_tracks)
    state = tracker.state_dict()
    assert state["next_id"] > 870
    assert max(sizes) <= min(3 * (10 + 3), max(sizes[:300]) + 6)
    assert all(len(value) == tracker.num_tracks for value in state.values() if np.ndim(value))

from collections.abc import Iterator

import numpy as np

from fairmot.formats.motchallenge import format_results
from fairmot.structures.detections import Detections
from fairmot.structures.tracker_input import TrackerInput
from fairmot.structures.tracks import Tracks
from fairmot.tracking.run import FrameTracks, OutputFilters, apply_filters, to_table, track_sequence
from fairmot.tracking.tracker import JointTracker


def make_tracks(sizes: list[tuple[float, float]]) -> Tracks:
    count = len(sizes)
    boxes = np.concatenate([np.zeros((count, 2)), np.array(sizes).reshape(count, 2)], axis=1)
    return Tracks(np.arange(1, count + 1), boxes, np.full(count, 0.5), np.zeros(count, np.int64), np.arange(count))


def people(frames: int) -> Iterator[TrackerInput]:
    boxes = np.array([[0, 0, 40, 100], [200, 0, 240, 100], [400, 0, 600, 100]], dtype=np.float32)
    for number in range(1, frames + 1):
        embeddings = np.eye(3, dtype=np.float32)
        yield TrackerInput(number, Detections(boxes + number, np.array([0.9, 0.8, 0.7], np.float32), embeddings))


def test_filters_count_dropped_boxes() -> None:
    tracks = make_tracks([(10, 10.01), (10, 10), (32, 20), (32.1, 20), (8, 1)])
    item = apply_filters(7, tracks, OutputFilters(min_area=100.0, max_aspect=1.6))
    assert item.frame == 7
    assert item.tracks.ids.tolist() == [1, 3]
    assert (item.dropped_small, item.dropped_wide) == (2, 1)


def test_filters_at_zero_are_off() -> None:
    item = apply_filters(1, make_tracks([(1, 1), (90, 1)]), OutputFilters(min_area=0.0, max_aspect=0.0))
    assert len(item.tracks) == 2
    assert (item.dropped_small, item.dropped_wide) == (0, 0)


def test_track_sequence_is_lazy() -> None:
    consumed = []

    def inputs() -> Iterator[TrackerInput]:
        for item in people(3):
            consumed.append(item.frame)
            yield item

    stream = track_sequence(inputs(), JointTracker(), filters=OutputFilters())
    assert next(stream).frame == 1
    assert consumed == [1]


def test_table_of_all_frames_equals_tables_of_each() -> None:
    frames = list(track_sequence(people(4), JointTracker(), filters=OutputFilters()))
    table = to_table(iter(frames))
    streamed = [line for item in frames for line in format_results(to_table([item]))]
    assert streamed == list(format_results(table))
    assert [(item.dropped_small, item.dropped_wide) for item in frames] == [(0, 1)] * 4
    assert table.ids.tolist() == [1, 2] * 4
    assert table.frames.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_no_frames_give_an_empty_table() -> None:
    assert len(to_table(track_sequence([], JointTracker(), filters=OutputFilters()))) == 0


def test_class_numbers_with_one_and_several_classes() -> None:
    tracks = Tracks(np.array([4, 7]), np.ones((2, 4)), np.ones(2), np.array([1, 0]), np.arange(2))
    frames = [FrameTracks(1, tracks), FrameTracks(2, tracks)]
    assert to_table(frames, num_classes=2).classes.tolist() == [2, 1, 2, 1]
    assert to_table([], num_classes=2).classes.tolist() == []
    assert to_table(frames).classes.tolist() == [-1] * 4
    assert next(iter(format_results(to_table(frames, num_classes=2)))).endswith(",2,-1,-1\n")


def crossing(frames: int) -> Iterator[TrackerInput]:
    """Two objects of two classes with equal embeddings and sizes, whose paths cross."""
    for number in range(1, frames + 1):
        left = np.array([10.0 * number, 10.0 * (frames + 1 - number)])
        boxes = np.stack([left, np.zeros(2), left + 40, np.full(2, 60.0)], axis=1)
        order = [0, 1] if number % 2 else [1, 0]
        embeddings = np.tile(np.array([[1.0, 0.0]]), (2, 1))
        yield TrackerInput(number, Detections(boxes[order], np.full(2, 0.9), embeddings, np.array([0, 1])[order]))


def test_identities_of_two_crossing_classes_do_not_mix() -> None:
    table = to_table(track_sequence(crossing(20), JointTracker(), filters=OutputFilters()), num_classes=2)
    assert len(table) == 40
    assert {(identity, kind) for identity, kind in zip(table.ids, table.classes, strict=True)} == {(1, 1), (2, 2)}


def test_all_fields_of_the_input_reach_the_tracker() -> None:
    """Skipped frames, a shifted camera, a detection that may not initiate a track."""
    box, embedding = np.array([[0.0, 0, 40, 100]]), np.eye(1, 4)
    shift = np.array([[1.0, 0, 300], [0, 1, 0]])
    inputs = [
        TrackerInput(1, Detections(box, np.ones(1), embedding), time=0.0),
        TrackerInput(
            4, Detections(box + np.array([300, 0, 300, 0]), np.ones(1), embedding), time=0.1, camera_motion=shift
        ),
        TrackerInput(5, Detections(box, np.ones(1), embedding[:, ::-1]), time=0.2, can_initiate=np.array([False])),
    ]
    tracker = JointTracker()
    frames = list(track_sequence(inputs, tracker, filters=OutputFilters()))
    assert [(item.frame, item.tracks.ids.tolist()) for item in frames] == [(1, [1]), (4, [1]), (5, [])]
    assert frames[1].tracks.ages.tolist() == [4]
    assert (tracker.num_tracks, tracker.state_dict()["time"]) == (1, 0.2)

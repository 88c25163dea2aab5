import json

import numpy as np

from fairmot.formats.tracks_json import format_events, format_tracks
from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracks import AssociationStage, Tracks


def make_tracks():
    return Tracks(
        ids=np.array([3, 9]),
        boxes_tlwh=np.array([[1.23456, 2, 30, 40], [5, 6, 7.5, 8]]),
        scores=np.array([0.9, 0.25], np.float32),
        classes=np.array([0, 1]),
        detection_index=np.array([4, 0]),
        ages=np.array([12, 1]),
        stages=np.array([AssociationStage.SECOND, AssociationStage.INITIATION]),
        costs=np.array([0.125, np.nan]),
    )


def test_frame_is_one_line_of_plain_numbers():
    line = format_tracks("street", np.int64(7), make_tracks(), time=0.2400000001)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "sequence": "street",
        "frame": 7,
        "time": 0.24,
        "tracks": [
            {
                "id": 3, "box": [1.235, 2.0, 30.0, 40.0], "score": 0.9, "class": 0, "age": 12, "stage": "second",
                "cost": 0.125, "detection": 4,
            },
            {
                "id": 9, "box": [5.0, 6.0, 7.5, 8.0], "score": 0.25, "class": 1, "age": 1, "stage": "initiation",
                "cost": None, "detection": 0,
            },
        ],
    }  # fmt: skip


def test_frame_without_tracks_has_a_line():
    line = format_tracks("street", 1, make_tracks()[np.zeros(0, np.int64)])
    assert json.loads(line) == {"sequence": "street", "frame": 1, "time": None, "tracks": []}


def test_events_leave_out_unset_keys():
    events = [
        TrackEvent(5, "matched", 3, detection=1, stage="overlap", cost=0.12345678, score=0.5),
        TrackEvent(6, "lost", 3),
        TrackEvent(40, "removed", 3, reason="lost for longer than the buffer"),
    ]
    assert [json.loads(line) for line in format_events(events)] == [
        {
            "frame": 5,
            "event": "matched",
            "track": 3,
            "detection": 1,
            "stage": "overlap",
            "cost": 0.123457,
            "score": 0.5,
        },
        {"frame": 6, "event": "lost", "track": 3},
        {"frame": 40, "event": "removed", "track": 3, "reason": "lost for longer than the buffer"},
    ]

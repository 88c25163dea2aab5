from typing import Any

import numpy as np
import pytest
from helpers.walkers import EMPTY, OPTION_SETS, assert_same, detect, random_frames, run

from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracks import AssociationStage
from fairmot.tracking.options import GalleryOptions, TrackerOptions
from fairmot.tracking.tracker import JointTracker


def test_tracks_report_stage_cost_and_age() -> None:
    tracker = JointTracker()
    tracks = tracker.update(detect((0, 0)))
    assert (tracks.ages.tolist(), tracks.stages.tolist()) == ([1], [AssociationStage.INITIATION])
    assert np.isnan(tracks.costs).all()
    tracks = tracker.update(detect((0, 0)), frame_index=4)
    assert (tracks.ages.tolist(), tracks.stages.tolist()) == ([4], [AssociationStage.APPEARANCE])
    assert 0 <= tracks.costs[0] < 0.01
    tracks = tracker.update(detect((1, 4)))
    assert tracks.stages.tolist() == [AssociationStage.OVERLAP]
    assert tracks.costs[0] == pytest.approx(1 - 37 / 45, abs=0.02)


def test_log_of_one_track() -> None:
    events: list[TrackEvent] = []
    tracker = JointTracker(TrackerOptions(max_lost=2), log=events.extend)
    run(tracker, [EMPTY, detect((0, 0)), detect((0, 0)), EMPTY, detect((0, 0)), *[EMPTY] * 6])
    assert [(item.frame, item.event) for item in events] == [
        (2, "initiated"),
        (3, "confirmed"),
        (4, "lost"),
        (5, "recovered"),
        (6, "lost"),
        (9, "removed"),
    ]
    assert {item.track for item in events} == {1}
    assert events[1].to_dict() == {
        "frame": 3, "event": "confirmed", "track": 1, "detection": 0, "stage": "tentative",
        "cost": events[1].cost, "score": pytest.approx(0.9),
    }  # fmt: skip
    assert events[-1].to_dict() == {
        "frame": 9, "event": "removed", "track": 1, "reason": "not matched since frame 5",
    }  # fmt: skip


def test_reasons_of_removals_and_changed_identities() -> None:
    events: list[TrackEvent] = []
    tracker = JointTracker(TrackerOptions(max_lost=3, gallery=GalleryOptions(100, 0.2)), log=events.extend)
    run(tracker, [detect((0, 0)), detect((0, 0)), detect((3, 900)), *[EMPTY] * 20, *[detect((0, 500.0))] * 2])
    assert [item.reason for item in events if item.reason] == [
        "confirmed in the first frame",
        "not confirmed",
        "not matched since frame 2",
        "re-identified from the gallery; was track 3",
    ]
    events.clear()
    run(JointTracker(log=events.extend), [detect((0, 0), (1, 0)), detect((0, 0))])
    assert events[-1].reason == "duplicate of track 1"


@pytest.mark.parametrize("options", [{}, *OPTION_SETS])
def test_replayed_log_gives_the_reported_identities(options: dict[str, Any]) -> None:
    """The log does not change the tracks."""
    frames = random_frames(11, 60)
    events: list[TrackEvent] = []
    tracker_options = TrackerOptions(max_lost=5, **options)
    tracker, silent = JointTracker(tracker_options, log=events.extend), JointTracker(tracker_options)
    tracks = [tracker.update(frame) for frame in frames]
    assert_same(tracks, [silent.update(frame) for frame in frames])
    for number, item in enumerate(tracks, 1):
        of_frame = [event for event in events if event.frame == number]
        matched = {event.track for event in of_frame if event.event in ("confirmed", "matched", "recovered")}
        matched |= {event.track for event in of_frame if event.reason == "confirmed in the first frame"}
        removed = {event.track for event in of_frame if event.event == "removed"}
        assert matched - removed == set(item.ids.tolist())

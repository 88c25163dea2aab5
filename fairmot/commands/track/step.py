"""Tracking step of a pipeline; imports no torch."""

from collections.abc import Callable
from typing import Any

from fairmot.commands.track.outputs import FrameResult
from fairmot.geometry.arrays import ImageArray
from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import track_frame


def tracking_step(cfg: Any, *, frame_rate: float, event_log: bool = False) -> Callable[..., FrameResult]:
    """Return a function of a frame's tracker input and, optionally, image that updates a new tracker.

    event_log: whether the results contain the tracker's events.
    """
    events: list[TrackEvent] = []
    tracker = build_tracker(cfg, frame_rate=frame_rate, log=events.extend if event_log else None)
    filters = build_filters(cfg)

    def track(tracker_input: TrackerInput, image: ImageArray | None = None) -> FrameResult:
        events.clear()
        tracks = track_frame(tracker_input, tracker, filters=filters)
        return FrameResult(tracker_input, tracks, tuple(events), image)

    return track

"""The steps from what is seen of a frame to its tracks; without torch."""

from collections.abc import Callable
from typing import Any

from fairmot.commands.track.outputs import FrameResult
from fairmot.geometry.arrays import ImageArray
from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_filters, build_tracker
from fairmot.tracking.run import track_frame


def tracking_step(cfg: Any, *, frame_rate: float, decisions: bool = False) -> Callable[..., FrameResult]:
    """Return a step with a new tracker: an observation, and its image if there is one, to what became of it.

    decisions: whether the tracker is asked what it decided.
    """
    told: list[TrackEvent] = []
    tracker = build_tracker(cfg, frame_rate=frame_rate, log=told.extend if decisions else None)
    filters = build_filters(cfg)

    def track(seen: TrackerInput, image: ImageArray | None = None) -> FrameResult:
        told.clear()
        tracks = track_frame(seen, tracker, filters=filters)
        return FrameResult(seen, tracks, tuple(told), image)

    return track

"""Tracking of a stream of detections, filters of output boxes, and the table of results."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fairmot.structures.sequence import BoxTable
from fairmot.structures.tracker_input import TrackerInput
from fairmot.structures.tracks import Tracks
from fairmot.tracking.tracker import JointTracker


@dataclass(frozen=True)
class OutputFilters:
    """Filters of output boxes, as in the reference implementation; the tracker's state is not affected.

    min_area: largest area (px^2) that is dropped. max_aspect: largest width / height that is kept. 0 disables a filter.
    """

    min_area: float = 100.0
    max_aspect: float = 1.6


@dataclass(frozen=True)
class FrameTracks:
    """Filtered tracks of one frame and the numbers of dropped boxes; a small and wide box counts as small."""

    frame: int
    tracks: Tracks
    dropped_small: int = 0
    dropped_wide: int = 0


def track_sequence(
    inputs: Iterable[TrackerInput], tracker: JointTracker, *, filters: OutputFilters
) -> Iterator[FrameTracks]:
    """Yield the filtered tracks of each frame without delay; frame numbers ascend."""
    for frame_input in inputs:
        yield track_frame(frame_input, tracker, filters=filters)


def track_frame(frame_input: TrackerInput, tracker: JointTracker, *, filters: OutputFilters) -> FrameTracks:
    """Update `tracker` with one frame and return the filtered tracks."""
    tracks = tracker.update(
        frame_input.detections,
        frame_index=frame_input.frame,
        camera_motion=frame_input.camera_motion,
        time=frame_input.time,
        can_initiate=frame_input.can_initiate,
    )
    return apply_filters(frame_input.frame, tracks, filters)


def apply_filters(frame: int, tracks: Tracks, filters: OutputFilters) -> FrameTracks:
    """Return the tracks that pass the filters and the numbers of those that do not."""
    widths, heights = tracks.boxes_tlwh[:, 2], tracks.boxes_tlwh[:, 3]
    none = np.zeros(len(tracks), dtype=np.bool_)
    small = widths * heights <= filters.min_area if filters.min_area > 0 else none
    wide = (widths > filters.max_aspect * heights) & ~small if filters.max_aspect > 0 else none
    return FrameTracks(frame, tracks[~(small | wide)], int(small.sum()), int(wide.sum()))


def to_table(frames: Iterable[FrameTracks], *, num_classes: int = 1) -> BoxTable:
    """Return the result rows of `frames`, in their order.

    With several classes the class of a row is its index + 1, with one it is -1, as in MOTChallenge files.
    """
    frames = list(frames)
    counts = [len(item.tracks) for item in frames]
    numbers = np.concatenate([np.zeros(0, np.int64), *(item.tracks.classes + 1 for item in frames)])
    return BoxTable(
        frames=np.repeat(np.array([item.frame for item in frames], dtype=np.int64), counts),
        ids=np.concatenate([np.zeros(0, np.int64), *(item.tracks.ids for item in frames)]),
        boxes_tlwh=np.concatenate([np.zeros((0, 4)), *(item.tracks.boxes_tlwh for item in frames)]),
        confidences=np.concatenate([np.zeros(0), *(item.tracks.scores for item in frames)]),
        classes=numbers if num_classes > 1 else np.full(len(numbers), -1, dtype=np.int64),
        visibilities=np.ones(len(numbers)),
    )

"""From a stream of detections to a stream of tracks, and on to one table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from fairmot.structures.sequence import BoxTable
from fairmot.structures.tracker_input import TrackerInput
from fairmot.structures.tracks import Tracks
from fairmot.tracking.tracker import JointTracker


@dataclass(frozen=True)
class OutputFilters:
    """Which boxes are not written, as published: area (px^2) of `min_area` or less, width / height above `max_aspect`.

    0 switches a filter off. The tracker itself never sees them.
    """

    min_area: float = 100.0
    max_aspect: float = 1.6


@dataclass(frozen=True)
class FrameTracks:
    """One frame of output: its number, the tracks that passed, and how many each filter dropped.

    A box that both filters refuse counts as small.
    """

    frame: int
    tracks: Tracks
    dropped_small: int = 0
    dropped_wide: int = 0


@dataclass(frozen=True)
class SequenceTracks:
    """A whole sequence of output: all rows, how many frames were tracked, and how many rows each filter dropped."""

    table: BoxTable
    frames: int
    dropped_small: int
    dropped_wide: int


def track_sequence(
    observations: Iterable[TrackerInput], tracker: JointTracker, *, filters: OutputFilters
) -> Iterator[FrameTracks]:
    """Yield each frame's tracks as soon as its observation is there; frames ascend."""
    for seen in observations:
        yield track_frame(seen, tracker, filters=filters)


def track_frame(seen: TrackerInput, tracker: JointTracker, *, filters: OutputFilters) -> FrameTracks:
    """Update `tracker` with one frame and return what passes the filters."""
    tracks = tracker.update(
        seen.detections,
        frame_index=seen.frame,
        camera_motion=seen.camera_motion,
        time=seen.time,
        can_initiate=seen.can_initiate,
    )
    return apply_filters(seen.frame, tracks, filters)


def apply_filters(frame: int, tracks: Tracks, filters: OutputFilters) -> FrameTracks:
    """Return the tracks that pass, with the counts of those that do not."""
    widths, heights = tracks.boxes_tlwh[:, 2], tracks.boxes_tlwh[:, 3]
    nothing = np.zeros(len(tracks), dtype=np.bool_)
    small = widths * heights <= filters.min_area if filters.min_area > 0 else nothing
    wide = (widths > filters.max_aspect * heights) & ~small if filters.max_aspect > 0 else nothing
    return FrameTracks(frame, tracks[~(small | wide)], int(small.sum()), int(wide.sum()))


def to_table(frames: Iterable[FrameTracks], *, num_classes: int = 1) -> BoxTable:
    """Return result rows in the order of `frames`; one frame at a time suits a writer that flushes as it goes.

    With several classes a row has its class's number, the index + 1; with one it has -1, as MOTChallenge's files do.
    """
    kept = list(frames)
    counts = [len(item.tracks) for item in kept]
    total = sum(counts)
    numbers = np.concatenate([np.zeros(0, np.int64), *(item.tracks.classes + 1 for item in kept)])
    return BoxTable(
        frames=np.repeat(np.array([item.frame for item in kept], dtype=np.int64), counts),
        ids=np.concatenate([np.zeros(0, np.int64), *(item.tracks.ids for item in kept)]),
        boxes_tlwh=np.concatenate([np.zeros((0, 4)), *(item.tracks.boxes_tlwh for item in kept)]),
        confidences=np.concatenate([np.zeros(0), *(item.tracks.scores for item in kept)]),
        classes=numbers if num_classes > 1 else np.full(total, -1, dtype=np.int64),
        visibilities=np.ones(total),
    )


def collect_tracks(frames: Iterable[FrameTracks], *, num_classes: int = 1) -> SequenceTracks:
    """Run `frames` to its end and return the rows (see `to_table`) and counts of the whole sequence."""
    kept = list(frames)
    return SequenceTracks(
        table=to_table(kept, num_classes=num_classes),
        frames=len(kept),
        dropped_small=sum(item.dropped_small for item in kept),
        dropped_wide=sum(item.dropped_wide for item in kept),
    )

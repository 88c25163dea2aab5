"""What a tracker decided in one update, told track by track: the lines of the decision log."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.structures.track_event import Event, TrackEvent
from fairmot.structures.tracks import AssociationStage
from fairmot.tracking.track_table import TrackState, TrackTable

_SEEN_AGAIN: Mapping[int, Event] = {
    TrackState.TENTATIVE: "confirmed",
    TrackState.TRACKED: "matched",
    TrackState.LOST: "recovered",
}


class Snapshot(NamedTuple):
    """What the table said at the start of an update: (N,) identities and states."""

    ids: IntArray
    states: IntArray


def match_events(tracks: TrackTable, before: Snapshot, *, frame: int, scores: FloatArray) -> list[TrackEvent]:
    """Tell births, matches, recoveries, confirmations and losses; `scores` are the frame's detections'.

    Rows beyond those of `before` are the newborn. An identity that is not the one of before came from the gallery.
    """
    told = []
    for row, (identity, index) in enumerate(zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True)):
        known = row < len(before.ids)
        if index >= 0:
            event = _SEEN_AGAIN[int(before.states[row])] if known else "born"
            told.append(
                TrackEvent(
                    frame=frame,
                    event=event,
                    track=identity,
                    detection=index,
                    stage=AssociationStage(int(tracks.stages[row])).name.lower(),
                    cost=float(tracks.costs[row]) if known else float("nan"),
                    score=float(scores[index]),
                    note=_note(tracks, row, before),
                )
            )
        elif known and before.states[row] == TrackState.TRACKED:
            told.append(TrackEvent(frame=frame, event="lost", track=identity))
    return told


def _note(tracks: TrackTable, row: int, before: Snapshot) -> str:
    if row >= len(before.ids):
        return "confirmed at once" if tracks.states[row] == TrackState.TRACKED else ""
    if before.ids[row] != tracks.ids[row]:
        return f"was track {before.ids[row]} until here, recognised from the gallery"
    return ""


def end_events(tracks: TrackTable, ended: BoolArray, *, frame: int) -> list[TrackEvent]:
    """Tell the ends of the tracks at the mask `ended` (N,): without a second sight, or lost for too long."""
    return [
        TrackEvent(
            frame=frame,
            event="ended",
            track=int(tracks.ids[row]),
            note="no second sight"
            if tracks.states[row] == TrackState.TENTATIVE
            else f"not seen since frame {tracks.last_frames[row]}",
        )
        for row in np.flatnonzero(ended)
    ]


def duplicate_events(pairs: Sequence[tuple[int, int]], *, frame: int) -> list[TrackEvent]:
    """Tell the ends of duplicates, pairs of identities (ended, kept)."""
    return [
        TrackEvent(frame=frame, event="ended", track=ended, note=f"duplicate of track {kept}")
        for ended, kept in dict(pairs).items()
    ]

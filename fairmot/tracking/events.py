"""Event log of a tracker: one event per track and update."""

from collections.abc import Mapping
from typing import NamedTuple

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.structures.track_event import Event, TrackEvent
from fairmot.structures.tracks import AssociationStage
from fairmot.tracking.track_table import TrackState, TrackTable

_MATCHED: Mapping[int, Event] = {
    TrackState.TENTATIVE: "confirmed",
    TrackState.TRACKED: "matched",
    TrackState.LOST: "recovered",
}


class Snapshot(NamedTuple):
    """(N,) identities and states of a track table at the start of an update."""

    ids: IntArray
    states: IntArray


def match_events(tracks: TrackTable, before: Snapshot, *, frame: int, scores: FloatArray) -> list[TrackEvent]:
    """Return the initiations, matches, recoveries, confirmations and losses of an update.

    scores: of the frame's detections. Rows beyond those of `before` are new tracks. A changed identity was taken over
    from the gallery.
    """
    events = []
    for row, (identity, index) in enumerate(zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True)):
        is_new = row >= len(before.ids)
        if index >= 0:
            reason = ""
            if is_new and tracks.states[row] == TrackState.TRACKED:
                reason = "confirmed in the first frame"
            elif not is_new and before.ids[row] != identity:
                reason = f"re-identified from the gallery; was track {before.ids[row]}"
            events.append(
                TrackEvent(
                    frame=frame,
                    event="initiated" if is_new else _MATCHED[int(before.states[row])],
                    track=identity,
                    detection=index,
                    stage=AssociationStage(int(tracks.stages[row])).name.lower(),
                    cost=float("nan") if is_new else float(tracks.costs[row]),
                    score=float(scores[index]),
                    reason=reason,
                )
            )
        elif not is_new and before.states[row] == TrackState.TRACKED:
            events.append(TrackEvent(frame=frame, event="lost", track=identity))
    return events


def removal_events(tracks: TrackTable, removed: BoolArray, *, frame: int) -> list[TrackEvent]:
    """Return the removals of the tracks at the mask `removed` (N,): unconfirmed, or lost for too long."""
    reasons = [
        "not confirmed" if state == TrackState.TENTATIVE else f"not matched since frame {last}"
        for state, last in zip(tracks.states[removed], tracks.last_frames[removed], strict=True)
    ]
    removals = zip(tracks.ids[removed].tolist(), reasons, strict=True)
    return [TrackEvent(frame=frame, event="removed", track=track, reason=reason) for track, reason in removals]


def duplicate_events(dropped: IntArray, kept: IntArray, *, frame: int) -> list[TrackEvent]:
    """Return the removals of duplicates, by the identities of the dropped and the kept tracks (P,)."""
    kept_by_dropped = dict(zip(dropped.tolist(), kept.tolist(), strict=True))
    return [
        TrackEvent(frame=frame, event="removed", track=track, reason=f"duplicate of track {other}")
        for track, other in kept_by_dropped.items()
    ]

"""JSON lines of tracks and tracker events: one object per frame, or per event.

{"sequence": "street", "frame": 7, "time": 0.24, "tracks": [{"id": 3, "box": [12.5, 40.0, 31.2, 88.9], ...}]}
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracks import AssociationStage, Tracks


def format_tracks(sequence: str, frame: int, tracks: Tracks, *, time: float | None = None) -> str:
    """Return the line of one frame, also if it has no tracks.

    frame: number from 1. time: seconds since the first frame, null if unknown. Keys of a track: `id`; `box`: left, top,
    width, height in pixels; `score` of its detection; `class`: index from 0; `age`: number of frames since its first,
    inclusive; `stage`: association stage in lower case; `cost` of the match, null for an initiation; `detection`: index
    in the frame's detections.
    """
    row = {
        "sequence": sequence,
        "frame": int(frame),
        "time": None if time is None else _number(time, 6),
        "tracks": [_track(tracks, index) for index in range(len(tracks))],
    }
    return f"{json.dumps(row, allow_nan=False)}\n"


def format_events(events: Iterable[TrackEvent]) -> Iterator[str]:
    """Yield a line for each event in the given order; unset keys are left out."""
    for event in events:
        fields = event.to_dict().items()
        row = {key: _number(value, 6) if isinstance(value, float) else value for key, value in fields}
        yield f"{json.dumps(row, allow_nan=False)}\n"


def _track(tracks: Tracks, index: int) -> dict[str, Any]:
    return {
        "id": int(tracks.ids[index]),
        "box": [_number(value, 3) for value in tracks.boxes_tlwh[index]],
        "score": _number(tracks.scores[index], 6),
        "class": int(tracks.classes[index]),
        "age": int(tracks.ages[index]),
        "stage": AssociationStage(int(tracks.stages[index])).name.lower(),
        "cost": _number(tracks.costs[index], 6),
        "detection": int(tracks.detection_index[index]),
    }


def _number(value: float, digits: int) -> float | None:
    """Return a rounded number, None for NaN and infinity, which JSON does not have."""
    return round(float(value), digits) if math.isfinite(value) else None

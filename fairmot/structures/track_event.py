"""Event of one track in one frame: a line of the event log."""

from math import isnan, nan
from typing import Literal, NamedTuple

Event = Literal["initiated", "confirmed", "matched", "lost", "recovered", "removed"]


class TrackEvent(NamedTuple):
    """One event of one track.

    event: initiated (first detection), confirmed (second match of a tentative track), matched, lost (no detection in
        this frame), recovered (a match of a lost track), removed (only the gallery can restore its identity).
    detection: row in the frame's Detections, -1 for none.
    stage: association stage of the match, in lower case, "" for none.
    cost: of the match; NaN for none. score: the detection's; NaN for none.
    reason: cause of a removal, of an immediate confirmation or of a changed identity; "" otherwise.
    """

    frame: int
    event: Event
    track: int
    detection: int = -1
    stage: str = ""
    cost: float = nan
    score: float = nan
    reason: str = ""

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the fields that have a value, for one JSON line."""
        absent = {"detection": self.detection < 0, "cost": isnan(self.cost), "score": isnan(self.score)}
        return {key: value for key, value in self._asdict().items() if value != "" and not absent.get(key, False)}

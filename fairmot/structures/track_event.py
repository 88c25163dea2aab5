"""What a tracker decided about one track in one frame: a line of the decision log."""

from math import isnan, nan
from typing import Literal, NamedTuple

Event = Literal["born", "confirmed", "matched", "lost", "recovered", "ended"]


class TrackEvent(NamedTuple):
    """One event of one track.

    event: born (its first detection), confirmed (a second sight: it is reported from now on), matched, lost (no
        detection from here on), recovered (a detection after it was lost), ended (only the gallery brings it back).
    detection: row in the frame's Detections, -1 where there is none.
    stage: the step that decided, in lower case (`appearance`, `overlap`, ...), "" where none did.
    cost: of the match; NaN where there is none. score: the detection's; NaN where there is none.
    note: what else is to be known: why a track ended, whose identity it took over.
    """

    frame: int
    event: Event
    track: int
    detection: int = -1
    stage: str = ""
    cost: float = nan
    score: float = nan
    note: str = ""

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the decision without what it has not: keys of one JSON line."""
        absent = {"detection": self.detection < 0, "cost": isnan(self.cost), "score": isnan(self.score)}
        return {key: value for key, value in self._asdict().items() if value != "" and not absent.get(key, False)}

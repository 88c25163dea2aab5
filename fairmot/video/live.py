"""Options of live sources (cameras and streams), and playback of recordings in real time."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from fairmot.structures.frame import Frame
from fairmot.video.stream import ReconnectPolicy

DROP_CHOICES = ("auto", "never", "always")


@dataclass(frozen=True)
class LiveOptions:
    """Options of live sources.

    reconnect: what happens when a stream's connection is lost.
    drop: when to keep only the newest frames for a consumer that is slower than the source. `auto`: for cameras and
        streams; `never`: the consumer falls behind; `always`: for files and folders too, played in real time.

    Raises ValueError for another `drop`.
    """

    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    drop: str = "auto"

    def __post_init__(self) -> None:
        if self.drop not in DROP_CHOICES:
            raise ValueError(f"drop: unknown {self.drop!r}; choose from {', '.join(DROP_CHOICES)}")

    def drops(self, *, live: bool) -> bool:
        """Return whether frames of a source may be dropped; live: whether it is a camera or stream."""
        return self.drop == "always" or (self.drop == "auto" and live)


def play_in_real_time(
    frames: Iterable[Frame],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Frame]:
    """Yield each frame no earlier than its time after the first one. clock: monotonic, in seconds."""
    start: float | None = None
    for frame in frames:
        start = clock() if start is None else start
        wait = start + (frame.time or 0.0) - clock()
        if wait > 0:
            sleep(wait)
        yield frame

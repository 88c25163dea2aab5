"""What holds for sources that go on whether anyone looks or not: cameras and streams."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from fairmot.structures.frame import Frame
from fairmot.video.stream import ReconnectPolicy

DROP_CHOICES = ("auto", "never", "always")


@dataclass(frozen=True)
class LiveOptions:
    """How live sources are read.

    patience: with streams that break off.
    drop: whether only the newest frames are kept for a consumer that is slower than the source. `auto`: of cameras and
        streams; `never`: of none, so that they fall behind; `always`: of files and folders too, which are then played
        at their own speed, as if they were live.

    Raises ValueError for another `drop`.
    """

    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    drop: str = "auto"

    def __post_init__(self) -> None:
        if self.drop not in DROP_CHOICES:
            raise ValueError(f"drop: unknown {self.drop!r}; choose from {', '.join(DROP_CHOICES)}")

    def drops(self, *, live: bool) -> bool:
        """Return whether frames of a source that is `live` or not may be dropped."""
        return self.drop == "always" or (self.drop == "auto" and live)


def play_in_real_time(
    frames: Iterable[Frame],
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Frame]:
    """Yield frames no earlier than their times say, counted from the first one.

    clock: seconds that only grow. pause: waits so many seconds.
    """
    begin: float | None = None
    for frame in frames:
        begin = clock() if begin is None else begin
        wait = begin + (frame.time or 0.0) - clock()
        if wait > 0:
            pause(wait)
        yield frame

"""Numbers and times of a video's frames, told from the timestamps of its packets and pictures."""

import heapq
from collections import deque

_ANEW = 1.0  # s; a packet that is this much older than the one before belongs to a clock that started anew
_MOST_PENDING = 10_000  # packets remembered of a video whose pictures have no timestamps
_TRUSTED_LATE = 3  # pictures out of order that one damaged place may bring forth


class FrameTimestamps:
    """Gives each decoded picture its number, from 1, and its time, in seconds from the first frame; both only grow.

    A packet holds one frame, and pictures leave a decoder in the order of their timestamps. So a picture's number is
    the count of packets up to its own timestamp, and packets that brought no picture are the frames that were lost.

    tick: seconds of one step of a timestamp.
    spacing: seconds between frames where there is no timestamp to go by.
    counts: go by the order of the pictures alone, for containers whose timestamps are none (AVI, bare MJPEG).
    joins: the video was joined while it ran: what came before the first whole picture is not missed.

    >>> clock = FrameTimestamps(tick=0.04, spacing=0.04)
    >>> for timestamp in (0, 2, 1, 3):
    ...     clock.expect(timestamp)
    >>> clock.place(0), clock.place(1), clock.place(3), clock.lost
    ((1, 0.0), (2, 0.04), (4, 0.12), 1)
    """

    def __init__(self, *, tick: float, spacing: float, counts: bool = False, joins: bool = False) -> None:
        self.given = 0
        self._tick = tick
        self._spacing = spacing
        self._counts = counts
        self._joins = joins
        self._pending: deque[list[int]] = deque([[]])  # a heap of each clock; a stream may start a new one
        self._latest: int | None = None
        self._skipped = 0
        self._late = 0
        self._index = 0
        self._time = -spacing
        self._shift: float | None = None
        self._newest: int | None = None

    @property
    def lost(self) -> int:
        """Frames known of that brought no picture; at the end of a video call `finish` first."""
        return self._skipped

    def expect(self, timestamp: int | None) -> None:
        """Note a packet that will be decoded. One without a timestamp says nothing of what is lost."""
        if timestamp is None or self._counts:
            return
        if self._latest is not None and (self._latest - timestamp) * self._tick >= _ANEW:
            self._pending.append([])
            self._latest = timestamp
        self._latest = timestamp if self._latest is None else max(self._latest, timestamp)
        heapq.heappush(self._pending[-1], timestamp)
        if len(self._pending[-1]) > _MOST_PENDING:
            heapq.heappop(self._pending[-1])

    def fail(self, timestamp: int | None) -> None:
        """Note that decoding failed at a packet; those with timestamps are missed by themselves, later."""
        if (self._counts or timestamp is None) and (self.given or not self._joins):
            self._skipped += 1
            self._index += 1
            self._time += self._spacing

    def place(self, timestamp: int | None) -> tuple[int, float] | None:
        """Return number and time of the next picture; None for one that comes too late, after a later one.

        Pictures come late from damaged videos. Where they do so often, the timestamps are wrong, and the clock counts.
        """
        skipped = self._change_clocks(timestamp)
        if self._is_late(timestamp):
            self._late += 1
            if self._late <= _TRUSTED_LATE or self._late * 8 <= self.given:
                return None
            self._count_from_now()
        skipped += self._skip_to(timestamp)
        self._time = self._time_of(timestamp, skipped)
        self._index += 1 + skipped
        self._skipped += skipped
        self.given += 1
        return self._index, self._time

    def finish(self) -> None:
        """Count as lost what is still waited for when the video has ended."""
        self._skipped += sum(len(heap) for heap in self._pending)
        self._pending = deque([[]])

    def _change_clocks(self, timestamp: int | None) -> int:
        """Go on to the clock that a picture's timestamp is of; return how many packets are lost with the old ones."""
        skipped = 0
        while len(self._pending) > 1 and timestamp not in self._pending[0] and timestamp in self._pending[1]:
            skipped += len(self._pending.popleft())
            self._newest = self._shift = None
        return skipped

    def _is_late(self, timestamp: int | None) -> bool:
        return timestamp is not None and not self._counts and self._newest is not None and timestamp < self._newest

    def _skip_to(self, timestamp: int | None) -> int:
        """Take the packets up to `timestamp` off the list; return how many of them brought no picture."""
        if self._counts or timestamp is None:
            return 0
        skipped, heap = 0, self._pending[0]
        while heap and heap[0] <= timestamp:
            skipped += heapq.heappop(heap) < timestamp
        return 0 if self._joins and not self.given else skipped

    def _time_of(self, timestamp: int | None, skipped: int) -> float:
        following = self._time + self._spacing
        if self._counts or timestamp is None:
            self._shift = None
            return following
        self._newest = timestamp
        exact = timestamp * self._tick
        if self._shift is None:
            self._shift = following + skipped * self._spacing - exact
        if exact + self._shift <= self._time:
            self._shift = following - exact
        return exact + self._shift

    def _count_from_now(self) -> None:
        self._counts = True
        self._pending = deque([[]])

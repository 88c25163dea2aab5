"""Frames of a stream that may break off: opened again after a wait, numbers and times going on over the gap."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.reader import FrameReader
from fairmot.video.video_file import VideoReader, plural, redact_url, resize_to

LONGEST_WAIT = 30.0  # s between two attempts
_TICK = 0.001  # s between frames whose times are no later than the last one's


class Connection(FrameReader, Protocol):
    """One connection to a stream.

    live: whether it has no end, so that an end is a loss. has_clock: whether frames carry times of their own.
    ended: why it ended; None before, "" where nothing failed.
    """

    has_clock: bool
    ended: str | None


@dataclass(frozen=True)
class ReconnectPolicy:
    """How long a stream is waited for.

    attempts: to open it again, in a row; 0 for none. wait: seconds before the first, doubled each time, up to 30.
    timeout: seconds without a frame after which the connection counts as lost.

    Raises ValueError for negative attempts or wait, or a timeout that is not positive.
    """

    attempts: int = 10
    wait: float = 1.0
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if self.attempts < 0:
            raise ValueError(f"attempts: expected 0 or more, got {self.attempts}")
        if not self.wait >= 0:
            raise ValueError(f"wait: expected 0 or more seconds, got {self.wait}")
        if not self.timeout > 0:
            raise ValueError(f"timeout: expected more than 0 seconds, got {self.timeout}")

    def waits(self) -> Iterator[float]:
        """Yield the seconds before each attempt.

        >>> list(ReconnectPolicy(attempts=7).waits())
        [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        """
        wait = self.wait
        for _ in range(self.attempts):
            yield min(LONGEST_WAIT, wait)
            wait = min(LONGEST_WAIT, 2 * wait)


class StreamReader:
    """Reads one stream over as many connections as it takes; iterated once.

    target: the URL. name: what the frames' `source` begins with. patience: when a connection is lost, and what then.
    connect: opens one connection; clock: seconds that only grow; report: told in one line of each loss and return.

    A gap is measured by the clock. The numbers of the frames that should have come in it are left out, times go on,
    and neither ever goes backwards. Times of streams that tell none (MJPEG over HTTP) are those of arrival. A recording
    at a URL ends where it ends: opened again it would begin anew.
    live: whether it has no end. outages, away, lost: connections lost, seconds without one, frames missed.

    Raises InputError when the stream cannot be opened at first. When it stays away later, the frames just end.
    """

    def __init__(
        self,
        target: str,
        *,
        name: str = "",
        reconnect: ReconnectPolicy | None = None,
        connect: Callable[[], Connection] | None = None,
        clock: Callable[[], float] = time.monotonic,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name or redact_url(target)
        self.num_outages, self.offline_seconds, self.num_missed = 0, 0.0, 0
        self._policy = reconnect or ReconnectPolicy()
        self._connect = connect or (lambda: VideoReader(target, name=self.name, timeout=self._policy.timeout))
        self._clock, self._report = clock, report
        self._stopped = threading.Event()
        self._gave_up = False
        self._connection = self._connect()
        self.live, self.length = self._connection.live, self._connection.length
        self.frame_rate, self.image_hw = self._connection.frame_rate, self._connection.image_hw
        self._index, self._time = 0, 0.0
        self._begin = self._seen = clock()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the stream ends, stays away or is stopped."""
        index, start = 0, 0.0
        while True:
            for frame in self._connection:
                yield self._carry(frame, index, start)
                if self._stopped.is_set():
                    return
            if not self.live or not self._again():
                return
            index, start = self._over_the_gap()

    def _carry(self, frame: Frame, index: int, start: float) -> Frame:
        """Return a connection's frame, its number and time added to what came before."""
        arrived = self._clock()
        number = index + frame.index
        self.num_missed += number - self._index - 1
        by_arrival = self.live and not self._connection.has_clock
        seconds = arrived - self._begin if by_arrival else start + (frame.time or 0.0)
        if self._index and seconds <= self._time:
            seconds = self._time + _TICK
        self._index, self._time, self._seen = number, seconds, arrived
        return Frame(number, resize_to(frame.image, self.image_hw), f"{self.name} frame {number}", seconds)

    def _again(self) -> bool:
        """Open the stream again, waiting before each attempt; return whether it is back."""
        self.num_outages += 1
        self._connection.close()
        self._report(f"{self.name}: connection lost ({self._connection.ended or 'the stream ended'})")
        for wait in self._policy.waits():
            if self._stopped.wait(wait):
                return False
            try:
                self._connection = self._connect()
            except InputError:
                continue
            return True
        self._gave_up = True
        self._report(f"{self.name}: not back after {plural(self._policy.attempts, 'attempt')}")
        return False

    def _over_the_gap(self) -> tuple[int, float]:
        """Return what to add to the numbers and times of the new connection."""
        gap = max(0.0, self._clock() - self._seen)
        missed = max(0, round(gap * self.frame_rate) - 1)
        self.offline_seconds += gap
        self._report(f"{self.name}: back after {gap:.1f} s, about {plural(missed, 'frame')} missed")
        return self._index + missed, self._time + max(gap, 1 / self.frame_rate)

    def notes(self) -> list[str]:
        """Return a clause on each thing that went wrong so far."""
        if not self.live:
            return self._connection.notes()
        notes = []
        if self.num_outages:
            notes.append(f"connection lost {plural(self.num_outages, 'time')}, for {self.offline_seconds:.1f} s in all")
        if self.num_missed:
            notes.append(f"{plural(self.num_missed, 'frame')} missed")
        if self._gave_up:
            notes.append(f"not back after {plural(self._policy.attempts, 'attempt')}")
        return notes

    def stop(self) -> None:
        """End the frames and any waiting, from whatever thread; a read that is under way still ends by itself."""
        self._stopped.set()

    def close(self) -> None:
        """Release the connection; twice does no harm. No frame may be in the making in another thread."""
        self._connection.close()

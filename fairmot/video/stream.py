"""Frames of a stream that reconnects: numbers and times continue across lost connections."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.video_file import VideoReader, plural, redact_url, resize_to

MAX_WAIT = 30.0  # s between two attempts
_MIN_SPACING = 0.001  # s between frames whose times do not increase


@dataclass(frozen=True)
class ReconnectPolicy:
    """When and how often a lost stream is opened again.

    attempts: consecutive attempts to reconnect. wait: seconds before the first one, doubled each time, up to 30.
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
        return (min(MAX_WAIT, self.wait * 2.0 ** min(attempt, 1000)) for attempt in range(self.attempts))


class StreamReader:
    """Reads one stream over several connections; iterated once.

    target: the URL. name: prefix of the frames' `source`. reconnect: what happens when the connection is lost.
    connect: opens one connection; clock: monotonic, in seconds; report: called with one line for each loss and return.

    A gap is measured by the clock: the numbers of the frames missed in it are skipped, and times continue. Times of
    streams without timestamps (MJPEG over HTTP) are times of arrival. A recording at a URL is not opened again, because
    it would start from its beginning.
    live: whether it has no end. num_outages, offline_seconds, num_missed: lost connections, total time without one,
    frames missed.

    Raises InputError when the stream cannot be opened at first. If it does not return later, the frames end.
    """

    def __init__(
        self,
        target: str,
        *,
        name: str = "",
        reconnect: ReconnectPolicy | None = None,
        connect: Callable[[], VideoReader] | None = None,
        clock: Callable[[], float] = time.monotonic,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name or redact_url(target)
        self.num_outages, self.offline_seconds, self.num_missed = 0, 0.0, 0
        self._policy = reconnect or ReconnectPolicy()
        self._connect = connect or (lambda: VideoReader(target, name=self.name, timeout=self._policy.timeout))
        self._clock, self._report = clock, report
        self._stopped = threading.Event()
        self._failure = ""
        self._connection = self._connect()
        self.live, self.length = self._connection.live, self._connection.length
        self.frame_rate, self.image_hw = self._connection.frame_rate, self._connection.image_hw
        self._index, self._time = 0, 0.0
        self._start_time = self._last_arrival = clock()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the stream ends, does not return or is stopped."""
        first_index, first_time = 0, 0.0
        while True:
            for frame in self._connection:
                yield self._renumber(frame, first_index, first_time)
                if self._stopped.is_set():
                    return
            if not self.live or not self._reconnect():
                return
            first_index, first_time = self._measure_gap()

    def _renumber(self, frame: Frame, first_index: int, first_time: float) -> Frame:
        """Return a connection's frame with its number and time counted from the start of the stream."""
        arrival = self._clock()
        index = first_index + frame.index
        self.num_missed += index - self._index - 1
        by_arrival = self.live and not self._connection.has_timestamps
        seconds = arrival - self._start_time if by_arrival else first_time + (frame.time or 0.0)
        if self._index and seconds <= self._time:
            seconds = self._time + _MIN_SPACING
        self._index, self._time, self._last_arrival = index, seconds, arrival
        return Frame(index, resize_to(frame.image, self.image_hw), f"{self.name} frame {index}", seconds)

    def _reconnect(self) -> bool:
        """Open the stream again, waiting before each attempt; return whether that succeeded."""
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
        self._failure = f"not back after {plural(self._policy.attempts, 'attempt')}"
        self._report(f"{self.name}: {self._failure}")
        return False

    def _measure_gap(self) -> tuple[int, float]:
        """Return the offsets of the new connection's numbers and times."""
        gap = max(0.0, self._clock() - self._last_arrival)
        missed = max(0, round(gap * self.frame_rate) - 1)
        self.offline_seconds += gap
        self._report(f"{self.name}: back after {gap:.1f} s, about {plural(missed, 'frame')} missed")
        return self._index + missed, self._time + max(gap, 1 / self.frame_rate)

    def notes(self) -> list[str]:
        """Return a clause for each irregularity so far."""
        if not self.live:
            return self._connection.notes()
        notes = []
        if self.num_outages:
            times = plural(self.num_outages, "time")
            notes.append(f"connection lost {times}, for {self.offline_seconds:.1f} s in total")
        if self.num_missed:
            notes.append(f"{plural(self.num_missed, 'frame')} missed")
        return [*notes, self._failure] if self._failure else notes

    def stop(self) -> None:
        """End the frames and all waiting, from any thread; a read in progress still ends by itself."""
        self._stopped.set()

    def close(self) -> None:
        """Release the connection; may be called twice, and not while another thread reads."""
        self._connection.close()

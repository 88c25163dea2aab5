"""Numbers and times of a video's frames, from the presentation timestamps of its packets and decoded frames."""

import heapq

_RESTART_SECONDS = 1.0  # a packet this much older than the newest one belongs to a clock that was restarted
_MAX_PENDING = 10_000  # packets remembered of a video whose decoded frames have no timestamps
_MAX_DISORDER = 3  # late frames that damage may cause before the timestamps are considered wrong


class FrameTimestamps:
    """Assigns each decoded frame its number, from 1, and its time in seconds; both increase strictly.

    A packet holds one frame, and a decoder returns frames in the order of their timestamps. So a frame's number is the
    number of packets up to its timestamp, and a packet without a frame is a lost frame.

    tick: seconds of one unit of a timestamp.
    spacing: seconds between frames without timestamps.
    count_only: ignore timestamps and count frames, for containers that store none (AVI, raw MJPEG).
    is_joined: the stream was already running when it was opened; packets before its first frame are not lost frames.

    >>> timestamps = FrameTimestamps(tick=0.04, spacing=0.04)
    >>> [timestamps.add_packet(pts) for pts in (0, 2, 1, 3)]
    [0, 2, 1, 3]
    >>> timestamps.add_frame(0), timestamps.add_frame(1), timestamps.add_frame(3), timestamps.num_lost
    ((1, 0.0), (2, 0.04), (4, 0.12), 1)
    """

    def __init__(self, *, tick: float, spacing: float, count_only: bool = False, is_joined: bool = False) -> None:
        self.num_frames = self.num_lost = 0
        self._tick, self._spacing = tick, spacing
        self._count_only, self._is_joined = count_only, is_joined
        self._pending: list[int] = []  # heap of the timestamps of packets whose frames have not come out yet
        self._offset = self._num_late = self._index = 0
        self._newest_packet: int | None = None
        self._newest_frame: int | None = None
        self._time = -spacing
        self._shift: float | None = None  # seconds from timestamps to times
        self._restart: int | None = None  # first timestamp after a restart of the clock

    def add_packet(
        self, pts: int | None, dts: int | None = None, *, has_frame: bool = True, is_discarded: bool = False
    ) -> int | None:
        """Register a packet and return its timestamp on a clock that continues where the stream's clock restarts.

        dts: decoding timestamp, at most that of any later packet; is_discarded: decoded, but not part of the video.
        """
        if pts is None:
            return None
        newest = self._newest_packet
        if is_discarded:
            return pts + self._offset
        if newest is not None and (newest - pts - self._offset) * self._tick >= _RESTART_SECONDS:
            first = pts if dts is None else min(pts, dts)  # frames before the first key frame have lower timestamps
            self._offset = newest + max(1, round(self._spacing / self._tick)) - first
            self._restart = newest + 1
        pts += self._offset
        self._newest_packet = pts if newest is None else max(pts, newest)
        if has_frame and not self._count_only:
            heapq.heappush(self._pending, pts)
            if len(self._pending) > _MAX_PENDING:
                heapq.heappop(self._pending)
        return pts

    def add_failure(self, pts: int | None) -> None:
        """Register a decoding error. A packet with a timestamp is found to be lost later, by its missing frame."""
        if (self._count_only or pts is None) and (self.num_frames or not self._is_joined):
            self.num_lost += 1
            self._index += 1
            self._time += self._spacing

    def add_frame(self, pts: int | None) -> tuple[int, float] | None:
        """Return number and time of the next frame, or None for one that is older than the frame before it.

        Damaged videos have few such frames. If there are many, the timestamps are wrong and are ignored from then on.
        """
        pts = None if self._count_only else pts
        if pts is not None and self._newest_frame is not None and pts < self._newest_frame:
            self._num_late += 1
            if self._num_late <= _MAX_DISORDER or self._num_late * 8 <= self.num_frames:
                return None
            self._count_only, self._pending, pts = True, [], None
        if pts is not None and self._restart is not None and pts >= self._restart:
            self._shift = self._restart = None  # time continues by one spacing
        skipped = 0
        while pts is not None and self._pending and self._pending[0] <= pts:
            skipped += heapq.heappop(self._pending) < pts
        if self._is_joined and not self.num_frames:
            skipped = 0
        self._time = self._time_of(pts, skipped)
        self._index += 1 + skipped
        self.num_lost += skipped
        self.num_frames += 1
        return self._index, self._time

    def _time_of(self, pts: int | None, skipped: int) -> float:
        next_time = self._time + self._spacing
        if pts is None:
            self._shift = None
            return next_time
        self._newest_frame, exact = pts, pts * self._tick
        if self._shift is None:
            self._shift = next_time + skipped * self._spacing - exact
        if exact + self._shift <= self._time:
            self._shift = next_time - exact
        return exact + self._shift

    def finish(self) -> None:
        """Count the packets that are still without a frame at the end of the video as lost."""
        self.num_lost += len(self._pending)
        self._pending = []

from collections.abc import Iterator

import numpy as np
import pytest

from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.stream import ReconnectPolicy, StreamReader


class Clock:
    """Clock that a test advances."""

    now = 50.0

    def __call__(self) -> float:
        return self.now


class FakeLink:
    """Connection whose frames take 0.1 s of `clock` each, with or without timestamps."""

    frame_rate, length, ended, duration = 10.0, None, None, None

    def __init__(self, clock: Clock, indexes: list[int], *, has_timestamps: bool = True, live: bool = True) -> None:
        self.clock, self.indexes, self.has_timestamps, self.live = clock, indexes, has_timestamps, live
        self.image_hw = (4, 6)
        self.closed = 0

    def __iter__(self) -> Iterator[Frame]:
        for index in self.indexes:
            self.clock.now += 0.1
            yield Frame(index, np.zeros((*self.image_hw, 3), np.uint8), "x", (index - 1) / 10)
        self.ended = "Input/output error"

    def notes(self) -> list[str]:
        return ["irregular"]

    def stop(self) -> None:
        raise AssertionError("nothing to stop")

    def close(self) -> None:
        self.closed += 1


def stream(clock: Clock, connections: list[FakeLink | float], **options: object) -> StreamReader:
    """Reader over successive connections; a number is a failed attempt of that many seconds."""
    left = iter(connections)

    def connect() -> FakeLink:
        connection = next(left, 0.0)
        if isinstance(connection, float):
            clock.now += connection
            raise InputError("refused")
        return connection

    options = {"reconnect": ReconnectPolicy(attempts=3, wait=0.0), **options}
    return StreamReader("rtsp://x/live", name="s", connect=connect, clock=clock, **options)


def positions(frames: list[Frame]) -> list[tuple[int, float]]:
    return [(frame.index, round(frame.time, 6)) for frame in frames]


def test_numbers_and_times_continue_over_a_gap() -> None:
    clock, report = Clock(), []
    connections = [FakeLink(clock, [1, 2, 3]), 1.0, 1.1, FakeLink(clock, [1, 2, 4])]
    reader = stream(clock, connections, report=report.append)
    frames = positions(reader)
    assert frames[:3] == [(1, 0.0), (2, 0.1), (3, 0.2)]
    assert [index for index, _ in frames[3:]] == [24, 25, 27]
    assert [time for _, time in frames[3:]] == pytest.approx([2.3, 2.4, 2.6])
    assert (reader.num_outages, reader.num_missed, round(reader.offline_seconds, 2)) == (2, 21, 2.1)
    assert report == [
        "s: connection lost (Input/output error)",
        "s: back after 2.1 s, about 20 frames missed",
        "s: connection lost (Input/output error)",
        "s: not back after 3 attempts",
    ]


def test_reader_gives_up_after_consecutive_failed_attempts() -> None:
    clock, report = Clock(), []
    first, second = FakeLink(clock, [1]), FakeLink(clock, [1])
    reader = stream(clock, [first, 1.0, 1.0, second, 1.0, 1.0, 1.0, FakeLink(clock, [1])], report=report.append)
    assert len(list(reader)) == 2
    assert (first.closed, second.closed) == (1, 1)
    assert report[-1] == "s: not back after 3 attempts"
    notes = reader.notes()
    assert notes[0].startswith("connection lost 2 times, for ")
    assert notes[1:] == ["19 frames missed", "not back after 3 attempts"]


def test_zero_attempts_do_not_reconnect() -> None:
    clock = Clock()
    reader = stream(clock, [FakeLink(clock, [1]), FakeLink(clock, [1])], reconnect=ReconnectPolicy(attempts=0))
    assert len(list(reader)) == 1


def test_recording_is_not_reopened_and_keeps_its_notes() -> None:
    clock = Clock()
    reader = stream(clock, [FakeLink(clock, [1, 2], live=False), FakeLink(clock, [1])])
    assert positions(reader) == [(1, 0.0), (2, 0.1)]
    assert (reader.notes(), reader.num_outages) == (["irregular"], 0)


def test_frames_without_timestamps_get_times_of_arrival() -> None:
    clock = Clock()
    reader = stream(
        clock,
        [FakeLink(clock, [1, 2], has_timestamps=False), 0.5, FakeLink(clock, [1, 2], has_timestamps=False)],
    )
    times = [frame.time for frame, _ in zip(reader, range(4), strict=False)]
    assert times == pytest.approx([0.1, 0.2, 0.8, 0.9])


def test_frames_of_another_size_are_resized_after_a_gap() -> None:
    clock = Clock()
    second = FakeLink(clock, [1])
    second.image_hw = (8, 12)
    frames = list(stream(clock, [FakeLink(clock, [1]), second], reconnect=ReconnectPolicy(attempts=1, wait=0.0)))[:2]
    assert [frame.image_hw for frame in frames] == [(4, 6), (4, 6)]


def test_frames_missing_in_a_connection_are_counted() -> None:
    clock = Clock()
    reader = stream(clock, [FakeLink(clock, [1, 4])], reconnect=ReconnectPolicy(attempts=0))
    assert positions(reader) == [(1, 0.0), (4, 0.3)]
    assert reader.num_missed == 2


def test_stop_ends_the_wait_for_the_next_attempt() -> None:
    clock = Clock()
    reader = stream(
        clock,
        [FakeLink(clock, [1])],
        reconnect=ReconnectPolicy(attempts=1, wait=1e6),
        report=lambda _: reader.stop(),
    )
    assert len(list(reader)) == 1
    assert "not back" not in str(reader.notes())


def test_unreachable_stream_is_an_error() -> None:
    with pytest.raises(InputError, match="refused"):
        stream(Clock(), [0.0])


@pytest.mark.parametrize("wrong", [{"attempts": -1}, {"wait": -1.0}, {"wait": float("nan")}, {"timeout": 0.0}])
def test_invalid_policy_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ReconnectPolicy(**wrong)

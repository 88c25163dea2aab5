"""Streams from real servers on the loopback interface."""

import re
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.stream_servers import ImageServer, RtspServer, http_server, missing_for_rtsp

from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.live import LiveOptions
from fairmot.video.source import FrameSource, open_frames
from fairmot.video.stream import ReconnectPolicy
from fairmot.video.writer import VideoWriter

TIMEOUT = 20.0  # s
POLICY = ReconnectPolicy(attempts=9, wait=0.05, timeout=TIMEOUT)  # gives up after 26 s
ALL_FRAMES = LiveOptions(reconnect=POLICY, drop="never")


def number_of(frame: Frame) -> int:
    return round(float(frame.image.mean()) / 5)


def send(*numbers: int, hold: threading.Event | None = None) -> object:
    """Return a connection that sends these images and ends when `hold` is set."""

    def connection(client: ImageServer) -> None:
        for number in numbers:
            client.send_image(number)
        if hold is not None:
            hold.wait(TIMEOUT)

    return connection


def take(source: FrameSource, count: int) -> list[Frame]:
    return [frame for _, frame in zip(range(count), source, strict=False)]


def increase(frames: list[Frame]) -> bool:
    return all(b.index > a.index and b.time > a.time for a, b in pairwise(frames))


def video(path: Path, count: int) -> Path:
    """Write a video of `count` frames that can be streamed."""
    with VideoWriter(path, 25.0) as writer:
        for number in range(1, count + 1):
            writer.write(np.full((48, 64, 3), 5 * number, np.uint8))
    return path


class TestHttp:
    def test_video_at_a_url_is_read_to_its_end(self, tmp_path: Path) -> None:
        video(tmp_path / "street.mp4", 30)
        with http_server(tmp_path) as address, open_frames(f"{address}/street.mp4") as source:
            assert (source.live, source.length, source.frame_rate, source.image_hw) == (False, 30, 25.0, (48, 64))
            assert source.name == "127.0.0.1_street.mp4"
            frames = list(source)
            assert source.report is None
        assert [frame.index for frame in frames] == list(range(1, 31))
        assert [round(frame.time * 25) for frame in frames] == list(range(30))
        assert [number_of(frame) for frame in frames[::10]] == [1, 11, 21]

    def test_truncated_video_at_a_url_is_not_reopened(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        with VideoWriter(tmp_path / "street.mp4", 25.0) as writer:
            for _ in range(50):
                writer.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
        with http_server(tmp_path) as address, open_frames(f"{address}/half/street.mp4", live=ALL_FRAMES) as source:
            frames = list(source)
            note = source.report
        assert 0 < len(frames) < 50
        assert increase(frames)
        assert note is not None
        assert note.endswith(f"ended after {len(frames)} of the 50 frames that the container states")

    def test_missing_video_at_a_url_is_one_line(self, tmp_path: Path) -> None:
        with http_server(tmp_path) as address, pytest.raises(InputError, match="Not Found") as caught:
            open_frames(f"{address.replace('//', '//me:secret@')}/none.mp4?token=hush")
        assert "secret" not in str(caught.value)
        assert "hush" not in str(caught.value)

    def test_mjpeg_server_is_live_with_times_of_arrival(self, tmp_path: Path) -> None:
        with (
            http_server(tmp_path, send(*range(1, 13))) as address,
            open_frames(
                f"{address}/cam", live=LiveOptions(reconnect=ReconnectPolicy(attempts=0), drop="never")
            ) as source,
        ):
            assert (source.live, source.length, source.image_hw) == (True, None, (48, 64))
            frames = list(source)
            assert (
                source.report == "127.0.0.1_cam: connection lost 1 time, for 0.0 s in total; not back after 0 attempts"
            )
        assert [number_of(frame) for frame in frames] == [frame.index for frame in frames] == list(range(1, 13))
        assert frames[0].time >= 0
        assert increase(frames)

    def test_stream_is_reopened_when_the_server_is_back(self, tmp_path: Path) -> None:
        reported = []
        connections = [send(1, 2, 3), None, send(4, 5, 6), send(7, 8, 9)]
        with (
            http_server(tmp_path, *connections) as address,
            open_frames(f"{address}/cam", live=ALL_FRAMES, report=reported.append) as source,
        ):
            frames = take(source, 9)
            note = source.report
        assert [number_of(frame) for frame in frames] == list(range(1, 10))
        assert increase(frames)
        assert note is not None
        assert re.search("connection lost [23] times", note)  # the last connection may have ended
        assert [line.split(":")[0] for line in reported] == ["127.0.0.1_cam"] * len(reported)
        assert sum("back after" in line for line in reported) == 2

    def test_timeout_counts_as_lost_connection(self, tmp_path: Path) -> None:
        hold = threading.Event()
        live = LiveOptions(reconnect=ReconnectPolicy(attempts=1, wait=0.0, timeout=1.0), drop="never")
        reported = []
        with (
            http_server(tmp_path, send(*range(1, 7), hold=hold), send(*range(7, 13), hold=hold)) as address,
            open_frames(f"{address}/cam", live=live, report=reported.append) as source,
        ):
            frames = take(source, 7)
            hold.set()
        assert [number_of(frame) for frame in frames] == list(range(1, 8))
        assert reported[0] == "127.0.0.1_cam: connection lost (no data for 1 s)"
        assert increase(frames)
        assert frames[6].time - frames[5].time > 0.9
        assert frames[6].index > frames[5].index + 20  # missed frames have numbers

    def test_slow_consumer_gets_the_newest(self, tmp_path: Path) -> None:
        hold = threading.Event()
        with (
            http_server(tmp_path, send(*range(1, 51), hold=hold)) as address,
            open_frames(f"{address}/cam", live=LiveOptions(reconnect=ReconnectPolicy(attempts=0))) as source,
        ):
            first = next(iter(source))
            end = time.monotonic() + TIMEOUT
            while source.num_dropped < 40 and time.monotonic() < end:
                time.sleep(0.005)
            second = next(iter(source))
            hold.set()
        assert first.index == number_of(first)
        assert second.index == number_of(second) > 40
        assert source.report is not None
        assert f"{source.num_dropped} frames dropped to keep up" in source.report


@pytest.fixture(scope="module")
def rtsp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    if missing := missing_for_rtsp():
        pytest.skip(f"needs an RTSP server: bash scripts/install_rtsp_server.sh ({missing})")
    with RtspServer(video(tmp_path_factory.mktemp("video") / "video.mp4", 25)) as server:
        yield server


class TestRtsp:
    def test_rtsp_stream_is_live(self, rtsp: RtspServer) -> None:
        with open_frames(f"rtsp://me:secret@127.0.0.1:{rtsp.port}/live", live=ALL_FRAMES) as source:
            assert (source.live, source.length, source.frame_rate, source.image_hw) == (True, None, 25.0, (48, 64))
            assert source.name == "127.0.0.1_live"
            frames = take(source, 10)
            assert source.report is None
        assert [frame.index for frame in frames] == list(range(1, 11))
        assert [round(frame.time * 25) for frame in frames] == list(range(10))
        assert frames[0].image.max() > 200  # the ball

    def test_rtsp_video_is_read_to_its_end(self, rtsp: RtspServer) -> None:
        with open_frames(f"rtsp://127.0.0.1:{rtsp.port}/video", live=LiveOptions(reconnect=POLICY)) as source:
            assert (source.live, source.length) == (False, 25)
            frames = list(source)
            assert source.report is None
        assert [number_of(frame) for frame in frames] == [frame.index for frame in frames] == list(range(1, 26))
        assert [round(frame.time * 25) for frame in frames] == list(range(25))

    def test_restarted_rtsp_server_is_reconnected(self, rtsp: RtspServer) -> None:
        reported = []
        with open_frames(f"rtsp://127.0.0.1:{rtsp.port}/live", live=ALL_FRAMES, report=reported.append) as source:
            frames = take(source, 5)
            rtsp.kill()
            rtsp.start()
            while not any("back after" in line for line in reported):
                more = take(source, 1)
                assert more, reported
                frames += more
            frames += take(source, 10)
            note = source.report
        assert increase(frames)
        gaps = [(b.index - a.index, b.time - a.time) for a, b in pairwise(frames)]
        (index_gap, time_gap) = max(gaps)
        assert index_gap == pytest.approx(time_gap * 25, abs=1.01)
        assert index_gap > 1
        assert note is not None
        assert "connection lost 1 time, for" in note
        assert "missed" in note

    def test_slow_consumer_gets_the_newest(self, rtsp: RtspServer) -> None:
        with open_frames(f"rtsp://127.0.0.1:{rtsp.port}/live", live=LiveOptions(reconnect=POLICY)) as source:
            first = next(iter(source))
            end = time.monotonic() + TIMEOUT
            while source.num_dropped < 5 and time.monotonic() < end:
                time.sleep(0.01)
            second = next(iter(source))
        assert source.num_dropped >= 5
        assert second.index - first.index > 5
        assert (second.time - first.time) * 25 == pytest.approx(second.index - first.index, abs=0.1)

    def test_unknown_rtsp_path_is_one_line(self, rtsp: RtspServer) -> None:
        with pytest.raises(InputError, match=r"127\.0\.0\.1:\d+/none: video or stream cannot be opened \(.*404"):
            open_frames(f"rtsp://127.0.0.1:{rtsp.port}/none", live=LiveOptions(reconnect=POLICY))


def test_ffmpeg_has_the_stream_formats() -> None:
    assert {"rtsp", "mpjpeg", "hls"} <= av.formats_available

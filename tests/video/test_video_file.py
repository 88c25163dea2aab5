import struct
import threading
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers.small_videos import HW, cut, damage, make_video, number_of

from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.video_file import VideoReader


def read(path: Path) -> tuple[list[Frame], list[str]]:
    with closing(VideoReader(str(path))) as reader:
        return list(reader), reader.notes()


def spacings(frames: list[Frame]) -> list[int]:
    """Return the milliseconds between frames."""
    return [round((b.time - a.time) * 1000) for a, b in pairwise(frames)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "libx264"), ("a.ts", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_reader_of_each_container_gives_numbers_and_times(tmp_path: Path, name: str, codec: str) -> None:
    path = make_video(tmp_path / name, 40, codec=codec)
    with closing(VideoReader(str(path))) as reader:
        assert (reader.frame_rate, reader.length, reader.image_hw, reader.live) == (25.0, 40, HW, False)
        frames = list(reader)
        assert (reader.num_decoded, reader.num_lost, reader.notes()) == (40, 0, [])
    assert [frame.index for frame in frames] == [number_of(frame.image) for frame in frames] == list(range(1, 41))
    assert frames[0].time == 0
    assert spacings(frames) == [40] * 39
    assert frames[1].source == f"{path} frame 2"


def test_frames_are_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    red = np.full((*HW, 3), (200, 40, 30), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = HW
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode())
    (frame,) = read(path)[0]
    assert np.abs(frame.image.astype(int) - red).max() < 12


def test_variable_frame_rate_gives_its_times(tmp_path: Path) -> None:
    milliseconds = [0, 10, 110, 150, 900, 933]
    frames, notes = read(make_video(tmp_path / "a.mkv", 6, milliseconds=milliseconds))
    assert [round(frame.time * 1000) for frame in frames] == milliseconds
    assert [frame.index for frame in frames] == [1, 2, 3, 4, 5, 6]
    assert notes == []


def test_times_start_at_the_first_frame(tmp_path: Path) -> None:
    frames, _ = read(make_video(tmp_path / "a.mkv", 3, milliseconds=[5000, 5040, 5080]))
    assert [round(frame.time * 1000) for frame in frames] == [0, 40, 80]


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", 2, codec="ffv1", hw=(47, 63))
    frames, _ = read(path)
    assert [frame.image_hw for frame in frames] == [(47, 63)] * 2
    assert [number_of(frame.image) for frame in frames] == [1, 2]


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotated_video_is_upright_as_in_opencv(tmp_path: Path, rotation: int) -> None:
    path = make_video(tmp_path / "a.mp4", 1, rotation=rotation)
    (frame,), _ = read(path)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    expected = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    capture.release()
    assert frame.image_hw == (HW if rotation % 180 == 0 else HW[::-1])
    assert np.abs(frame.image.astype(int) - expected).max() <= 4


def test_mirrored_video_is_flipped(tmp_path: Path) -> None:
    (plain,), _ = read(make_video(tmp_path / "a.mp4", 1))
    (mirrored,), _ = read(make_video(tmp_path / "b.mp4", 1, rotation=0, flip=True))
    assert np.array_equal(mirrored.image, plain.image[:, ::-1])


def test_frames_of_another_size_are_resized_to_the_first(tmp_path: Path) -> None:
    small, large = make_video(tmp_path / "a.ts", 40), make_video(tmp_path / "b.ts", 5, hw=(96, 128))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    frames, notes = read(both)
    assert {frame.image_hw for frame in frames} == {HW}
    assert [number_of(frame.image) for frame in frames] == [*range(1, 41), *range(1, 6)]
    assert "5 frames of another size, resized to the first one's" in notes


def test_restarted_timestamps_continue(tmp_path: Path) -> None:
    part = make_video(tmp_path / "a.ts", 45, bf="0").read_bytes()
    twice = tmp_path / "twice.ts"
    twice.write_bytes(part + part)
    frames, _ = read(twice)
    assert [frame.index for frame in frames] == list(range(1, 91))
    assert min(spacings(frames)) > 0
    assert frames[-1].time == pytest.approx(89 / 25, abs=0.1)


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("a.mp4", "ended after {} of the 48 frames that the container states"),
        ("a.avi", "ended after {} of the 48 frames that the container states"),
        ("a.mkv", "ended after {:.1f} of the 1.9 s that the container states"),
    ],
)
def test_truncated_file_ends_early_with_a_note(tmp_path: Path, name: str, note: str) -> None:
    path = cut(make_video(tmp_path / name, 48, g="5"), 0.4)
    frames, notes = read(path)
    assert 3 < len(frames) < 30
    assert [number_of(frame.image) for frame in frames] == [frame.index for frame in frames]
    assert notes[-1] == note.format(len(frames) if "frames" in note else len(frames) / 25)


def test_container_with_too_low_a_frame_count_is_reported(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", 20, codec="mjpeg")
    data = bytearray(path.read_bytes())
    header = data.index(b"strh") + 8
    assert struct.unpack_from("<I", data, header + 32) == (20,)
    struct.pack_into("<I", data, header + 32, 12)
    path.write_bytes(data)
    with closing(VideoReader(str(path))) as reader:
        assert len(list(reader)) == 20
    assert reader.notes() == ["20 frames; the container states 12"]


def test_container_with_a_wrong_duration_is_reported(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", 40)
    data = path.read_bytes()
    start = data.index(b"\x44\x89\x88") + 3  # Matroska's duration, a double of milliseconds
    assert struct.unpack_from(">d", data, start) == (1600.0,)
    path.write_bytes(data[:start] + struct.pack(">d", 400.0) + data[start + 8 :])
    with closing(VideoReader(str(path))) as reader:
        assert reader.length == 10
        assert len(list(reader)) == 40
        assert reader.notes() == ["1.6 s long; the container states 0.4 s"]


def test_damaged_packets_are_skipped_and_keep_their_numbers(tmp_path: Path) -> None:
    path = damage(make_video(tmp_path / "a.mp4", 48, g="8", bf="0"), start=0.5, size=4000)
    with closing(VideoReader(str(path))) as reader:
        frames = list(reader)
        assert reader.num_lost > 0
        assert len(frames) + reader.num_lost == frames[-1].index == 48
        noun = "frame" if reader.num_lost == 1 else "frames"
        assert reader.notes() == [f"{reader.num_lost} {noun} could not be decoded"]
    intact = [frame for frame in frames if not 20 < frame.index < 36]  # not near the noise
    assert [number_of(frame.image) for frame in intact] == [frame.index for frame in intact]
    assert len(intact) >= 30
    assert spacings(intact[-5:]) == [40] * 4


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi"])
def test_destroyed_packets_leave_a_gap_and_reading_continues(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, 240, g="10", bf="0", **({"cluster_time_limit": "400"} if "mkv" in name else {}))
    frames, _ = read(damage(path, start=0.5, size=3000))
    assert 180 < len(frames) < 240
    assert number_of(frames[-1].image) == 48
    assert all(b.index > a.index and b.time > a.time for a, b in pairwise(frames))


def test_video_without_header_cannot_be_opened(tmp_path: Path) -> None:
    path = cut(make_video(tmp_path / "a.mp4", 20, movflags="0"), 0.8)
    with pytest.raises(InputError, match=r"cut\.mp4: video or stream cannot be opened \(Invalid data found"):
        VideoReader(str(path))


def test_audio_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="no video stream"):
        VideoReader(str(path))


def test_video_without_decodable_frame_is_one_line(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", 3, codec="mjpeg")
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"movi") + 4, data.rindex(b"idx1")
    start = begin
    while start + 8 <= end:
        size = struct.unpack_from("<I", data, start + 4)[0]
        data[start + 8 : start + 8 + size] = bytes(size)
        start += 8 + size + size % 2
    path.write_bytes(data)
    with pytest.raises(InputError, match="no frame can be decoded"):
        VideoReader(str(path))


@pytest.mark.parametrize("content", [None, b"not a video at all" * 100])
def test_unreadable_video_is_one_line_and_silent_on_stderr(
    tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.mp4"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"clip\.mp4: video or stream cannot be opened") as caught:
        VideoReader(str(path))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_damaged_video_is_silent_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    read(damage(make_video(tmp_path / "a.mp4", 30), start=0.5, size=2000))
    assert capfd.readouterr().err == ""


def test_file_name_with_a_colon_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_video(tmp_path / "a.mp4", 2).rename(tmp_path / "street:1.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(read(Path("street:1.mp4"))[0]) == 2


def test_error_of_a_url_hides_password_and_query() -> None:
    with pytest.raises(InputError) as caught:
        VideoReader("rtsp://me:secret@127.0.0.1:9/live?token=hush", timeout=1.0)
    assert "rtsp://127.0.0.1:9/live: video or stream cannot be opened" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_closing_early_leaves_no_thread_and_no_note(tmp_path: Path) -> None:
    before = threading.active_count()
    with closing(VideoReader(str(make_video(tmp_path / "a.mp4", 20)))) as reader:
        next(iter(reader))
        assert reader.notes() == []
    reader.close()
    assert threading.active_count() == before

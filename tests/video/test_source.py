import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers.locations import SHARED
from helpers.small_videos import make_video

from fairmot.formats.images import write_image
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.live import LiveOptions
from fairmot.video.source import find_sources, open_frames
from fairmot.video.stream import ReconnectPolicy
from fairmot.video.writer import VideoWriter


def make_image(value: int, hw: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.full((*hw, 3), value, np.uint8)


def make_images(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names, 1):
        write_image(folder / name, make_image(number * 10 % 256))
    return folder


def make_sequence(folder: Path, count: int, info: str | None = None) -> Path:
    make_images(folder / "img1", [f"{number:06d}.png" for number in range(1, count + 1)])
    if info is not None:
        (folder / "seqinfo.ini").write_text(f"[Sequence]\n{info}")
    return folder


def values(source: str | Path) -> list[tuple[int, int]]:
    with open_frames(str(source)) as frames:
        return [(frame.index, int(frame.image[0, 0, 0])) for frame in frames]


def raise_in_loop(folder: Path) -> None:
    with open_frames(str(folder)) as source:
        for frame in source:
            raise KeyError(frame.index)


class TestFolders:
    def test_sequence_gives_name_rate_and_frames_from_1(self, tmp_path: Path) -> None:
        folder = make_sequence(tmp_path / "S", 3, "name=Street\nframeRate=14\nseqLength=3\n")
        with open_frames(str(folder)) as source:
            assert (source.name, source.frame_rate, source.length, source.image_hw) == ("Street", 14.0, 3, (24, 32))
            assert source.report is None
            frames = list(source)
        assert [frame.index for frame in frames] == [1, 2, 3]
        assert [frame.image[0, 0, 0] for frame in frames] == [10, 20, 30]
        assert frames[1].source.endswith("img1/000002.png")
        assert [frame.time for frame in frames] == [0, 1 / 14, 2 / 14]

    @pytest.mark.parametrize("stated", [2, 9])
    def test_images_on_disk_decide_the_length(self, tmp_path: Path, stated: int) -> None:
        folder = make_sequence(tmp_path / "S", 3, f"seqLength={stated}\n")
        with open_frames(str(folder)) as source:
            assert source.length == 3
            assert source.report is not None
            assert "3 images" in source.report
            assert f"states {stated}" in source.report
            assert len(list(source)) == 3

    def test_sequence_without_seqinfo_has_defaults(self, tmp_path: Path) -> None:
        with open_frames(str(make_sequence(tmp_path / "S", 2))) as source:
            assert (source.name, source.frame_rate, source.length) == ("S", 30.0, 2)

    def test_image_folder_named_by_seqinfo_is_read(self, tmp_path: Path) -> None:
        make_images(tmp_path / "S" / "frames", ["a.png", "b.png"])
        (tmp_path / "S" / "seqinfo.ini").write_text("[Sequence]\nimDir=frames\nseqLength=2\nframeRate=0\n")
        with open_frames(str(tmp_path / "S")) as source:
            assert (source.length, source.frame_rate) == (2, 30.0)

    def test_image_folder_is_in_natural_name_order(self, tmp_path: Path) -> None:
        folder = make_images(tmp_path / "images", ["f10.png", "f2.png", "f1.png", ".f0.png"])
        assert values(folder) == [(1, 30), (2, 20), (3, 10)]
        with open_frames(str(folder)) as source:
            assert source.name == "images"

    def test_broken_image_is_one_line_with_its_name(self, tmp_path: Path) -> None:
        folder = make_sequence(tmp_path / "S", 3)
        (folder / "img1" / "000002.png").write_bytes(b"nothing")
        with pytest.raises(InputError, match=r"000002\.png") as caught:
            values(folder)
        assert "\n" not in str(caught.value)

    def test_empty_folder_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no images"):
            open_frames(str(tmp_path))


class TestVideos:
    def test_video_keeps_its_rate_and_size(self, tmp_path: Path) -> None:
        path = tmp_path / "street.view.mp4"
        with VideoWriter(path, 12.5) as writer:
            for number in range(4):
                writer.write(make_image(40 * number, (48, 64)))
        with open_frames(str(path)) as source:
            assert (source.name, source.frame_rate, source.length, source.image_hw) == (
                "street.view",
                12.5,
                4,
                (48, 64),
            )
            frames = list(source)
        assert [frame.index for frame in frames] == [1, 2, 3, 4]
        assert frames[3].source == "street.view frame 4"
        assert [round(frame.time * 12.5, 6) for frame in frames] == [0, 1, 2, 3]
        assert abs(int(frames[3].image.mean()) - 120) < 6
        assert source.report is None

    @pytest.mark.parametrize("name", ["frame.png", "gt.txt"])
    def test_file_that_is_no_video_is_one_line(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"1,2,3\n" * 50)
        with pytest.raises(InputError, match="not a video"):
            open_frames(str(tmp_path / name))

    def test_missing_source_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such folder or file"):
            open_frames(str(tmp_path / "nowhere.mp4"))


class FakeReader:
    """Camera or stream of two frames."""

    frame_rate, length, image_hw, live = 30.0, None, (24, 32), True
    made: ClassVar[list[object]] = []

    def __init__(self, target: str | int, **options: object) -> None:
        self.name = options["name"]
        self.made.append((target, options))

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(1, make_image(1))
        yield Frame(4, make_image(2))

    def notes(self) -> list[str]:
        return ["2 frames missed", "away"]

    def stop(self) -> None:
        self.made.append("stopped")

    def close(self) -> None:
        self.made.append("closed")


class TestCamerasAndStreams:
    @pytest.mark.parametrize(
        ("source", "target", "name"),
        [
            ("0", 0, "camera0"),
            (
                "rtsp://me:secret@cam.local:554/live/1?x=2",
                "rtsp://me:secret@cam.local:554/live/1?x=2",
                "cam.local_live_1",
            ),
        ],
    )
    def test_address_selects_the_reader(
        self, monkeypatch: pytest.MonkeyPatch, source: str, target: str | int, name: str
    ) -> None:
        monkeypatch.setattr("fairmot.video.source.CameraReader", FakeReader)
        monkeypatch.setattr("fairmot.video.source.StreamReader", FakeReader)
        monkeypatch.setattr(FakeReader, "made", [])
        policy = ReconnectPolicy(attempts=2)
        with open_frames(source, live=LiveOptions(reconnect=policy, drop="never")) as frames:
            assert (frames.name, frames.length, frames.image_hw, frames.live) == (name, None, (24, 32), True)
            assert [frame.index for frame in frames] == [1, 4]
        assert frames.report == f"{name}: 2 frames missed; away"
        (opened, options), *rest = FakeReader.made
        assert (opened, options["name"]) == (target, name)
        assert options.get("reconnect", policy) == policy
        assert sorted(rest) == ["closed", "stopped"]


def test_slow_consumer_of_a_real_time_file_gets_the_newest(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "S", 30, "frameRate=500\nseqLength=30\n")
    with open_frames(str(folder), live=LiveOptions(drop="always")) as source:
        first = next(iter(source))
        while source.num_dropped < 20:
            time.sleep(0.005)
        rest = list(source)
    assert rest[0].index > first.index
    assert rest[0].index > 20
    assert rest[-1].index == 30
    assert 1 + len(rest) + source.num_dropped == 30
    assert source.report == f"S: {source.num_dropped} frames dropped to keep up"


def test_stop_ends_the_frames(tmp_path: Path) -> None:
    with open_frames(str(make_sequence(tmp_path / "S", 3))) as source:
        assert next(iter(source)).index == 1
        source.stop()
        assert list(source) == []


class TestFindSources:
    def test_folder_of_sequences_gives_each_by_name(self, tmp_path: Path) -> None:
        for name in ("b", "a"):
            make_sequence(tmp_path / name, 1)
        (tmp_path / "notes").mkdir()
        assert find_sources(str(tmp_path)) == [str(tmp_path / "a"), str(tmp_path / "b")]

    def test_other_sources_are_returned_unchanged(self, tmp_path: Path) -> None:
        sequence = make_sequence(tmp_path / "S", 1)
        images = make_images(tmp_path / "images", ["1.png"])
        clip = tmp_path / "clip.mp4"
        clip.touch()
        for source in ("0", "rtsp://host/x", str(clip), str(sequence), str(images)):
            assert find_sources(source) == [source]

    def test_folders_named_by_digits_are_no_cameras(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("0001", "0002"):
            make_sequence(tmp_path / name, 1)
        monkeypatch.chdir(tmp_path)
        assert find_sources(".") == ["./0001", "./0002"]
        assert find_sources(Path("0002")) == ["./0002"]
        assert find_sources("0002") == ["0002"]  # a camera
        with open_frames(find_sources(Path("0002"))[0]) as source:
            assert (source.name, source.length) == ("0002", 1)

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("nowhere.mp4", "no such folder or file"),
            ("x" * 300, "File name too long"),
        ],
    )
    def test_unreadable_source_is_one_line(self, source: str, message: str) -> None:
        for function in (find_sources, open_frames):
            with pytest.raises(InputError, match=message):
                function(source)

    def test_invalid_url_is_one_line(self) -> None:
        with pytest.raises(InputError, match="Invalid IPv6 URL"):
            open_frames("rtsp://[::1/x")

    def test_folder_without_images_is_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no images and no MOTChallenge sequences"):
            find_sources(str(tmp_path))


def test_consumer_that_stops_or_raises_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    folder = make_sequence(tmp_path / "S", 6)
    with open_frames(str(folder)) as source:
        next(iter(source))
    with pytest.raises(KeyError):
        raise_in_loop(folder)
    with open_frames(str(make_video(tmp_path / "a.avi", 6, codec="mjpeg"))) as source:
        next(iter(source))
    source.close()
    assert threading.active_count() == before


@pytest.mark.dataset
def test_real_sequences_are_read() -> None:
    root = SHARED / "data" / "mot17-half" / "val"
    if not root.is_dir():
        pytest.skip("needs the real frames of shared/data/mot17-half next to the repository")
    names = []
    for source in find_sources(str(root)):
        with open_frames(source) as frames:
            assert (frames.length, frames.frame_rate, frames.image_hw, frames.report) == (120, 30.0, (540, 960), None)
            assert next(iter(frames)).image.mean() > 10
            names.append(frames.name)
    assert names == ["MOT17-02-val", "MOT17-04-val", "MOT17-11-val"]

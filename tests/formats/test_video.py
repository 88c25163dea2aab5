from pathlib import Path

import cv2
import numpy as np
import pytest

from fairmot.formats.video import VideoReader, VideoWriter
from fairmot.utils.errors import InputError

RED, GREEN = (200, 40, 30), (30, 190, 60)


def plain(colour: tuple[int, int, int], hw: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*hw, 3), colour, np.uint8)


def write(path: Path, images: list[np.ndarray], frame_rate: float = 25.0) -> Path:
    with VideoWriter(path, frame_rate) as writer:
        for image in images:
            writer.write(image)
    return path


def test_what_is_written_reads_back_in_rgb_with_its_rate_size_and_length(tmp_path: Path) -> None:
    path = write(tmp_path / "deep" / "clip.mp4", [plain(RED)] * 5 + [plain(GREEN)] * 7)
    with VideoReader(str(path)) as reader:
        assert (reader.frame_rate, reader.length, reader.image_hw) == (25.0, 12, (48, 64))
        images = list(reader)
    assert reader.decoded == len(images) == 12
    assert np.abs(images[0].astype(int) - plain(RED)).max() < 12
    assert np.abs(images[-1].astype(int) - plain(GREEN)).max() < 12
    assert images[0].dtype == np.uint8


def test_odd_sides_gain_a_pixel(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.mp4", [plain(RED, (47, 63))] * 2)
    with VideoReader(str(path)) as reader:
        assert reader.image_hw == (48, 64)


def test_the_file_appears_only_when_the_block_succeeds(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", [plain(RED)])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="expected shape"):
        write(path, [plain(GREEN), np.zeros((48, 64), np.uint8)])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


def test_no_frame_leaves_no_file(tmp_path: Path) -> None:
    write(tmp_path / "clip.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(24, 32\) in a video of \(48, 64\)"):
        write(tmp_path / "clip.mp4", [plain(RED), plain(RED, (24, 32))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "rate", "word"), [("clip.avi", 25.0, ".mp4"), ("clip.mp4", 0.0, "frame rate")])
def test_what_cannot_be_written_is_one_line(tmp_path: Path, name: str, rate: float, word: str) -> None:
    with pytest.raises(InputError, match=word):
        VideoWriter(tmp_path / name, rate)


def test_a_codec_that_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2.VideoWriter, "fourcc", lambda *_: 0)
    with pytest.raises(InputError, match="cannot be written as a video"):
        write(tmp_path / "clip.mp4", [plain(RED, (0, 0))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"not a video at all" * 100])
def test_what_cannot_be_opened_is_one_line_and_nothing_else_on_stderr(
    tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.mp4"
    if content:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"clip\.mp4: video or stream cannot be opened"):
        VideoReader(str(path))
    assert capfd.readouterr().err == ""


def test_a_missing_camera_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="camera 93 cannot be opened"):
        VideoReader(93)
    assert capfd.readouterr().err == ""


class FakeCamera:
    """Stands in for a device: no length, no rate and no size until the first frame; it gives two frames."""

    def __init__(self, *_: object) -> None:
        self.left, self.settings = 2, {}

    def isOpened(self) -> bool:
        return True

    def get(self, key: int) -> float:
        return {cv2.CAP_PROP_FPS: float("nan"), cv2.CAP_PROP_FRAME_COUNT: -1.0}.get(key, 0.0)

    def set(self, key: int, value: float) -> bool:
        self.settings[key] = value
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, plain((1, 2, 3))) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.left = 0


def test_a_camera_has_no_length_and_a_default_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    with VideoReader(0) as camera:
        assert (camera.length, camera.frame_rate, camera.image_hw) == (None, 30.0, None)
        images = list(camera)
    assert [tuple(image[0, 0]) for image in images] == [(3, 2, 1)] * 2

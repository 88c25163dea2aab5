import cv2
import numpy as np
import pytest

from fairmot.utils.errors import InputError
from fairmot.video.camera import CameraReader


class FakeCamera:
    """Camera of unknown frame rate with two blue BGR images."""

    frames = 2

    def __init__(self, *_: object) -> None:
        self.left, self.settings = self.frames, {}

    def isOpened(self) -> bool:
        return True

    def get(self, key: int) -> float:
        return float("nan") if key == cv2.CAP_PROP_FPS else 0.0

    def set(self, key: int, value: float) -> bool:
        self.settings[key] = value
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, np.full((48, 64, 3), (250, 2, 3), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.left = 0


def test_camera_gives_rgb_frames_with_times_of_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    seconds = iter([100.0, 100.5])
    camera = CameraReader(0, clock=lambda: next(seconds))
    assert (camera.length, camera.frame_rate, camera.image_hw, camera.live) == (None, 30.0, (48, 64), True)
    assert camera.notes() == []
    frames = list(camera)
    assert [(frame.index, frame.time, frame.source) for frame in frames] == [
        (1, 0.0, "camera0 frame 1"),
        (2, 0.5, "camera0 frame 2"),
    ]
    assert [tuple(frame.image[0, 0]) for frame in frames] == [(3, 2, 250)] * 2
    assert camera.notes() == ["returned no more frames"]
    camera.close()
    camera.close()


def test_camera_without_frames_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", type("Dark", (FakeCamera,), {"frames": 0}))
    with pytest.raises(InputError, match="camera 0 returns no frame"):
        CameraReader(0)


def test_missing_camera_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="camera 93 cannot be opened"):
        CameraReader(93)
    assert capfd.readouterr().err == ""

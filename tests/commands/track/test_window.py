import cv2
import numpy as np
import pytest

from fairmot.commands.track.window import PreviewWindow


@pytest.fixture
def qt(monkeypatch):
    """OpenCV with Qt, which raises for every call after its last window was closed."""
    windows = []

    def ask(*_):
        if not windows:
            raise cv2.error("NULL guiReceiver (please create a window)")
        return 1.0

    monkeypatch.setattr(cv2, "namedWindow", lambda title, *_: windows.append(title))
    monkeypatch.setattr(cv2, "resizeWindow", ask)
    monkeypatch.setattr(cv2, "getWindowProperty", ask)
    monkeypatch.setattr(cv2, "imshow", ask)
    monkeypatch.setattr(cv2, "waitKey", lambda _: -1)
    monkeypatch.setattr(cv2, "destroyWindow", lambda title: ask() and windows.remove(title))
    return windows


def test_window_closed_by_the_user_returns_false(qt):
    image = np.zeros((8, 8, 3), np.uint8)
    with PreviewWindow("title") as window:
        assert window.show(image)
        assert window.show(image)
        qt.clear()
        assert not window.show(image)
        assert not window.show(image)
        assert qt == []


def test_window_is_closed_at_the_end_of_the_block(qt):
    with PreviewWindow("title") as window:
        assert window.show(np.zeros((8, 8, 3), np.uint8))
        assert qt == ["title"]
    assert qt == []
    with PreviewWindow("never shown"):
        pass


def test_image_is_shown_as_bgr_until_the_window_is_invisible(qt, monkeypatch):
    image, shown = np.arange(192, dtype=np.uint8).reshape(8, 8, 3), []
    monkeypatch.setattr(cv2, "imshow", lambda _, pixels: shown.append(pixels))
    with PreviewWindow("title") as window:
        assert window.show(image)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 0.0)
        assert not window.show(image)
    np.testing.assert_array_equal(shown, [image[..., ::-1]])

import cv2
import numpy as np
import pytest

from fairmot.commands.track.window import PreviewWindow


@pytest.fixture
def qt(monkeypatch):
    """Stands in for OpenCV's Qt, which raises for whatever is asked once its last window was closed."""
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


def test_a_window_that_the_user_closes_ends_the_run_and_nothing_fails(qt):
    image = np.zeros((8, 8, 3), np.uint8)
    with PreviewWindow("title") as window:
        assert window.show(image)
        assert window.show(image)
        qt.clear()
        assert not window.show(image)
        assert not window.show(image)
        assert qt == []


def test_a_window_goes_with_its_run(qt):
    with PreviewWindow("title") as window:
        assert window.show(np.zeros((8, 8, 3), np.uint8))
        assert qt == ["title"]
    assert qt == []
    with PreviewWindow("never shown"):
        pass

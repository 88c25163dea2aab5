"""Preview window of tracked frames, through OpenCV."""

import subprocess
import sys
from contextlib import suppress
from typing import Self

import cv2

from fairmot.geometry.arrays import ImageArray
from fairmot.utils.errors import InputError

QUIT_KEYS = (ord("q"), 27)  # 27: Esc
_MAX_SIDE = 1280  # px, longer side of a new window
_TRIAL = "import cv2; cv2.namedWindow('trial'); cv2.waitKey(1); cv2.destroyAllWindows()"
_TIMEOUT = 60.0  # s


def require_screen() -> None:
    """Raise InputError if no window can be opened.

    The test runs in its own process, because toolkits terminate the process if there is no screen.
    """
    try:
        trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise InputError("--show: the screen does not respond") from None
    if trial.returncode:
        raise InputError("--show: no window can be opened: no screen (DISPLAY), or OpenCV without window support")


class PreviewWindow:
    """Window of a run; a context manager. It opens with the first frame and stays open for the next sequence."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._is_open = False

    def show(self, image: ImageArray) -> bool:
        """Show an image, (H, W, 3) RGB uint8; return False after q, Esc or closing the window."""
        if not self._is_open:
            self._open(image.shape[0], image.shape[1])
        elif not self._is_visible():
            return False
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return (cv2.waitKey(1) & 0xFF) not in QUIT_KEYS

    def _open(self, height: int, width: int) -> None:
        scale = min(1.0, _MAX_SIDE / max(height, width))
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(self._title, max(1, round(width * scale)), max(1, round(height * scale)))
        self._is_open = True

    def _is_visible(self) -> bool:
        """Return whether the window is still open; OpenCV with Qt raises after the last window was closed."""
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_open:
            with suppress(cv2.error):  # closed by the user
                cv2.destroyWindow(self._title)

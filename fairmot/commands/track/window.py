"""A window that shows frames as they are tracked, through OpenCV."""

import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

import cv2

from fairmot.geometry.arrays import ImageArray
from fairmot.utils.errors import InputError

QUIT_KEYS = (ord("q"), 27)  # Esc
_LARGEST = 1280  # pixels, the longer side that a window opens with
_TRIAL = "import cv2; cv2.namedWindow('trial'); cv2.waitKey(1); cv2.destroyAllWindows()"
_PATIENCE = 60.0  # seconds


def require_screen() -> None:
    """Raise InputError where no window can be opened.

    It is tried in a process of its own: toolkits end the process that asks where there is no screen.
    """
    try:
        trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise InputError("--show: the screen does not answer") from None
    if trial.returncode:
        raise InputError("--show: no window can be opened here: no screen (DISPLAY), or an OpenCV without windows")


class PreviewWindow:
    """One window of a run; a context manager. It opens with the first frame, and stays for the next sequence."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._is_open = False

    def show(self, image: ImageArray) -> bool:
        """Show a frame, (H, W, 3) RGB uint8; False when the user wants to end: q, Esc, or the window closed."""
        if not self._is_open:
            self._open(image.shape[0], image.shape[1])
        elif not self._is_there():
            return False
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return (cv2.waitKey(1) & 0xFF) not in QUIT_KEYS

    def _open(self, height: int, width: int) -> None:
        scale = min(1.0, _LARGEST / max(height, width))
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(self._title, max(1, round(width * scale)), max(1, round(height * scale)))
        self._is_open = True

    def _is_there(self) -> bool:
        """Tell whether the window that was opened still is; OpenCV's Qt knows no windows once the last was closed."""
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open:
            with suppress(cv2.error):  # the user closed it
                cv2.destroyWindow(self._title)

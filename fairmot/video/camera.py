"""Frames of a camera at this machine, through OpenCV."""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from fairmot.geometry.arrays import ImageArray
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.reader import DEFAULT_FRAME_RATE


class CameraReader:
    """Reads one camera until it stops giving frames; iterated once. Times are those of arrival.

    index: which camera, from 0. name: what the frames' `source` begins with. clock: seconds that only grow.

    frame_rate: what the driver tells, 30 where it tells nothing. length: None. image_hw: of the first frame.

    Raises InputError when there is no such camera, or it gives no frame.
    """

    live = True

    def __init__(self, index: int, *, name: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name or f"camera{index}"
        self.length: int | None = None
        self._clock = clock
        with _quiet():
            self._capture = cv2.VideoCapture(index, cv2.CAP_ANY)
        if not self._capture.isOpened():
            raise InputError(f"camera {index} cannot be opened")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.frame_rate = rate if math.isfinite(rate) and rate > 0 else DEFAULT_FRAME_RATE
        self._ended = False
        first = self._read()
        if first is None:
            self.close()
            raise InputError(f"camera {index} gives no frame")
        self._first, self._started = first, clock()
        self.image_hw = first.shape[0], first.shape[1]

    def _read(self) -> ImageArray | None:
        done, image = self._capture.read()
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8) if done else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they come."""
        image, time, index = self._first, 0.0, 1
        while True:
            yield Frame(index, image, f"{self.name} frame {index}", time)
            following = self._read()
            if following is None:
                self._ended = True
                return
            image, time, index = following, self._clock() - self._started, index + 1

    def notes(self) -> list[str]:
        """Return a clause on each thing that went wrong so far."""
        return ["stopped giving frames"] if self._ended else []

    def stop(self) -> None:
        """Nothing is waited for here but the next frame."""

    def close(self) -> None:
        """Release the camera; twice does no harm."""
        self._capture.release()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV's own messages off stderr: the caller gets one line instead."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)

"""Frames of a local camera, read through OpenCV."""

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
    """Reads one camera until it returns no more frames; iterated once. Frame times are times of arrival.

    index: of the camera, from 0. name: prefix of the frames' `source`. clock: monotonic, in seconds.
    frame_rate: the driver's, 30 if unknown. length: None. image_hw: of the first frame.

    Raises InputError when there is no such camera or it returns no frame.
    """

    live = True

    def __init__(self, index: int, *, name: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name or f"camera{index}"
        self.length: int | None = None
        self._clock = clock
        with _silent_opencv():
            self._capture = cv2.VideoCapture(index, cv2.CAP_ANY)
        if not self._capture.isOpened():
            raise InputError(f"camera {index} cannot be opened")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.frame_rate = rate if math.isfinite(rate) and rate > 0 else DEFAULT_FRAME_RATE
        self._has_ended = False
        first = self._read()
        if first is None:
            self.close()
            raise InputError(f"camera {index} returns no frame")
        self._first, self._start_time = first, clock()
        self.image_hw = first.shape[0], first.shape[1]

    def _read(self) -> ImageArray | None:
        success, image = self._capture.read()
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8) if success else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as they arrive."""
        image: ImageArray | None = self._first
        index, seconds = 1, 0.0
        while image is not None:
            yield Frame(index, image, f"{self.name} frame {index}", seconds)
            image = self._read()
            index, seconds = index + 1, self._clock() - self._start_time if image is not None else 0.0
        self._has_ended = True

    def notes(self) -> list[str]:
        """Return a clause for each irregularity so far."""
        return ["returned no more frames"] if self._has_ended else []

    def stop(self) -> None:
        """Do nothing: only the next frame is waited for."""

    def close(self) -> None:
        """Release the camera; may be called twice."""
        self._capture.release()


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """Suppress OpenCV's own messages on stderr; the caller raises an error of one line instead."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)

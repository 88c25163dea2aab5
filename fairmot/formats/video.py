"""Video in and out through OpenCV's FFmpeg: RGB frames of a file, camera or stream; annotated frames to an mp4."""

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from fairmot.formats.atomic import replacing
from fairmot.geometry.arrays import ImageArray, require_shape
from fairmot.utils.errors import InputError

DEFAULT_FRAME_RATE = 30.0
_FASTEST = 1000.0  # containers without a rate report their clock instead, e.g. 90000


class VideoReader:
    """Decodes one video file, camera or stream; a context manager that is iterated once.

    target: a file, a stream's URL, or a camera's index.
    frame_rate: 1/s; 30 where the source does not tell.
    length: frames that the container promises, None for cameras, streams and containers that do not say. Decoding may
        give fewer: iterating then just ends, and `decoded` says how many came.
    image_hw: height and width in pixels, None where it is known only with the first frame.

    Raises InputError when the target cannot be opened.
    """

    def __init__(self, target: str | int) -> None:
        self.target = target
        self.decoded = 0
        with _quiet():
            self._capture = cv2.VideoCapture(target, cv2.CAP_ANY if isinstance(target, int) else cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise InputError(f"{_describe(target)} cannot be opened")
        live = isinstance(target, int)
        if live:
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        rate = self._property(cv2.CAP_PROP_FPS)
        self.frame_rate = rate if 0 < rate <= _FASTEST else DEFAULT_FRAME_RATE
        length = int(self._property(cv2.CAP_PROP_FRAME_COUNT))
        self.length = length if length > 0 and not live else None
        height, width = (int(self._property(key)) for key in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH))
        self.image_hw = (height, width) if min(height, width) > 0 else None

    def _property(self, key: int) -> float:
        value = float(self._capture.get(key))
        return value if math.isfinite(value) else 0.0

    def __iter__(self) -> Iterator[ImageArray]:
        """Yield (H, W, 3) RGB uint8 images until nothing more can be decoded."""
        while True:
            done, image = self._capture.read()
            if not done:
                return
            self.decoded += 1
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def close(self) -> None:
        """Release the file or device; twice does no harm."""
        self._capture.release()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class VideoWriter:
    """Writes RGB frames to an mp4 (MPEG-4 part 2); the file appears under its name only when the block succeeds.

    The first frame sets the size; an odd side is padded by one pixel, as the codec wants. A block that writes no frame
    leaves no file.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        if path.suffix != ".mp4":
            raise InputError(f"{path}: videos are written as .mp4")
        if not 0 < frame_rate <= _FASTEST:
            raise InputError(f"{path}: frame rate {frame_rate} is not between 0 and {_FASTEST:g}")
        self._path = path
        self._frame_rate = frame_rate
        self._image_hw = (0, 0)
        self._writer: cv2.VideoWriter | None = None
        self._stack = ExitStack()

    def write(self, image: ImageArray) -> None:
        """Append one (H, W, 3) RGB uint8 image; ValueError when its size is not the first one's."""
        require_shape("image", image, (None, None, 3))
        if self._writer is None:
            self._image_hw = image.shape[0], image.shape[1]
            self._writer = self._open(*self._image_hw)
        if image.shape[:2] != self._image_hw:
            raise ValueError(f"{self._path}: frame of {image.shape[:2]} in a video of {self._image_hw} (height, width)")
        bottom, right = (side % 2 for side in self._image_hw)
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        self._writer.write(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR))

    def _open(self, height: int, width: int) -> cv2.VideoWriter:
        temporary = self._stack.enter_context(replacing(self._path))
        size_wh = (width + width % 2, height + height % 2)
        with _quiet():
            writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), self._frame_rate, size_wh)
        if not writer.isOpened():
            raise InputError(f"{self._path}: cannot be written as a video")
        self._stack.callback(writer.release)
        return writer

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _describe(target: str | int) -> str:
    return f"camera {target}" if isinstance(target, int) else f"{target}: video or stream"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV's and FFmpeg's own messages off stderr: the caller gets one line instead."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)

"""Video writer based on PyAV: RGB frames to H.264 in an mp4 or VP9 in a webm, which browsers can play."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from fairmot.formats.atomic import atomic_write, write_errors
from fairmot.geometry.arrays import ImageArray, require_shape
from fairmot.utils.errors import InputError

MIN_FRAME_RATE, MAX_FRAME_RATE = 1e-4, 1000.0  # 1/s
_WRITE_ERRORS = (OSError, av.FFmpegError)
_HD_HEIGHT = 720  # rows from which players assume BT.709


@dataclass(frozen=True)
class VideoCodec:
    """Encoder settings.

    encoder: FFmpeg's name. suffix: file suffix, which selects the container. time_base: seconds of one timestamp unit.
    max_crf: the largest constant rate factor. options: the encoder's; container_options: the container's.
    """

    encoder: str
    suffix: str
    time_base: Fraction
    max_crf: int
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)


_X264 = {
    "preset": "veryfast",
    "bf": "0",  # with B-frames the container states too short a duration for unevenly spaced frames
}
CODECS = {
    "h264": VideoCodec("libx264", ".mp4", Fraction(1, 90000), 51, _X264, {"movflags": "+faststart"}),
    "vp9": VideoCodec(
        "libvpx-vp9",
        ".webm",
        Fraction(1, 1000),  # the resolution of webm
        63,
        {"b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1"},
    ),
}  # by VIDEO.CODEC


class VideoWriter:
    """Context manager that writes RGB frames to a video; the file appears when the block succeeds.

    path: .mp4 for `h264`, .webm for `vp9`. frame_rate: 1/s, the spacing of frames without a time.
    quality: constant rate factor; lower is better and larger.

    The first frame sets the size; an odd side is padded by one pixel, as 4:2:0 chroma subsampling requires, and frames
    of another size are letterboxed. A block that writes no frame leaves no file.

    Raises InputError for an unknown codec, another suffix, a quality or frame rate out of range, and write errors.
    """

    def __init__(self, path: Path, frame_rate: float, *, codec: str = "h264", quality: int = 23) -> None:
        if codec not in CODECS:
            raise InputError(f"VIDEO.CODEC: unknown {codec!r}; choose from {', '.join(CODECS)}")
        self._codec = CODECS[codec]
        if path.suffix != self._codec.suffix:
            raise InputError(f"{path}: videos of VIDEO.CODEC {codec} are written as {self._codec.suffix}")
        if not 0 <= quality <= self._codec.max_crf:
            raise InputError(f"VIDEO.QUALITY = {quality}: {codec} accepts 0 to {self._codec.max_crf}")
        if not MIN_FRAME_RATE <= frame_rate <= MAX_FRAME_RATE:
            limits = f"{MIN_FRAME_RATE:g} and {MAX_FRAME_RATE:g}"
            raise InputError(f"{path}: frame rate {frame_rate} is not between {limits}")
        self._path, self._quality = path, quality
        self._frame_rate = Fraction(frame_rate).limit_denominator(100000)
        self._image_hw = (0, 0)
        self._timestamps = _Timestamps(self._frame_rate, self._codec.time_base)
        self._output: Any = None
        self._stream: Any = None
        self._stack = ExitStack()

    def write(self, image: ImageArray, *, time: float | None = None) -> None:
        """Append one (H, W, 3) RGB uint8 image, shown from `time` (seconds) on; None: one frame spacing after the last.

        The video starts with its first frame. A time that is not later than the last one is moved after it.
        """
        require_shape("image", image, (None, None, 3))
        if self._stream is None:
            self._image_hw = image.shape[0], image.shape[1]
            self._open(*self._image_hw)
        frame = av.VideoFrame.from_ndarray(_padded_to_even(_letterboxed(image, self._image_hw)), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_color_space(self._image_hw[0]), dst_color_range="MPEG")
        frame.pts, frame.time_base = self._timestamps.next(time), self._codec.time_base
        frame.duration = self._timestamps.spacing
        self._mux(frame)

    def _open(self, height: int, width: int) -> None:
        temporary = self._stack.enter_context(atomic_write(self._path))
        with write_errors(self._path, _WRITE_ERRORS):  # "file:": a colon in a name is no protocol
            self._output = av.open(f"file:{temporary}", "w", options=self._codec.container_options)
        self._stack.callback(self._discard)
        options = {**self._codec.options, "crf": str(self._quality)}
        self._stream = self._output.add_stream(self._codec.encoder, rate=self._frame_rate, options=options)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = self._codec.time_base
        context.color_range, context.colorspace = ColorRange.MPEG, _color_space(height)

    def _mux(self, frame: Any) -> None:
        with write_errors(self._path, _WRITE_ERRORS):
            self._output.mux(self._stream.encode(frame))

    def _finish(self) -> None:
        """Flush the encoder and write the end of the file."""
        self._mux(None)
        with write_errors(self._path, _WRITE_ERRORS):
            self._output.close()
        self._output = None

    def _discard(self) -> None:
        """Close an incomplete file, ignoring write errors."""
        if self._output is not None:
            with suppress(*_WRITE_ERRORS):
                self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if exception[0] is not None or self._stream is None:
            self._stack.__exit__(*exception)
            return
        with self._stack:
            self._finish()


class _Timestamps:
    """Strictly increasing timestamps of frames, in units of `time_base`.

    >>> timestamps = _Timestamps(Fraction(25), Fraction(1, 1000))
    >>> [timestamps.next(time) for time in (7.0, None, 7.1, 7.1, 6.0, 8.0)]
    [0, 40, 100, 101, 102, 1000]
    """

    def __init__(self, frame_rate: Fraction, time_base: Fraction) -> None:
        self.spacing = max(1, round(1 / (frame_rate * time_base)))
        self._time_base = time_base
        self._step = 1 / frame_rate
        self._start: float | None = None
        self._last = -1
        self._last_exact = -self._step  # seconds, so that the spacing of untimed frames does not drift

    def next(self, time: float | None) -> int:
        """Return the timestamp of the next frame; time: in seconds, None for one spacing after the last."""
        exact = self._last_exact + self._step
        if time is not None:
            if self._start is None:
                self._start = time - float(exact)
            exact = Fraction(time - self._start).limit_denominator(10**6)
        self._last_exact = exact
        self._last = max(self._last + 1, round(exact / self._time_base))
        return self._last


def _color_space(height: int) -> Colorspace:
    return Colorspace.ITU709 if height >= _HD_HEIGHT else Colorspace.ITU601


def _letterboxed(image: ImageArray, image_hw: tuple[int, int]) -> ImageArray:
    """Return the image resized to fit `image_hw` with its aspect ratio, padded with black."""
    if image.shape[:2] == image_hw:
        return image
    height, width = image_hw
    scale = min(height / image.shape[0], width / image.shape[1])
    inner_h, inner_w = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner_h, left : left + inner_w] = cv2.resize(image, (inner_w, inner_h))
    return canvas


def _padded_to_even(image: ImageArray) -> ImageArray:
    bottom, right = image.shape[0] % 2, image.shape[1] % 2
    if not bottom and not right:
        return np.ascontiguousarray(image)
    return np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)

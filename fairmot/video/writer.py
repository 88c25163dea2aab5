"""Video out through PyAV: RGB frames to a file that browsers play, H.264 in an mp4 or VP9 in a webm."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from fairmot.formats.atomic import atomic_write
from fairmot.geometry.arrays import ImageArray, require_shape
from fairmot.utils.errors import InputError

MIN_FRAME_RATE, MAX_FRAME_RATE = 1e-4, 1000.0  # frames a second
_REFUSALS = (OSError, av.FFmpegError)
_HIGH_DEFINITION = 720  # rows from which players take BT.709 for granted


@dataclass(frozen=True)
class VideoCodec:
    """How one kind of video is written.

    encoder: FFmpeg's name. suffix: of the file, which chooses the container. tick: seconds that times are counted in.
    highest: the largest constant rate factor. options: the encoder's; container: the container's.
    """

    encoder: str
    suffix: str
    tick: Fraction
    highest: int
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)


_X264 = {
    "preset": "veryfast",
    "bf": "0",  # B-frames make the container tell too short a duration where frames are unevenly spaced
}
CODECS = {
    "h264": VideoCodec("libx264", ".mp4", Fraction(1, 90000), 51, _X264, {"movflags": "+faststart"}),
    "vp9": VideoCodec(
        "libvpx-vp9",
        ".webm",
        Fraction(1, 1000),  # all that a webm can tell
        63,
        {"b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1"},
    ),
}  # by VIDEO.CODEC


class VideoWriter:
    """Writes RGB frames to a video; the file appears under its name only when the block succeeds.

    path: .mp4 for `h264`, .webm for `vp9`. frame_rate: 1/s, the spacing of frames that come without a time.
    quality: the constant rate factor; lower is better and larger.

    The first frame sets the size; an odd side is padded by one pixel, as 4:2:0 colour wants, and a frame of another
    size is fitted inside, in its middle. A block that writes no frame leaves no file.

    InputError: an unknown codec, another suffix, a quality or frame rate out of range, a disk that refuses the file.
    """

    def __init__(self, path: Path, frame_rate: float, *, codec: str = "h264", quality: int = 23) -> None:
        if codec not in CODECS:
            raise InputError(f"VIDEO.CODEC: unknown {codec!r}; choose from {', '.join(CODECS)}")
        self._codec = CODECS[codec]
        if path.suffix != self._codec.suffix:
            raise InputError(f"{path}: videos of VIDEO.CODEC {codec} are written as {self._codec.suffix}")
        if not 0 <= quality <= self._codec.highest:
            raise InputError(f"VIDEO.QUALITY = {quality}: {codec} takes 0 to {self._codec.highest}")
        if not MIN_FRAME_RATE <= frame_rate <= MAX_FRAME_RATE:
            raise InputError(
                f"{path}: frame rate {frame_rate} is not between {MIN_FRAME_RATE:g} and {MAX_FRAME_RATE:g}"
            )
        self._path = path
        self._quality = quality
        self._frame_rate = Fraction(frame_rate).limit_denominator(100000)
        self._image_hw = (0, 0)
        self._clock = _Clock(self._frame_rate, self._codec.tick)
        self._output: Any = None
        self._stream: Any = None
        self._stack = ExitStack()

    def write(self, image: ImageArray, *, time: float | None = None) -> None:
        """Append one (H, W, 3) RGB uint8 image, shown from `time` (seconds) on; None: one frame after the last.

        The video starts at its first frame, whatever its time; a time that is not after the last one's is moved there.
        """
        require_shape("image", image, (None, None, 3))
        if self._stream is None:
            self._image_hw = image.shape[0], image.shape[1]
            self._open(*self._image_hw)
        frame = av.VideoFrame.from_ndarray(_padded(_fitted(image, self._image_hw)), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_colours(self._image_hw[0]), dst_color_range="MPEG")
        frame.pts, frame.time_base = self._clock.tick_of(time), self._codec.tick
        frame.duration = self._clock.spacing
        self._mux(frame)

    def _open(self, height: int, width: int) -> None:
        temporary = self._stack.enter_context(atomic_write(self._path))
        with self._refusals():
            self._output = av.open(f"file:{temporary}", "w", options=self._codec.container)  # a colon is no protocol
        self._stack.callback(self._abandon)
        options = {**self._codec.options, "crf": str(self._quality)}
        self._stream = self._output.add_stream(self._codec.encoder, rate=self._frame_rate, options=options)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = self._codec.tick
        context.color_range, context.colorspace = ColorRange.MPEG, _colours(height)

    def _mux(self, frame: Any) -> None:
        with self._refusals():
            self._output.mux(self._stream.encode(frame))

    def _finish(self) -> None:
        """Write what the encoder still holds, and the end of the file."""
        self._mux(None)
        with self._refusals():
            self._output.close()
        self._output = None

    def _abandon(self) -> None:
        """Close a file that will be thrown away, whatever is wrong with it."""
        if self._output is not None:
            with _ignored():
                self._output.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except _REFUSALS as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None or self._stream is None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._finish()


class _Clock:
    """Gives frames ticks that grow.

    >>> clock = _Clock(Fraction(25), Fraction(1, 1000))
    >>> [clock.tick_of(time) for time in (7.0, None, 7.1, 7.1, 6.0, 8.0)]
    [0, 40, 100, 101, 102, 1000]
    """

    def __init__(self, frame_rate: Fraction, tick: Fraction) -> None:
        self.spacing = max(1, round(1 / (frame_rate * tick)))
        self._tick = tick
        self._step = 1 / frame_rate
        self._start: float | None = None
        self._last = -1
        self._last_exact = -self._step  # seconds, so that the spacing of untimed frames does not drift

    def tick_of(self, time: float | None) -> int:
        """Return the tick of the next frame."""
        exact = self._last_exact + self._step
        if time is not None:
            if self._start is None:
                self._start = time - float(exact)
            exact = Fraction(time - self._start).limit_denominator(10**6)
        self._last_exact = exact
        self._last = max(self._last + 1, round(exact / self._tick))
        return self._last


def _colours(height: int) -> Colorspace:
    return Colorspace.ITU709 if height >= _HIGH_DEFINITION else Colorspace.ITU601


def _fitted(image: ImageArray, image_hw: tuple[int, int]) -> ImageArray:
    """Return the image at `image_hw`, scaled as a whole, black beside it."""
    if image.shape[:2] == image_hw:
        return image
    height, width = image_hw
    scale = min(height / image.shape[0], width / image.shape[1])
    inner_h, inner_w = max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner_h, left : left + inner_w] = cv2.resize(image, (inner_w, inner_h))
    return canvas


def _padded(image: ImageArray) -> ImageArray:
    bottom, right = image.shape[0] % 2, image.shape[1] % 2
    if not bottom and not right:
        return np.ascontiguousarray(image)
    return np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except _REFUSALS:
        return

"""Video in, through FFmpeg (PyAV): upright RGB frames of a file or stream, with their numbers and times."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.error import ExitError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from fairmot.geometry.arrays import ImageArray
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.reader import DEFAULT_FRAME_RATE
from fairmot.video.timestamps import FrameTimestamps

_FASTEST = 1000.0  # containers without a rate report their clock instead, e.g. 90000
_CLOCKLESS = frozenset({"avi", "mjpeg", "mpjpeg", "h264", "hevc", "m4v", "mpegvideo"})  # they number frames at most
_HIDES_FRAMES = frozenset({"vp8"})  # some packets are references alone and never shown
_URL_OPTIONS = {"rtsp_flags": "prefer_tcp", "analyzeduration": "500000"}  # no torn pictures; half a second of probing
_TOLERANCE = 1.0  # s by which sound may outlast pictures


class VideoReader:
    """Decodes one video file or stream; a context manager that is iterated once.

    target: a file, or a URL.
    name: what the frames' `source` begins with; the target when empty.
    timeout: seconds without data after which a stream ends; None for files.

    live: whether it is a stream without an end. Then no frames are held back by decoding threads, and what came before
        the first whole picture is not missed.
    frame_rate: 1/s on average; 30 where the source does not tell.
    length: frames that the container promises (told from its duration where it counts none), None for streams and
        containers that do not say. Decoding may give fewer or more: iterating just ends, and `notes` tells.
    duration: seconds that the container promises, or None.
    image_hw: height and width of the first frame, upright. A frame of another size is scaled to it.
    has_clock: whether frames carry times of their own; else they are spaced by the frame rate.
    decoded, lost: frames given, and frames known to be missing between them. Both have numbers.
    ended: how iterating ended: None before, "" at the regular end, else FFmpeg's reason.

    Raises InputError when the target cannot be opened or no frame of it can be decoded.
    """

    def __init__(self, target: str, *, name: str = "", timeout: float | None = None) -> None:
        self.name = name or redact_url(target)
        self._container = _open(target, timeout=timeout)
        self._timeout = timeout
        duration = self._container.duration
        self.duration = duration / av.time_base if duration and duration > 0 else None
        self.live = "://" in target and self.duration is None
        try:
            self._stream = self._choose_stream()
            self._stream.thread_type = "SLICE" if self.live else "AUTO"
            self._read_header()
            self._start()
        except BaseException:
            self._container.close()
            raise

    def _choose_stream(self) -> VideoStream:
        streams = [
            stream for stream in self._container.streams.video if not stream.disposition & Disposition.attached_pic
        ]
        if not streams:
            raise InputError(f"{self.name}: there is no video in it")
        if not streams[0].codec_context:
            raise InputError(f"{self.name}: no decoder for its video")
        return streams[0]

    def _read_header(self) -> None:
        stream = self._stream
        self.has_clock = self._container.format.name not in _CLOCKLESS
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self.frame_rate = rate if 0 < rate <= _FASTEST else DEFAULT_FRAME_RATE
        self._counted = stream.frames > 0
        self.length = stream.frames or None
        if self.length is None and self.duration is not None:
            self.length = max(1, round(self.duration * self.frame_rate))

    def _start(self) -> None:
        """Decode the first frame: it tells the size, and whether anything can be decoded."""
        self.ended: str | None = None
        self.image_hw = (0, 0)
        self._errors = self._hidden = self._resized = 0
        self._time = 0.0
        self._reformatter = VideoReformatter()
        self._clock = FrameTimestamps(
            tick=float(self._stream.time_base or 0) or 1 / self.frame_rate,
            spacing=1 / self.frame_rate,
            counts=not self.has_clock,
            joins=self.live,
        )
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            reason = f" ({self.ended})" if self.ended else ""
            raise InputError(f"{self.name}: no frame of it can be decoded{reason}")
        self._first: Frame | None = first

    @property
    def num_decoded(self) -> int:
        """Frames that could be decoded so far."""
        return self._clock.given

    @property
    def num_lost(self) -> int:
        """Frames known to be missing so far."""
        return self._clock.lost

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until nothing more can be decoded."""
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._frames

    def _decode(self) -> Iterator[Frame]:
        trusted = self._stream.codec_context.name not in _HIDES_FRAMES
        for packet in self._packets():
            if trusted and packet.size and not packet.is_discard:
                self._clock.expect(packet.pts)
            self._hidden += bool(packet.is_discard)
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                self._errors += 1
                self._clock.fail(packet.pts)
                continue
            for picture in pictures:
                yield from self._give(picture)
        self._clock.finish()

    def _packets(self) -> Iterator["av.Packet[VideoStream]"]:
        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError as error:
            self.ended = _reason(error, self._timeout)
        else:
            self.ended = ""

    def _give(self, picture: VideoFrame) -> Iterator[Frame]:
        place = self._clock.place(picture.pts)
        if place is None:
            return
        index, self._time = place
        image = apply_display_matrix(self._to_rgb(picture), _display_matrix(picture))
        if self.image_hw == (0, 0):
            self.image_hw = image.shape[0], image.shape[1]
        self._resized += image.shape[:2] != self.image_hw
        yield Frame(index, resize_to(image, self.image_hw), f"{self.name} frame {index}", self._time)

    def _to_rgb(self, picture: VideoFrame) -> ImageArray:
        return np.asarray(self._reformatter.reformat(picture, format="rgb24").to_ndarray(), np.uint8)

    def notes(self) -> list[str]:
        """Return a clause on each thing that is odd so far; that it ended early or late only once it has ended."""
        notes = []
        if self.num_lost:
            notes.append(f"{plural(self.num_lost, 'frame')} could not be decoded")
        elif self._errors:
            notes.append(f"{plural(self._errors, 'packet')} damaged")
        if self._resized:
            notes.append(f"{plural(self._resized, 'frame')} of another size, scaled to the first one's")
        if self.ended is not None:
            notes += [f"reading stopped: {self.ended}"] if self.ended else []
            notes += self._shortfall()
        return notes

    def _shortfall(self) -> list[str]:
        if self._counted and self.length is not None:
            seen = self.num_decoded + self.num_lost + self._hidden
            if seen < self.length:
                return [f"ended after {self.num_decoded} of the {self.length} frames that it promises"]
            return [f"{seen} frames, where it promises {self.length}"] if seen > self.length else []
        return self._wrong_duration()

    def _wrong_duration(self) -> list[str]:
        end = self._time + 1 / self.frame_rate
        if self.duration is None or abs(end - self.duration) <= _TOLERANCE:
            return []
        if end < self.duration:
            return [f"ended after {end:.1f} of the {self.duration:.1f} s that it promises"]
        return [f"{end:.1f} s long, where it promises {self.duration:.1f} s"]

    def stop(self) -> None:
        """Nothing is waited for here but data."""

    def close(self) -> None:
        """Release the file or connection; twice does no harm. No frame may be in the making in another thread."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def plural(count: int, noun: str) -> str:
    """Return a count for messages.

    >>> plural(1, "frame"), plural(20, "frame")
    ('1 frame', '20 frames')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def redact_url(target: str) -> str:
    """Return a target for messages: a URL without user, password and query.

    >>> describe("rtsp://me:secret@10.0.0.7:554/live?token=1"), describe("a/street.mp4")
    ('rtsp://10.0.0.7:554/live', 'a/street.mp4')
    """
    if "://" not in target:
        return target
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def resize_to(image: ImageArray, image_hw: tuple[int, int]) -> ImageArray:
    """Return (H, W, 3) pixels at the size `image_hw`; the image itself where it has it."""
    if image.shape[:2] == image_hw:
        return image
    return np.asarray(cv2.resize(image, image_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def apply_display_matrix(image: ImageArray, matrix: tuple[int, int, int, int] | None) -> ImageArray:
    """Return (H, W, 3) pixels as they are to be looked at, by the nearest quarter turn or mirroring of `matrix`.

    matrix: (a, b, c, d) of a container's display matrix: a point (x, y) is shown at (a x + c y, b x + d y).

    >>> corners = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    >>> turn_upright(corners, (0, -1, 1, 0))[..., 0].tolist()
    [[2, 5], [1, 4], [0, 3]]
    """
    if matrix is None:
        return image
    a, b, c, d = matrix
    if abs(b) > abs(a):
        image, across, down = image.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _display_matrix(picture: VideoFrame) -> tuple[int, int, int, int] | None:
    matrix = cast("Mapping[str, Buffer]", picture.side_data).get("DISPLAYMATRIX")
    if matrix is None:
        return None
    numbers = np.frombuffer(bytes(matrix), np.int32)
    return int(numbers[0]), int(numbers[1]), int(numbers[3]), int(numbers[4])


def _open(target: str, *, timeout: float | None) -> InputContainer:
    is_url = "://" in target
    place = target if is_url else f"file:{target}"  # a colon in a file's name is no protocol
    try:
        return av.open(place, "r", timeout=timeout, options=dict(_URL_OPTIONS) if is_url else {})
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = _reason(error, timeout)
        raise InputError(f"{redact_url(target)}: video or stream cannot be opened ({reason})") from None


def _reason(error: Exception, timeout: float | None) -> str:
    if isinstance(error, ExitError):
        return f"nothing came for {timeout:g} s"
    return (getattr(error, "strerror", None) or type(error).__name__).strip()

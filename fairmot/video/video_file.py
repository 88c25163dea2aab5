"""Video decoder based on FFmpeg (PyAV): upright RGB frames of a file or stream, with numbers and times."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import cast
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

from fairmot.geometry.arrays import ImageArray, IntArray
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.reader import DEFAULT_FRAME_RATE
from fairmot.video.timestamps import FrameTimestamps

_MAX_FRAME_RATE = 1000.0  # containers without a frame rate report their clock's rate instead, e.g. 90000
_WITHOUT_TIMESTAMPS = frozenset({"avi", "mjpeg", "mpjpeg", "h264", "hevc", "m4v", "mpegvideo"})
_WITH_HIDDEN_FRAMES = frozenset({"vp8"})  # some packets are reference frames that are never shown
_URL_OPTIONS = {"rtsp_flags": "prefer_tcp", "analyzeduration": "500000"}  # TCP: no torn frames; probe for 0.5 s
_DURATION_TOLERANCE = 1.0  # s by which the audio may be longer than the video


class VideoReader:
    """Decodes one video file or stream; iterated once.

    target: a file or a URL.
    name: prefix of the frames' `source`; default: the target.
    timeout: seconds without data after which a stream ends; None for files.

    live: whether it is a stream without an end. Then decoding is not threaded by frame, which would delay frames, and
        packets before the first complete frame are not counted as lost.
    frame_rate: average in 1/s, 30 if unknown.
    length: number of frames that the container states, or that follows from its duration; None if unknown. Decoding may
        give fewer or more frames, which `notes` reports.
    duration: seconds that the container states, or None.
    image_hw: height and width of the first frame, upright. Frames of another size are resized to it.
    has_timestamps: whether frames have their own times; otherwise they are spaced by the frame rate.
    num_decoded, num_lost: frames returned, and frames known to be missing between them, which keep their numbers.
    ended: how iterating ended: None before the end, "" after a regular end, otherwise FFmpeg's error.

    Raises InputError when the target cannot be opened or none of its frames can be decoded.
    """

    def __init__(self, target: str, *, name: str = "", timeout: float | None = None) -> None:
        self.name = name or redact_url(target)
        self.ended: str | None = None
        self.image_hw = (0, 0)
        self._timeout = timeout
        self._container = _open(target, timeout=timeout)
        duration = self._container.duration
        self.duration = duration / av.time_base if duration and duration > 0 else None
        self.live = "://" in target and self.duration is None
        try:
            self._stream = self._choose_stream()
            self._read_header()
            self._frames = self._start_decoding()
        except BaseException:
            self._container.close()
            raise

    def _choose_stream(self) -> VideoStream:
        is_cover = Disposition.attached_pic
        streams = [stream for stream in self._container.streams.video if not stream.disposition & is_cover]
        if not streams:
            raise InputError(f"{self.name}: no video stream")
        if not streams[0].codec_context:
            raise InputError(f"{self.name}: no decoder for its video stream")
        streams[0].thread_type = "SLICE" if self.live else "AUTO"
        return streams[0]

    def _read_header(self) -> None:
        stream = self._stream
        self.has_timestamps = self._container.format.name not in _WITHOUT_TIMESTAMPS
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self.frame_rate = rate if 0 < rate <= _MAX_FRAME_RATE else DEFAULT_FRAME_RATE
        self._stated_frames = stream.frames  # kept here: the stream is invalid after closing
        self.length = stream.frames or None
        if self.length is None and self.duration is not None:
            self.length = max(1, round(self.duration * self.frame_rate))

    def _start_decoding(self) -> Iterator[Frame]:
        """Decode the first frame, which gives the size and shows whether anything can be decoded."""
        self._num_errors = self._num_hidden = self._num_resized = 0
        self._time = 0.0
        self._reformatter = VideoReformatter()
        self._timestamps = FrameTimestamps(
            tick=float(self._stream.time_base or 0) or 1 / self.frame_rate,
            spacing=1 / self.frame_rate,
            count_only=not self.has_timestamps,
            is_joined=self.live,
        )
        frames = self._decode()
        first = next(frames, None)
        if first is None:
            reason = f" ({self.ended})" if self.ended else ""
            raise InputError(f"{self.name}: no frame can be decoded{reason}")
        return chain([first], frames)

    @property
    def num_decoded(self) -> int:
        """Number of frames decoded so far."""
        return self._timestamps.num_frames

    @property
    def num_lost(self) -> int:
        """Number of frames known to be missing so far."""
        return self._timestamps.num_lost

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until nothing more can be decoded."""
        return self._frames

    def _decode(self) -> Iterator[Frame]:
        is_counted = self._stream.codec_context.name not in _WITH_HIDDEN_FRAMES
        for packet in self._packets():
            has_frame = is_counted and packet.size > 0 and not packet.is_discard
            pts = self._timestamps.add_packet(
                packet.pts, packet.dts, has_frame=has_frame, is_discarded=packet.is_discard
            )
            if pts is not None and packet.pts is not None:
                packet.pts, shift = pts, pts - packet.pts
                packet.dts = None if packet.dts is None else packet.dts + shift
            self._num_hidden += packet.is_discard
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._num_errors += 1
                self._timestamps.add_failure(packet.pts)
                continue
            for frame in decoded:
                yield from self._convert(frame)
        self._timestamps.finish()

    def _packets(self) -> Iterator["av.Packet[VideoStream]"]:
        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError as error:
            self.ended = _reason(error, self._timeout)
        else:
            self.ended = ""

    def _convert(self, decoded: VideoFrame) -> Iterator[Frame]:
        position = self._timestamps.add_frame(decoded.pts)
        if position is None:
            return
        index, self._time = position
        pixels = np.asarray(self._reformatter.reformat(decoded, format="rgb24").to_ndarray(), np.uint8)
        image = apply_display_matrix(pixels, _display_matrix(decoded))
        if self.image_hw == (0, 0):
            self.image_hw = image.shape[0], image.shape[1]
        self._num_resized += image.shape[:2] != self.image_hw
        yield Frame(index, resize_to(image, self.image_hw), f"{self.name} frame {index}", self._time)

    def notes(self) -> list[str]:
        """Return a clause for each irregularity so far; a wrong length is reported after the end only."""
        notes = []
        if self.num_lost:
            notes.append(f"{plural(self.num_lost, 'frame')} could not be decoded")
        elif self._num_errors:
            notes.append(f"{plural(self._num_errors, 'packet')} damaged")
        if self._num_resized:
            notes.append(f"{plural(self._num_resized, 'frame')} of another size, resized to the first one's")
        if self.ended:
            notes.append(f"reading stopped: {self.ended}")
        return notes if self.ended is None else [*notes, *self._length_notes()]

    def _length_notes(self) -> list[str]:
        stated = self._stated_frames
        if stated > 0:
            count = self.num_decoded + self.num_lost + self._num_hidden
            if count < stated:
                return [f"ended after {self.num_decoded} of the {stated} frames that the container states"]
            return [f"{count} frames; the container states {stated}"] if count > stated else []
        end = self._time + 1 / self.frame_rate
        if self.duration is None or abs(end - self.duration) <= _DURATION_TOLERANCE:
            return []
        if end < self.duration:
            return [f"ended after {end:.1f} of the {self.duration:.1f} s that the container states"]
        return [f"{end:.1f} s long; the container states {self.duration:.1f} s"]

    def stop(self) -> None:
        """Do nothing: only data is waited for."""

    def close(self) -> None:
        """Release the file or connection; may be called twice, and not while another thread decodes."""
        self._container.close()


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "frame"), plural(20, "frame")
    ('1 frame', '20 frames')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def redact_url(target: str) -> str:
    """Return a target for messages: a URL without user, password and query.

    >>> redact_url("rtsp://me:secret@10.0.0.7:554/live?token=1"), redact_url("a/street.mp4")
    ('rtsp://10.0.0.7:554/live', 'a/street.mp4')
    """
    if "://" not in target:
        return target
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def resize_to(image: ImageArray, image_hw: tuple[int, int]) -> ImageArray:
    """Return an (H, W, 3) image resized to `image_hw`, or the image itself if it has that size."""
    if image.shape[:2] == image_hw:
        return image
    return np.asarray(cv2.resize(image, image_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)


def apply_display_matrix(image: ImageArray, matrix: IntArray | None) -> ImageArray:
    """Return an (H, W, 3) image rotated by the nearest quarter turn, or flipped, according to `matrix`.

    matrix: (4,) integers a, b, c, d of a container's display matrix: a point (x, y) is shown at (a x + c y, b x + d y).

    >>> corners = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    >>> apply_display_matrix(corners, np.array([0, -1, 1, 0]))[..., 0].tolist()
    [[2, 5], [1, 4], [0, 3]]
    """
    if matrix is None:
        return image
    a, b, c, d = matrix.tolist()
    if abs(b) > abs(a):
        image, across, down = image.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])


def _display_matrix(decoded: VideoFrame) -> IntArray | None:
    matrix = cast("Mapping[str, Buffer]", decoded.side_data).get("DISPLAYMATRIX")
    return None if matrix is None else np.frombuffer(bytes(matrix), np.int32)[[0, 1, 3, 4]]


def _open(target: str, *, timeout: float | None) -> InputContainer:
    is_url = "://" in target
    url = target if is_url else f"file:{target}"  # the prefix: a colon in a file name is no protocol
    try:
        return av.open(url, "r", timeout=timeout, options=dict(_URL_OPTIONS) if is_url else {})
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = _reason(error, timeout)
        raise InputError(f"{redact_url(target)}: video or stream cannot be opened ({reason})") from None


def _reason(error: Exception, timeout: float | None) -> str:
    if isinstance(error, ExitError):
        return f"no data for {timeout:g} s"
    return (getattr(error, "strerror", None) or type(error).__name__).strip()

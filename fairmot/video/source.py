"""Frame source: a MOTChallenge sequence, image folder, video file, camera or stream, decoded in the background.

with open_frames("street.mp4") as source:
    for frame in source:
        ...
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from fairmot.formats.motchallenge import IMAGE_EXTENSIONS, find_sequences, is_sequence, list_images
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.utils.prefetch import Prefetcher
from fairmot.video.camera import CameraReader
from fairmot.video.image_folder import ImageFolderReader
from fairmot.video.live import LiveOptions, play_in_real_time
from fairmot.video.reader import FrameReader
from fairmot.video.stream import StreamReader
from fairmot.video.video_file import VideoReader, plural

_CAPACITY = 4  # frames decoded ahead
_CAPACITY_LIVE = 2  # newest frames kept for a consumer that is slower than the source


class FrameSource:
    """Frames in order, with numbers from 1 and times; a context manager that is iterated once.

    name: used for result files: the sequence's, folder's or video's name, `camera0`, or the stream's address without
        user and password.
    frame_rate: 1/s, 30 if unknown.
    length: expected number of frames; None for cameras, streams and videos that do not state it.
    image_hw: height and width of the first frame, and of all frames of a video, camera or stream.
    live: whether the source is a camera or stream, which has no end.

    drops: keep only the newest frames for a slower consumer; a recording is then played in real time.
    """

    def __init__(self, reader: FrameReader, *, drops: bool = False) -> None:
        self.name, self.frame_rate, self.length = reader.name, reader.frame_rate, reader.length
        self.image_hw, self.live, self._reader = reader.image_hw, reader.live, reader
        self._prefetcher = Prefetcher(
            play_in_real_time(reader) if drops and not reader.live else reader,
            capacity=_CAPACITY_LIVE if drops else _CAPACITY,
            drop_oldest=drops,
            stop=reader.stop,
            release=reader.close,
        )

    @property
    def num_dropped(self) -> int:
        """Frames dropped so far because the consumer was slower. Their numbers are skipped, as those of lost frames."""
        return self._prefetcher.num_dropped

    @property
    def read_seconds(self) -> float:
        """Seconds spent on reading and decoding so far; for live sources including waiting."""
        return self._prefetcher.read_seconds

    @property
    def report(self) -> str | None:
        """One line on irregularities: lost, damaged or dropped frames, a wrong length; complete after the last frame.

        None if there is none.
        """
        notes = self._reader.notes()
        if self.num_dropped:
            notes.append(f"{plural(self.num_dropped, 'frame')} dropped to keep up")
        return f"{self.name}: {'; '.join(notes)}" if notes else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; InputError when an image cannot be decoded."""
        return self._prefetcher

    def stop(self) -> None:
        """End the frames at once, from any thread or signal handler; `close` is still required."""
        self._prefetcher.stop()

    def close(self) -> None:
        """Stop decoding and release the file or device; may be called twice."""
        self._prefetcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_sources(source: str | Path) -> list[str]:
    """Return what `open_frames` can open: the sequences of a folder of sequences, by name, else `source` alone.

    A Path is never a camera. Raises InputError for a path that does not exist or cannot be read, and for a folder
    without images or sequences.
    """
    if isinstance(source, Path):
        source = os.path.join(os.curdir, source) if _is_address(str(source)) else str(source)  # noqa: PTH118
    if _is_address(source):
        return [source]
    folder = Path(source)
    with _os_errors_as_input_errors(source):
        if not folder.exists():
            raise InputError(_not_found(source))
        if not folder.is_dir() or is_sequence(folder) or list_images(folder):
            return [source]
        try:
            sequences = find_sequences(folder)
        except InputError:
            raise InputError(f"{source}: no images and no MOTChallenge sequences in this folder") from None
    return [os.path.join(source, sequence.name) for sequence in sequences]  # noqa: PTH118  (`./0001` is no camera)


@contextmanager
def _os_errors_as_input_errors(source: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{source}: {error.strerror or error}") from None


def open_frames(
    source: str,
    *,
    indices: range | None = None,
    live: LiveOptions | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> FrameSource:
    """Open a MOTChallenge sequence, image folder, video file, camera index ("0") or stream URL ("rtsp://...").

    indices: range of the frames of a folder, from 0; None for all. The frames are numbered from 1.
    live: how streams are reconnected and whether frames are dropped under load; None for the defaults.
    report: called with one line when a stream is lost and when it is back.

    A name of digits is a camera; write `./0` for a folder of that name. Raises InputError when the source does not
    exist or none of its frames can be decoded.
    """
    live = live or LiveOptions()
    with _os_errors_as_input_errors(source):
        reader = _open_reader(source, indices=indices, live=live, report=report)
    return FrameSource(reader, drops=live.drops(live=reader.live))


def _open_reader(
    source: str, *, indices: range | None, live: LiveOptions, report: Callable[[str], None]
) -> FrameReader:
    path = Path(source)
    if source.isdecimal():
        return CameraReader(int(source), name=_address_name(source))
    if _is_address(source):
        return StreamReader(source, name=_address_name(source), reconnect=live.reconnect, report=report)
    if path.is_dir():
        return ImageFolderReader(path, indices)
    if not path.exists():
        raise InputError(_not_found(source))
    if path.suffix.lower() in (*IMAGE_EXTENSIONS, ".txt"):
        raise InputError(f"{source}: not a video; give a video file or the folder of the images")
    return VideoReader(source, name=path.stem)


def _not_found(source: str) -> str:
    return f"{source}: no such folder or file, and not a camera index or stream URL"


def _is_address(source: str) -> bool:
    return source.isdecimal() or "://" in source


def _address_name(source: str) -> str:
    """Return the name of a camera or stream for files.

    >>> _address_name("0"), _address_name("rtsp://user:secret@10.0.0.7:554/live/main.sdp?token=1")
    ('camera0', '10.0.0.7_live_main.sdp')
    """
    if source.isdecimal():
        return f"camera{source}"
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise InputError(f"{source}: {error}") from None
    return re.sub(r"[^\w.-]+", "_", f"{parts.hostname or 'stream'}{parts.path}").strip("_")

"""Frames of whatever can be tracked: a MOTChallenge sequence, an image folder, a video file, a camera or a stream.

    with open_frames("street.mp4") as source:
        for frame in source:
            ...

While the consumer works on one frame, a thread decodes the next ones.
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
from fairmot.video.camera import CameraReader
from fairmot.video.image_folder import ImageFolderReader
from fairmot.video.live import LiveOptions, play_in_real_time
from fairmot.video.prefetch import Prefetcher
from fairmot.video.reader import FrameReader
from fairmot.video.stream import StreamReader
from fairmot.video.video_file import VideoReader, plural

_ROOM = 4  # frames decoded ahead
_ROOM_LIVE = 2  # newest frames kept for a consumer that is slower than the source


class FrameSource:
    """Frames in order, with their numbers from 1 and their times; a context manager that is iterated once.

    name: what a result file is called: the sequence's, folder's or video's name, `camera0`, or the stream's address
        without user and password.
    frame_rate: 1/s, 30 where the source does not tell.
    length: frames to expect; None for cameras, streams, and videos that do not say.
    image_hw: height and width of the first frame, and of all frames of a video, camera or stream.
    live: whether the source goes on by itself and has no end.

    drops: keep only the newest frames for a consumer that is slower; what is no live source is played at its speed.
    """

    def __init__(self, name: str, reader: FrameReader, *, drops: bool = False) -> None:
        self.name = name
        self.frame_rate, self.length = reader.frame_rate, reader.length
        self.image_hw, self.live = reader.image_hw, reader.live
        self._reader = reader
        self._ahead = Prefetcher(
            play_in_real_time(reader) if drops and not reader.live else reader,
            capacity=_ROOM_LIVE if drops else _ROOM,
            drop_oldest=drops,
            stop=reader.stop,
            release=reader.close,
        )

    @property
    def num_dropped(self) -> int:
        """Frames left out so far because the consumer was slower. They keep their numbers, as lost ones do."""
        return self._ahead.num_dropped

    @property
    def read_seconds(self) -> float:
        """Seconds that reading and decoding took so far; of live sources with their waiting."""
        return self._ahead.read_seconds

    @property
    def report(self) -> str | None:
        """One line on what is odd about the source: fewer frames than promised, lost, damaged or dropped ones.

        None while there is nothing to say; complete once the frames have ended.
        """
        notes = self._reader.notes()
        if self.num_dropped:
            notes.append(f"{plural(self.num_dropped, 'frame')} dropped to keep up")
        return f"{self.name}: {'; '.join(notes)}" if notes else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; InputError when an image cannot be decoded."""
        return self._ahead

    def stop(self) -> None:
        """End the frames at once, from whatever thread or signal handler, without waiting; `close` is still needed."""
        self._ahead.stop()

    def close(self) -> None:
        """Stop decoding ahead and release the file or device; twice does no harm."""
        self._ahead.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_sources(source: str | Path) -> list[str]:
    """Return what `open_frames` can open: the sequences of a folder of them by name, else `source` alone.

    A Path is never a camera, whatever its name. Raises InputError for what is not there or cannot be read, and for a
    folder that holds neither images nor sequences.
    """
    if isinstance(source, Path):
        source = os.path.join(os.curdir, source) if _is_address(str(source)) else str(source)  # noqa: PTH118
    if _is_address(source):
        return [source]
    with _readable(source):
        return _find_files(source)


def _find_files(source: str) -> list[str]:
    folder = Path(source)
    if not folder.exists():
        raise InputError(f"{source}: no such folder or file, nor a camera index or stream URL")
    if not folder.is_dir() or is_sequence(folder) or list_images(folder):
        return [source]
    try:
        sequences = find_sequences(folder)
    except InputError:
        raise InputError(f"{source}: no images and no MOTChallenge sequences in this folder") from None
    return [os.path.join(source, sequence.name) for sequence in sequences]  # noqa: PTH118  (`./0001` is no camera)


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Turn what the system refuses into one line."""
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

    places: which frames of a folder, from 0; None for all. They are numbered from 1 again.
    live: how streams are opened again, and who drops frames under load; None for the defaults.
    report: told in one line when a stream is lost and when it is back.

    A name of digits is a camera; write `./0` for a folder of that name. Raises InputError when there is no such thing
    or nothing in it can be decoded.
    """
    live = live or LiveOptions()
    with _readable(source):
        name, reader = _open_reader(source, places=indices, live=live, report=report)
    return FrameSource(name, reader, drops=live.drops(live=reader.live))


def _open_reader(
    source: str, *, places: range | None, live: LiveOptions, report: Callable[[str], None]
) -> tuple[str, FrameReader]:
    path = Path(source)
    if source.isdecimal():
        name = _address_name(source)
        return name, CameraReader(int(source), name=name)
    if _is_address(source):
        name = _address_name(source)
        return name, StreamReader(source, name=name, reconnect=live.reconnect, report=report)
    if path.is_dir():
        folder = ImageFolderReader(path, places)
        return folder.name, folder
    if not path.exists():
        raise InputError(f"{source}: no such folder or file, nor a camera index or stream URL")
    if path.suffix.lower() in (*IMAGE_EXTENSIONS, ".txt"):
        raise InputError(f"{source}: not a video; give a video file or the folder that holds the images")
    return path.stem, VideoReader(source, name=path.stem)


def _is_address(source: str) -> bool:
    return source.isdecimal() or "://" in source


def _address_name(source: str) -> str:
    """Return a file name for a camera or stream.

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

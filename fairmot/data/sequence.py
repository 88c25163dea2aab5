"""Frames of whatever can be tracked: a MOTChallenge sequence, an image folder, a video file, a camera or a stream.

    with open_frames("street.mp4") as source:
        for frame in source:
            ...

While the consumer works on one frame, a thread decodes the next.
"""

import re
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from fairmot.formats.images import read_image
from fairmot.formats.motchallenge import IMAGE_EXTENSIONS, find_sequences, is_sequence, list_images, read_sequence_info
from fairmot.formats.video import DEFAULT_FRAME_RATE, VideoReader
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError

T = TypeVar("T")


@dataclass
class FrameSource:
    """Frames in order, numbered from 1; a context manager that is iterated once.

    name: what a result file is called: the sequence's, folder's or video's name, `camera0`, or the stream's address
        without user and password.
    frame_rate: 1/s, 30 where the source does not tell.
    length: frames to expect; None for cameras and streams.
    image_hw: height and width of the first frame; None where it is not known before decoding.
    note: one line on what is odd about the source (fewer frames than promised), None while there is nothing to say.
        Videos get theirs when they end.
    """

    name: str
    frame_rate: float
    length: int | None
    image_hw: tuple[int, int] | None
    note: str | None = None
    _frames: Iterator[Frame] = field(default_factory=lambda: iter(()), repr=False)
    _closing: ExitStack = field(default_factory=ExitStack, repr=False)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; InputError when an image cannot be decoded."""
        return self._frames

    def close(self) -> None:
        """Stop decoding ahead and release the file or device; twice does no harm."""
        self._closing.close()

    def __enter__(self) -> "FrameSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_sources(source: str) -> list[str]:
    """Return what `open_frames` can open: the sequences of a folder of them by name, else `source` alone.

    Raises InputError for a folder that holds neither images nor sequences.
    """
    folder = Path(source)
    if _is_address(source) or not folder.is_dir() or is_sequence(folder) or list_images(folder):
        return [source]
    try:
        return [str(sequence) for sequence in find_sequences(folder)]
    except InputError:
        raise InputError(f"{source}: no images and no MOTChallenge sequences in this folder") from None


def open_frames(source: str, *, places: range | None = None) -> FrameSource:
    """Open a MOTChallenge sequence, image folder, video file, camera index ("0") or stream URL ("rtsp://...").

    places: which frames of a folder, from 0; None for all. They are numbered from 1 again.

    A name of digits is a camera; write `./0` for a folder of that name. Raises InputError when there is no such thing
    or nothing in it can be decoded.
    """
    if _is_address(source):
        return _open_video(int(source) if source.isdecimal() else source, _address_name(source))
    path = Path(source)
    if path.is_dir():
        return _open_folder(path, places)
    if not path.exists():
        raise InputError(f"{source}: no such folder or file, nor a camera index or stream URL")
    if path.suffix.lower() in (*IMAGE_EXTENSIONS, ".txt"):
        raise InputError(f"{source}: not a video; give a video file or the folder that holds the images")
    return _open_video(source, path.stem)


def _is_address(source: str) -> bool:
    return source.isdecimal() or "://" in source


def _address_name(source: str) -> str:
    """Return a file name for a camera or stream.

    >>> _address_name("0"), _address_name("rtsp://user:secret@10.0.0.7:554/live/main.sdp?token=1")
    ('camera0', '10.0.0.7_live_main.sdp')
    """
    if source.isdecimal():
        return f"camera{source}"
    parts = urlsplit(source)
    return re.sub(r"[^\w.-]+", "_", f"{parts.hostname or 'stream'}{parts.path}").strip("_")


def _open_folder(folder: Path, places: range | None) -> FrameSource:
    """Open a sequence or image folder. The images on disk are the truth, whatever seqinfo.ini says of their number."""
    info = read_sequence_info(folder) if (folder / "seqinfo.ini").exists() else None
    image_dir = folder / (info.image_dir if info else "img1" if is_sequence(folder) else "")
    paths = list_images(image_dir)
    if not paths:
        raise InputError(f"{image_dir}: no images ({', '.join(IMAGE_EXTENSIONS)})")
    count, paths = len(paths), paths if places is None else paths[places.start : places.stop]
    if not paths:
        raise InputError(f"{image_dir}: {count} images, none of them from {places.start + 1 if places else 1} on")
    first = read_image(paths[0])
    source = FrameSource(
        name=info.name if info else folder.resolve().name,
        frame_rate=info.frame_rate if info and info.frame_rate > 0 else DEFAULT_FRAME_RATE,
        length=len(paths),
        image_hw=(first.shape[0], first.shape[1]),
    )
    if info and info.length != count:
        source.note = f"{image_dir}: {count} images, where seqinfo.ini says {info.length}"
    _decode_ahead(source, lambda: (Frame(n, read_image(path), str(path)) for n, path in enumerate(paths, 1)))
    return source


def _open_video(target: str | int, name: str) -> FrameSource:
    reader = VideoReader(target)
    source = FrameSource(name, reader.frame_rate, reader.length, reader.image_hw)

    def decode() -> Iterator[Frame]:
        for index, image in enumerate(reader, 1):
            yield Frame(index, image, f"{name} frame {index}")
        source.note = _shortfall(name, reader)

    source._closing.callback(reader.close)
    _decode_ahead(source, decode)
    return source


def _shortfall(name: str, reader: VideoReader) -> str | None:
    if reader.decoded == 0:
        raise InputError(f"{name}: no frame of it can be decoded")
    if reader.length is None or reader.decoded >= reader.length:
        return None
    return f"{name}: ended after {reader.decoded} of the {reader.length} frames that it promises"


def _decode_ahead(source: FrameSource, decode: Callable[[], Iterator[Frame]]) -> None:
    """Give `source` its frames; closing it ends the decoding thread before whatever that thread reads is released."""
    frames = prefetch(decode())
    source._frames = frames
    source._closing.callback(frames.close)


def prefetch(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield `items`, each taken in a thread while the consumer works on the one before; exceptions pass through.

    Closing the generator waits for the item in flight and takes no further one.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as pool:
        ahead = pool.submit(_take, items)
        while taken := ahead.result():
            ahead = pool.submit(_take, items)
            yield taken[0]


def _take(items: Iterator[T]) -> tuple[T] | None:
    """Return the next item in a tuple, None at the end (StopIteration cannot cross a thread's future)."""
    for item in items:
        return (item,)
    return None

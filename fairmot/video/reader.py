"""Interface of frame readers: image folder, video file, camera and stream."""

from collections.abc import Iterator
from typing import Protocol

from fairmot.structures.frame import Frame

DEFAULT_FRAME_RATE = 30.0  # 1/s, of sources without one


class FrameReader(Protocol):
    """Iterable over frames, once.

    name: for messages and files. frame_rate: 1/s. length: expected number of frames, None if unknown.
    image_hw: height and width of the first frame. live: whether it is a camera or stream, which has no end.
    """

    name: str
    frame_rate: float
    length: int | None
    image_hw: tuple[int, int]
    live: bool

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; their numbers and times increase."""
        ...

    def notes(self) -> list[str]:
        """Return a clause for each irregularity so far."""
        ...

    def stop(self) -> None:
        """End all waiting for anything but data; callable from any thread."""
        ...

    def close(self) -> None:
        """Release the source; may be called twice, and not while a frame is read."""
        ...

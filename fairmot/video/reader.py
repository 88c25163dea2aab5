"""What every reader of frames offers, be it a folder, a video, a camera or a stream."""

from collections.abc import Iterator
from typing import Protocol

from fairmot.structures.frame import Frame

DEFAULT_FRAME_RATE = 30.0  # 1/s, of sources that do not tell


class FrameReader(Protocol):
    """Gives frames, once.

    frame_rate: 1/s. length: frames to expect, None where nobody knows. image_hw: height and width of the first frame.
    live: whether it goes on by itself and has no end.
    """

    frame_rate: float
    length: int | None
    image_hw: tuple[int, int]
    live: bool

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; their numbers and times only grow."""
        ...

    def notes(self) -> list[str]:
        """Return a clause on each thing that is odd so far."""
        ...

    def stop(self) -> None:
        """Ask for an end, from whatever thread: whoever waits for something else than data waits no longer."""
        ...

    def close(self) -> None:
        """Release what is read, when no frame is in the making; twice does no harm."""
        ...

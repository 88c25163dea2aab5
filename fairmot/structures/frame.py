"""Frame of a sequence, the output of a frame source."""

import math
from dataclasses import dataclass

from fairmot.geometry.arrays import ImageArray, require_shape


@dataclass(frozen=True)
class Frame:
    """One frame.

    index: frame number from 1, as in MOTChallenge files. Numbers of dropped frames are skipped.
    image: (H, W, 3) RGB uint8, at the source's resolution.
    source: origin for messages: an image file, or `video.mp4 frame 12`.
    time: seconds since the source's first frame; None where unknown.

    Raises ValueError where `index` is below 1, `image` is not (H, W, 3) uint8, or `time` is negative or not finite.
    """

    index: int
    image: ImageArray
    source: str = ""
    time: float | None = None

    def __post_init__(self) -> None:
        require_shape("image", self.image, (None, None, 3))
        if self.image.dtype != "uint8":
            raise ValueError(f"image: expected uint8, got {self.image.dtype}")
        if self.index < 1:
            raise ValueError(f"index: frames count from 1, got {self.index}")
        if self.time is not None and not (math.isfinite(self.time) and self.time >= 0):
            raise ValueError(f"time: expected seconds from 0, got {self.time}")

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

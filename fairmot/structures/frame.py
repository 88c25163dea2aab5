"""One picture of a sequence, on its way from a frame source to a predictor."""

from dataclasses import dataclass

from fairmot.geometry.arrays import ImageArray, require_shape


@dataclass(frozen=True)
class Frame:
    """One frame.

    index: number within its source, from 1 as in MOTChallenge files.
    image: (H, W, 3) RGB uint8, the source's own size.
    source: where it came from, for messages: an image file, or `video.mp4 frame 12`.

    Raises ValueError when `index` is below 1 or `image` is not (H, W, 3) uint8.
    """

    index: int
    image: ImageArray
    source: str = ""

    def __post_init__(self) -> None:
        require_shape("image", self.image, (None, None, 3))
        if self.image.dtype != "uint8":
            raise ValueError(f"image: expected uint8, got {self.image.dtype}")
        if self.index < 1:
            raise ValueError(f"index: frames count from 1, got {self.index}")

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

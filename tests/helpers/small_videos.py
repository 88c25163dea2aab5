"""Small videos whose frames encode their number as brightness, and ways to damage them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HW = (48, 64)


def shade(number: int) -> int:
    """Return the brightness of frame `number`, from 1; repeats after 48 frames."""
    return 10 + 5 * ((number - 1) % 48)


def number_of(image: np.ndarray) -> int:
    """Return the number of a frame that `make_video` made, 1 to 48."""
    return round((float(image[16:32, 16:48].mean()) - 10) / 5) + 1


def make_video(
    path: Path,
    count: int,
    *,
    codec: str = "libx264",
    hw: tuple[int, int] = HW,
    milliseconds: Sequence[int] | None = None,
    rotation: float | None = None,
    flip: bool = False,
    **options: str,
) -> Path:
    """Write `count` frames at 25 a second, or at `milliseconds`; `options` are the encoder's, `movflags` the file's."""
    movflags = options.pop("movflags", "faststart" if path.suffix == ".mp4" else "")
    rng = np.random.default_rng(3)
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = hw
        stream.pix_fmt = {"mjpeg": "yuvj420p", "ffv1": "bgr0"}.get(codec, "yuv420p")
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=flip)
        for number in range(1, count + 1):
            image = rng.integers(0, 255, (*hw, 3), dtype=np.uint8)
            image[8:-8, 8:-8] = shade(number)
            image[:16, :16] = (250, 250, 250)  # upper left
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if milliseconds is not None:
                frame.pts, frame.time_base = milliseconds[number - 1], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut(path: Path, fraction: float) -> Path:
    """Write the first part of a file next to it and return its path."""
    data = path.read_bytes()
    other = path.with_stem("cut")
    other.write_bytes(data[: int(len(data) * fraction)])
    return other


def damage(path: Path, *, start: float, size: int) -> Path:
    """Write the file with `size` bytes of noise from the fraction `start` on, and return its path."""
    data = bytearray(path.read_bytes())
    begin = int(len(data) * start)
    data[begin : begin + size] = np.random.default_rng(7).integers(0, 256, size, dtype=np.uint8).tobytes()
    other = path.with_stem("damaged")
    other.write_bytes(data)
    return other

"""Image files: reading at full or reduced size, and writing."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fairmot.formats.atomic import atomic_write
from fairmot.formats.jpeg import decode_jpeg, read_jpeg_size, read_orientation, upright
from fairmot.geometry.arrays import ImageArray
from fairmot.utils.errors import InputError

MAX_PIXELS = 2**30  # OpenCV's own limit


@dataclass(frozen=True)
class ReducedImage:
    """An image read at a fraction of its size.

    pixels: (h, w, 3) uint8 RGB.
    scale: pixels of `pixels` per pixel of the file, n/8; their upper left corners coincide.
    full_hw: the file's own height and width.
    """

    pixels: ImageArray
    scale: float
    full_hw: tuple[int, int]


def read_image(path: Path) -> ImageArray:
    """Return the image as (H, W, 3) uint8 RGB, upright by its EXIF data.

    Raises InputError: no such file, not an image, or a JPEG that is truncated or damaged.
    """
    data, size_hw = _read_bytes(path)
    if size_hw is not None:
        return upright(decode_jpeg(data, size_hw=size_hw, name=path), read_orientation(data))
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:  # an empty file, or too many pixels
        image = None
    if image is None:
        raise InputError(f"{path}: not an image that OpenCV can decode")
    return np.asarray(image, dtype=np.uint8)


def read_reduced(path: Path, cover_hw: tuple[float, float]) -> ReducedImage:
    """Return the image at the smallest size that suffices for fitting it into `cover_hw`, (height, width) in pixels.

    Its sides are the smallest n/8 of the file's at which it is at least as large as if fitted there; a smaller file is
    returned as it is. Errors are those of `read_image`.
    """
    data, size_hw = _read_bytes(path)
    if size_hw is not None and read_orientation(data) == 1:
        eighths = _eighths(size_hw, cover_hw)
        return ReducedImage(decode_jpeg(data, size_hw=size_hw, eighths=eighths, name=path), eighths / 8, size_hw)
    image = read_image(path)
    size_hw = image.shape[0], image.shape[1]
    scale = _eighths(size_hw, cover_hw) / 8
    if scale < 1:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return ReducedImage(image, scale, size_hw)


def write_image(path: Path, image: ImageArray, *, quality: int = 95) -> None:
    """Write (H, W, 3) uint8 RGB to `path` atomically, in the format of its suffix.

    quality: of a JPEG, 0 to 100. Raises InputError for a suffix without an OpenCV writer, an image that the format
    cannot hold, and a failed write.
    """
    if not cv2.haveImageWriter(path.name):
        raise InputError(f"{path}: no image format is written as {path.suffix!r}; use .jpg or .png")
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    with atomic_write(path) as temporary:
        is_encoded, content = cv2.imencode(path.suffix, bgr, options)
        if not is_encoded:
            raise InputError(f"{path}: cannot be written")
        temporary.write_bytes(content.data)  # cv2.imwrite does not report the system's error


def _read_bytes(path: Path) -> tuple[bytes, tuple[int, int] | None]:
    """Return the file's content, and (height, width) of a JPEG that `decode_jpeg` supports."""
    if not path.is_file():
        raise InputError(f"{path}: no such image")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    size_hw = read_jpeg_size(data)
    if size_hw is not None and math.prod(size_hw) > MAX_PIXELS:
        raise InputError(f"{path}: {size_hw[1]}x{size_hw[0]} pixels are more than the {MAX_PIXELS} that can be read")
    return data, size_hw


def _eighths(size_hw: tuple[int, int], cover_hw: tuple[float, float]) -> int:
    """Return n of n/8.

    >>> _eighths((1080, 1920), (540, 980)), _eighths((1080, 1920), (541, 980)), _eighths((480, 640), (608, 1088))
    (4, 5, 8)
    """
    if min(size_hw) < 8:
        return 8
    fraction = min(cover / side for cover, side in zip(cover_hw, size_hw, strict=True))
    return min(8, max(1, math.ceil(8 * fraction)))

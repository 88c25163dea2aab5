"""JPEG encoding and decoding by libjpeg-turbo, at full size or n/8 of it, with detection of damaged files.

Decoding at n/8 skips the high frequencies, so it low-pass filters and saves time. Pixels at full size equal OpenCV's
bit-exactly; OpenCV, however, silently fills the missing part of a damaged file with grey.
"""

import re
from pathlib import Path
from typing import Literal

import numpy as np
import simplejpeg

from fairmot.geometry.arrays import ImageArray
from fairmot.utils.errors import InputError

START_OF_SCAN, APP1 = 0xDA, 0xE1
EXIF, ORIENTATION = b"Exif\0\0", 0x0112
# all decoders accept these:
HARMLESS = re.compile(r"Invalid SOS parameters|unknown JFIF revision|Adobe color transform")
PADDING = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
END_OF_IMAGE = b"\xff\xd9"


def read_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return (height, width) of a JPEG that `decode_jpeg` supports: 8 bits, grey or three channels; else None."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # not a JPEG, or an unknown chroma subsampling
        return None
    return (int(height), int(width)) if colours in ("Gray", "RGB", "YCbCr") else None


def decode_jpeg(
    data: bytes, *, size_hw: tuple[int, int], eighths: int = 8, name: str | Path = "JPEG data"
) -> ImageArray:
    """Return the pixels as stored (H, W, 3) uint8 RGB, each side n/8 of that in `size_hw`, rounded up.

    size_hw: result of `read_jpeg_size`; sides of 8 or more where `eighths` is not 8.
    name: file for messages.

    Raises InputError, with the decoder's reason, for a truncated or damaged file. JPEGs have no checksum: changed bytes
    that can be decoded are not detected.
    """
    height, width = (0, 0) if eighths == 8 else (-(-side * eighths // 8) for side in size_hw)
    for strict in (True, False):
        try:
            image = simplejpeg.decode_jpeg(data, min_height=height, min_width=width, strict=strict)
            return np.asarray(image, dtype=np.uint8)
        except ValueError as error:
            if not strict or not (HARMLESS.search(str(error)) or _is_padded(data, str(error))):
                raise InputError(f"{name}: the JPEG is cut off or damaged ({error})") from None
    raise AssertionError("unreachable")


def _is_padded(data: bytes, warning: str) -> bool:
    """Whether the extraneous bytes before the end of the image are padding of equal bytes, as some cameras write."""
    left = PADDING.search(warning)
    end = data.rfind(END_OF_IMAGE)
    return left is not None and len(set(data[end - int(left[1]) : end])) == 1


def encode_jpeg(image: ImageArray, *, quality: int) -> bytes:
    """Return (H, W, 3) uint8 RGB as a JPEG of quality 1 to 100, with 4:2:0 chroma subsampling."""
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=quality, colorsubsampling="420"))


def read_orientation(data: bytes) -> int:
    """Return the EXIF orientation of a JPEG, 1 to 8; 1, upright, where it has none."""
    offset = 2
    while offset + 4 <= len(data) and data[offset] == 0xFF:
        marker, length = data[offset + 1], int.from_bytes(data[offset + 2 : offset + 4], "big")
        if marker == START_OF_SCAN:
            break
        if marker == APP1 and data[offset + 4 : offset + 10] == EXIF:
            return _orientation_of(data[offset + 10 : offset + 2 + length])
        offset += 1 if marker == 0xFF else 2 + length
    return 1


def _orientation_of(tiff: bytes) -> int:
    """Read the first directory of the TIFF block: 12 bytes per entry, its value at the ninth."""
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    first = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[first : first + 2], order)
    for start in range(first + 2, min(first + 2 + 12 * count, len(tiff)), 12):
        if int.from_bytes(tiff[start : start + 2], order) == ORIENTATION:
            value = int.from_bytes(tiff[start + 8 : start + 10], order)
            return value if 1 <= value <= 8 else 1
    return 1


def upright(image: ImageArray, orientation: int) -> ImageArray:
    """Return the pixels (H, W, 3) of an EXIF orientation rotated and flipped upright.

    >>> upright(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 6)[..., 0].tolist()
    [[3, 0], [4, 1], [5, 2]]
    """
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)

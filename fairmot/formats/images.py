"""Image files <-> RGB arrays."""

from pathlib import Path

import cv2
import numpy as np

from fairmot.formats.atomic import replacing
from fairmot.geometry.arrays import ImageArray
from fairmot.utils.errors import InputError


def read_image(path: Path) -> ImageArray:
    """Return the image as (H, W, 3) uint8 RGB; InputError names a file that is missing or no image."""
    if not path.is_file():
        raise InputError(f"{path}: no such image")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise InputError(f"{path}: not an image that OpenCV can decode")
    return np.asarray(image, dtype=np.uint8)


def write_image(path: Path, image: ImageArray, *, quality: int = 95) -> None:
    """Write (H, W, 3) uint8 RGB to `path` atomically, in the format of its suffix.

    quality: of a JPEG, 0 to 100. Raises InputError for a suffix that OpenCV has no writer for.
    """
    if not cv2.haveImageWriter(path.name):
        raise InputError(f"{path}: no image format is written as {path.suffix!r}; use .jpg or .png")
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix.lower() in (".jpg", ".jpeg") else []
    with replacing(path) as temporary:
        cv2.imwrite(str(temporary), bgr, options)

"""Survey of the image files of a data set: existence, decoding errors, sizes, digests and thumbnails.

Legend: F images.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fairmot.formats.images import read_image
from fairmot.formats.jpeg import read_jpeg_size, read_orientation
from fairmot.geometry.arrays import BoolArray, ImageArray, IntArray
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import parallel_map

ALL, NO_IMAGES = "all", "none"
MISSING = "no such image"
THUMB = 24  # side of the thumbnails
_DIGEST_BYTES = 16
_SERIAL_BELOW = 32
_PNG = b"\x89PNG\r\n\x1a\n"

Bar = Callable[[Iterable["ImageFacts"], int], Iterable["ImageFacts"]]


class ImageFacts(NamedTuple):
    """One image: problem ("" for none), (height, width) (0 unknown), digest of its bytes (empty if unread), and grey
    thumbnail (empty if not decoded).
    """

    problem: str = ""
    hw: tuple[int, int] = (0, 0)
    digest: bytes = b""
    thumb: bytes = b""


@dataclass(frozen=True)
class ImageSurvey:
    """F images.

    problems: index -> problem.
    hw: (F, 2) true height and width, upright by EXIF, 0 where unknown.
    digests: F digests of the bytes, b"" where unread.
    thumbs: (F, 24 * 24) uint8 grey; has_thumb: (F,) whether the image was decoded.
    """

    problems: dict[int, str]
    hw: IntArray
    digests: tuple[bytes, ...]
    thumbs: npt.NDArray[np.uint8]
    has_thumb: BoolArray


def survey_images(
    paths: Sequence[Path], *, decode: str = ALL, processes: int = 0, bar: Bar = lambda facts, _: facts
) -> ImageSurvey:
    """Read all images and decode them.

    decode: all | none (read no file) | a number of evenly spaced images. processes: 0 = one per available core.
    Raises InputError where a process is killed.
    """
    if decode == NO_IMAGES:
        return _to_survey([ImageFacts()] * len(paths))
    is_decoded = np.zeros(len(paths), dtype=np.bool_)
    count = len(paths) if decode == ALL else min(int(decode), len(paths))
    is_decoded[np.linspace(0, len(paths) - 1, count).round().astype(np.int64)] = True
    tasks = list(zip(map(str, paths), is_decoded.tolist(), strict=True))
    processes = 1 if len(paths) < _SERIAL_BELOW else processes
    # Processes, since the JPEG decoder holds the interpreter lock.
    return _to_survey(bar(parallel_map(_survey_image, tasks, processes=processes, chunk=16), len(tasks)))


def _survey_image(task: tuple[str, bool]) -> ImageFacts:
    name, is_decoded = task
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - by the hundred thousand
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ImageFacts(MISSING)
    except OSError as error:
        return ImageFacts(f"cannot be read: {error.strerror}")
    digest = hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()
    if not data:
        return ImageFacts("an empty file", digest=digest)
    if not is_decoded:
        return ImageFacts("", _header_size(data), digest)
    try:
        image = read_image(Path(name))
    except InputError as error:
        return ImageFacts(str(error).removeprefix(f"{name}: "), digest=digest)
    return ImageFacts("", (image.shape[0], image.shape[1]), digest, thumbnail(image))


def _header_size(data: bytes) -> tuple[int, int]:
    """Return the height and width that a file's header states, upright; 0 for formats other than JPEG and PNG."""
    if data.startswith(_PNG):
        return int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    size_hw = read_jpeg_size(data)
    if size_hw is None:
        return 0, 0
    return size_hw[::-1] if read_orientation(data) >= 5 else size_hw


def thumbnail(image: ImageArray) -> bytes:
    """Return 24 x 24 grey values, each the mean of its part of the image (H, W, 3)."""
    small = cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return bytes(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).tobytes())


def _to_survey(results: Iterable[ImageFacts]) -> ImageSurvey:
    facts = list(results)
    pixels = np.frombuffer(b"".join(fact.thumb or bytes(THUMB * THUMB) for fact in facts), dtype=np.uint8)
    return ImageSurvey(
        problems={index: fact.problem for index, fact in enumerate(facts) if fact.problem},
        hw=np.array([fact.hw for fact in facts], dtype=np.int64).reshape(-1, 2),
        digests=tuple(fact.digest for fact in facts),
        thumbs=pixels.reshape(-1, THUMB * THUMB),
        has_thumb=np.array([bool(fact.thumb) for fact in facts], dtype=np.bool_),
    )

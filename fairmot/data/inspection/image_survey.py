"""What the image files of a data set are: there, sound, how large, and which are the same. Legend: F images."""

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
THUMB = 24  # side of the thumbnails that tell pictures apart
_DIGEST_BYTES = 16
_SERIAL_BELOW = 32
_PNG = b"\x89PNG\r\n\x1a\n"

Bar = Callable[[Iterable["ImageFacts"], int], Iterable["ImageFacts"]]


class ImageFacts(NamedTuple):
    """One image: what is wrong with it ("" nothing), (height, width) (0 unknown), the digest of its bytes (empty where
    unread), and a grey thumbnail (empty where it was not decoded).
    """

    problem: str
    hw: tuple[int, int] = (0, 0)
    digest: bytes = b""
    thumb: bytes = b""


@dataclass(frozen=True)
class ImageSurvey:
    """F images.

    problems: place -> what is wrong.
    hw: (F, 2) true height and width, upright by EXIF, 0 where unknown.
    digests: F digests of the bytes, b"" where unread.
    thumbs: (F, 24 * 24) uint8 grey; has_thumb: (F,) whether the image was decoded.
    """

    problems: dict[int, str]
    hw: IntArray
    digests: tuple[bytes, ...]
    thumbs: npt.NDArray[np.uint8]
    has_thumb: BoolArray

    def missing(self) -> list[int]:
        """Return the places of files that are not there."""
        return [place for place, problem in self.problems.items() if problem == MISSING]

    def broken(self) -> list[int]:
        """Return the places of files that cannot be decoded."""
        return [place for place, problem in self.problems.items() if problem != MISSING]


def no_survey(count: int) -> ImageSurvey:
    """Return a survey of images that nobody looked at."""
    return _to_survey([ImageFacts("")] * count)


def survey_images(
    paths: Sequence[Path], *, decode: str = ALL, processes: int = 0, bar: Bar = lambda facts, _: facts
) -> ImageSurvey:
    """Read all images and decode all of them, or as many as `decode` says, evenly spread ("none": look at nothing).

    processes: 0 = one a core that this process may use.
    Raises InputError where a process is killed.
    """
    if decode == NO_IMAGES:
        return no_survey(len(paths))
    chosen = np.zeros(len(paths), dtype=np.bool_)
    most = len(paths) if decode == ALL else min(int(decode), len(paths))
    chosen[np.linspace(0, len(paths) - 1, most).round().astype(np.int64)] = True
    tasks = list(zip(map(str, paths), chosen.tolist(), strict=True))
    processes = 1 if len(paths) < _SERIAL_BELOW else processes
    # Processes, since the JPEG decoder lets no other thread run.
    return _to_survey(bar(parallel_map(_look_at, tasks, processes=processes, chunk=16), len(tasks)))


def _look_at(task: tuple[str, bool]) -> ImageFacts:
    name, decode = task
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
    if not decode:
        return ImageFacts("", _stated_size(data), digest)
    try:
        image = read_image(Path(name))
    except InputError as error:
        return ImageFacts(str(error).removeprefix(f"{name}: "), digest=digest)
    return ImageFacts("", (image.shape[0], image.shape[1]), digest, thumbnail(image))


def _stated_size(data: bytes) -> tuple[int, int]:
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


def _to_survey(facts: Iterable[ImageFacts]) -> ImageSurvey:
    problems: dict[int, str] = {}
    sizes: list[tuple[int, int]] = []
    digests: list[bytes] = []
    thumbs: list[bytes] = []
    for place, fact in enumerate(facts):
        if fact.problem:
            problems[place] = fact.problem
        sizes.append(fact.hw)
        digests.append(fact.digest)
        thumbs.append(fact.thumb)
    blank = bytes(THUMB * THUMB)
    pixels = np.frombuffer(b"".join(thumb or blank for thumb in thumbs), dtype=np.uint8)
    return ImageSurvey(
        problems,
        np.array(sizes, dtype=np.int64).reshape(-1, 2),
        tuple(digests),
        pixels.reshape(-1, THUMB * THUMB),
        np.array([bool(thumb) for thumb in thumbs], dtype=np.bool_),
    )

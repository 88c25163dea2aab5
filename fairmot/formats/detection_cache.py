"""Detection cache: the detections of a sequence in one `.npz`, from which trackers can be run and compared alone.

Arrays: `frame_counts` (F,), `boxes_xyxy` (N, 4) in pixels, `scores` (N,), `embeddings` (N, D) of unit length,
`frame_rate` in 1/s, and with several classes `classes` (N,). Optional: `times` (F,) seconds since the first frame,
`camera_motion` (F, 2, 3) affines that map points of the previous frame to this one, `frame_numbers` (F,) if not 1 to F,
`can_initiate` (N,) which detections may start a track. Other arrays in the file are ignored.
"""

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fairmot.formats.atomic import atomic_write
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray, require_shape
from fairmot.structures.detections import Detections
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError

MIN_SAVED_SCORE = 0.1  # detections below are not written
REQUIRED = ("frame_counts", "boxes_xyxy", "scores", "embeddings", "frame_rate")
OPTIONAL = ("classes", "times", "camera_motion", "frame_numbers", "can_initiate")


class ArraySpec(NamedTuple):
    """Array of a cache with a row per frame or per detection.

    row: shape of a row, 0 for any length. kinds: kinds of numbers that are accepted when reading.
    """

    dtype: type[np.generic]
    per_frame: bool = False
    row: tuple[int, ...] = ()
    kinds: str = "iuf"


ARRAYS = {
    "frame_counts": ArraySpec(np.int64, per_frame=True, kinds="iu"),
    "frame_numbers": ArraySpec(np.int64, per_frame=True, kinds="iu"),
    "times": ArraySpec(np.float64, per_frame=True),
    "camera_motion": ArraySpec(np.float64, per_frame=True, row=(2, 3)),
    "boxes_xyxy": ArraySpec(np.float32, row=(4,)),
    "scores": ArraySpec(np.float32),
    "classes": ArraySpec(np.int64, kinds="iu"),
    "can_initiate": ArraySpec(np.bool_, kinds="b"),
    "embeddings": ArraySpec(np.float32, row=(0,)),
}


@dataclass(frozen=True)
class DetectionCache:
    """N detections of F frames, in frame order.

    frame_counts: (F,) number of detections in each frame.
    boxes_xyxy, scores, embeddings: (N, 4), (N,) and (N, D), float32; boxes in pixels, embeddings of unit length.
    frame_rate: 1/s.
    classes: (N,) class index from 0; default: zeros.
    times: (F,) seconds since the first frame, NaN where unknown; None if all are unknown.
    camera_motion: (F, 2, 3) float64, maps points of the previous frame to this one; None if unknown.
    frame_numbers: (F,) increasing, from 1 or more; default: 1 to F. Missing numbers are missing frames.
    can_initiate: (N,) which detections may start a track; None for all.

    Raises ValueError, starting with the array's name: inconsistent shapes, negative counts or classes, values that are
    not finite, a frame rate that is not positive, frame numbers that do not increase, times that decrease.
    """

    frame_counts: IntArray
    boxes_xyxy: FloatArray
    scores: FloatArray
    embeddings: FloatArray
    frame_rate: float = 30.0
    classes: IntArray | None = None
    times: FloatArray | None = None
    camera_motion: FloatArray | None = None
    frame_numbers: IntArray | None = None
    can_initiate: BoolArray | None = None

    def __post_init__(self) -> None:
        if self.classes is None:
            object.__setattr__(self, "classes", np.zeros(len(self.scores), dtype=np.int64))
        self._check_shapes()
        self._check_values()

    def _check_shapes(self) -> None:
        frames, count = len(self.frame_counts), len(self.scores)
        for name, spec in ARRAYS.items():
            array = getattr(self, name)
            if array is not None:
                require_shape(name, array, (frames if spec.per_frame else count, *(n or None for n in spec.row)))
        if (self.frame_counts < 0).any() or self.frame_counts.sum() != count:
            raise ValueError(f"frame_counts: {self.frame_counts.sum()} detections in total, but {count} scores")

    def _check_values(self) -> None:
        for name in ("boxes_xyxy", "scores", "embeddings", "camera_motion"):
            array = getattr(self, name)
            if array is not None and not np.isfinite(array).all():
                raise ValueError(f"{name}: a value is not finite")
        if (self.class_index < 0).any():
            raise ValueError("classes: a class index is below 0")
        if not np.isfinite(self.frame_rate) or self.frame_rate <= 0:
            raise ValueError(f"frame_rate: {self.frame_rate} is not a positive number")
        if self.times is not None:
            known = self.times[~np.isnan(self.times)]
            if np.isinf(known).any():
                raise ValueError("times: a value is infinite")
            if (np.diff(known) < 0).any():
                raise ValueError("times: not ascending")
        numbers = self.frame_numbers
        if numbers is not None and len(numbers) and (numbers[0] < 1 or (np.diff(numbers) < 1).any()):
            raise ValueError("frame_numbers: not increasing from 1 or more")

    @classmethod
    def from_frames(cls, frames: Iterable[Detections], *, frame_rate: float) -> "DetectionCache":
        """Return the cache of a sequence's detections, given by frame."""
        by_frame = list(frames)
        some = [frame for frame in by_frame if len(frame)]
        nothing = np.zeros((0, some[0].embeddings.shape[1] if some else 0))
        return cls(
            frame_counts=np.array([len(frame) for frame in by_frame], dtype=np.int64),
            boxes_xyxy=np.concatenate([np.zeros((0, 4)), *(frame.boxes_xyxy for frame in some)]).astype(np.float32),
            scores=np.concatenate([np.zeros(0), *(frame.scores for frame in some)]).astype(np.float32),
            embeddings=np.concatenate([nothing, *(frame.embeddings for frame in some)]).astype(np.float32),
            frame_rate=frame_rate,
            classes=np.concatenate([np.zeros(0, np.int64), *(frame.class_index for frame in some)]),
        )

    @property
    def class_index(self) -> IntArray:
        """(N,) class indices; never None."""
        if self.classes is None:
            raise ValueError("classes: not set")
        return self.classes

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.frame_counts)

    def frames(self) -> Iterator[Detections]:
        """Yield the detections of each frame."""
        return (frame.detections for frame in self.tracker_inputs())

    def tracker_inputs(self) -> Iterator[TrackerInput]:
        """Yield the tracker's input of each frame."""
        numbers = np.arange(1, len(self) + 1) if self.frame_numbers is None else self.frame_numbers
        ends = np.cumsum(self.frame_counts)
        for index, (start, end) in enumerate(zip((ends - self.frame_counts).tolist(), ends.tolist(), strict=True)):
            yield TrackerInput(
                frame=int(numbers[index]),
                detections=Detections(
                    self.boxes_xyxy[start:end],
                    self.scores[start:end],
                    self.embeddings[start:end],
                    self.class_index[start:end],
                ),
                time=None if self.times is None or np.isnan(self.times[index]) else float(self.times[index]),
                camera_motion=None if self.camera_motion is None else self.camera_motion[index],
                can_initiate=None if self.can_initiate is None else self.can_initiate[start:end],
            )

    def truncate_embeddings(self, length: int) -> "DetectionCache":
        """Return the cache with the first `length` values of each embedding, normalized to unit length."""
        first_NL = self.embeddings[:, :length]
        norms_N1 = np.linalg.norm(first_NL, axis=1, keepdims=True)
        return replace(self, embeddings=first_NL / np.maximum(norms_N1, np.finfo(np.float32).tiny))


def read_cache(path: Path) -> DetectionCache:
    """Read a detection cache; InputError with the file and the missing or invalid array."""
    arrays = _load_arrays(path)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise InputError(f"{path}: array {missing[0]} is missing; a detection cache has {', '.join(REQUIRED)}")
    frame_rate = arrays.pop("frame_rate")
    for name, array in {"frame_rate": frame_rate, **arrays}.items():
        spec = ARRAYS.get(name, ArraySpec(np.float64))
        has_shape = array.size == 1 if name == "frame_rate" else array.ndim == 1 + len(spec.row)
        if array.dtype.kind not in spec.kinds or not has_shape:
            raise InputError(f"{path}: {name}: {array.dtype} of shape {array.shape} does not fit a detection cache")
    typed: dict[str, Any] = {name: array.astype(ARRAYS[name].dtype) for name, array in arrays.items()}
    try:
        return DetectionCache(**typed, frame_rate=float(frame_rate.reshape(())))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def write_cache(path: Path, cache: DetectionCache) -> None:
    """Write `cache` (`.npz`) atomically, without the detections below MIN_SAVED_SCORE; all frames remain."""
    given = {name: getattr(cache, name) for name in (*REQUIRED, *OPTIONAL)}
    arrays = {name: np.asarray(array) for name, array in given.items() if array is not None}
    kept = cache.scores >= np.float32(MIN_SAVED_SCORE)
    frame_of_row = np.repeat(np.arange(len(cache)), cache.frame_counts)
    arrays["frame_counts"] = np.bincount(frame_of_row[kept], minlength=len(cache))
    per_detection = [name for name in arrays if name in ARRAYS and not ARRAYS[name].per_frame]
    save_arrays(path, arrays | {name: arrays[name][kept] for name in per_detection})


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a cache's arrays by name (`.npz`) atomically; memory-mapped arrays are copied in pieces."""
    if path.suffix != ".npz":
        raise InputError(f"{path}: a detection cache is a .npz file")
    with atomic_write(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def _load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the cache's arrays in a file, by name."""
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("a single array")
        with file:
            return {name: file[name] for name in (*REQUIRED, *OPTIONAL) if name in file}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError) as error:
        raise InputError(f"{path}: not a readable .npz file: {' '.join(str(error).split())}") from None

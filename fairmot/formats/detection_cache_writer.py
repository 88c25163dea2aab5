"""A detection cache that is written while a run goes on, in memory that does not grow with it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fairmot.formats.atomic import check_writable
from fairmot.formats.detection_cache import MIN_SAVED_SCORE, save_arrays
from fairmot.formats.text_io import part_path
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError

_AT_REST = np.eye(2, 3)


class _Kind(NamedTuple):
    """How the rows of an array lie in its file."""

    dtype: type[np.generic]
    row: tuple[int, ...] = ()


_KINDS = {
    "frame_counts": _Kind(np.int64),
    "frame_numbers": _Kind(np.int64),
    "times": _Kind(np.float64),
    "camera_motion": _Kind(np.float64, (2, 3)),
    "boxes_xyxy": _Kind(np.float32, (4,)),
    "scores": _Kind(np.float32),
    "classes": _Kind(np.int64),
    "can_initiate": _Kind(np.bool_),
}  # and the embeddings, float32, whose length the first detection tells


class DetectionCacheWriter:
    """Takes a run's frames and gives a detection cache: `path`, written when the block succeeds.

    Until then the arrays lie in the folder `<path>.part`, each in a file of its own; it goes when the block ends.
    Detections below LOWEST_SCORE, and boxes that are not finite, are left out; an embedding that is not finite is
    written as zero. Trackers take them so. InputError where the disk refuses, or for a path that is no .npz.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        if path.suffix != ".npz":
            raise InputError(f"{path}: a detection cache is a .npz file")
        self.path = path
        self._folder = part_path(path)
        self._frame_rate = frame_rate
        self._files: dict[str, BinaryIO] = {}
        self._dimension = 0
        self._has_time = self._has_motion = self._has_limits = False
        self._stack = ExitStack()

    def add(self, observation: TrackerInput) -> None:
        """Append one frame; ValueError where its embeddings are of another length than those before."""
        kept = observation.detections.scores.astype(np.float32) >= np.float32(MIN_SAVED_SCORE)
        kept &= np.isfinite(observation.detections.boxes_xyxy.astype(np.float32)).all(axis=1)
        detections = observation.detections[kept]
        self._require_dimension(detections.embeddings)
        motion, can_initiate = observation.camera_motion, observation.can_initiate
        self._has_time |= observation.time is not None
        self._has_motion |= motion is not None
        self._has_limits |= can_initiate is not None
        rows: dict[str, Any] = {
            "frame_counts": len(detections),
            "frame_numbers": observation.frame,
            "times": np.nan if observation.time is None else observation.time,
            "camera_motion": _AT_REST if motion is None else motion,
            "boxes_xyxy": detections.boxes_xyxy,
            "scores": detections.scores,
            "classes": detections.class_index,
            "can_initiate": np.ones(len(detections)) if can_initiate is None else can_initiate[kept],
        }
        with self._refusals():
            for name, kind in _KINDS.items():
                self._files[name].write(np.asarray(rows[name], dtype=kind.dtype).tobytes())
            self._files["embeddings"].write(_finite_or_zero(detections.embeddings).tobytes())

    def _require_dimension(self, embeddings: npt.NDArray[Any]) -> None:
        if not len(embeddings):
            return
        self._dimension = self._dimension or embeddings.shape[1]
        if embeddings.shape[1] != self._dimension:
            raise ValueError(f"embeddings: {embeddings.shape[1]} values, those before had {self._dimension}")

    def _assemble(self) -> None:
        for file in self._files.values():
            file.close()
        arrays: dict[str, npt.NDArray[Any]] = {name: self._map(name, kind) for name, kind in _KINDS.items()}
        arrays["embeddings"] = self._map("embeddings", _Kind(np.float32, (self._dimension,)))
        numbers = arrays["frame_numbers"]
        even = bool((numbers == np.arange(1, len(numbers) + 1)).all())
        known = {"times": self._has_time, "camera_motion": self._has_motion, "can_initiate": self._has_limits}
        left_out = {name for name, is_known in {**known, "frame_numbers": not even}.items() if not is_known}
        arrays["frame_rate"] = np.asarray(self._frame_rate, dtype=np.float64)
        save_arrays(self.path, {name: array for name, array in arrays.items() if name not in left_out})

    def _map(self, name: str, kind: _Kind) -> npt.NDArray[Any]:
        """Return an array over its file; nothing can be mapped of one without bytes, which is an array of no rows."""
        path = self._folder / name
        if not path.stat().st_size:
            return np.zeros((0, *kind.row), kind.dtype)
        return np.memmap(path, dtype=kind.dtype, mode="r").reshape(-1, *kind.row)

    def __enter__(self) -> Self:
        check_writable(self.path)
        with self._refusals(), ExitStack() as stack:
            shutil.rmtree(self._folder, ignore_errors=True)  # a killed run's
            self._folder.mkdir()
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            for name in (*_KINDS, "embeddings"):
                self._files[name] = stack.enter_context((self._folder / name).open("wb"))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with self._stack, self._refusals():
                self._assemble()
            return
        with suppress(OSError):  # what is thrown away need not be whole
            self._stack.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror or error}") from None


def _finite_or_zero(embeddings: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(N, D) -> float32, zeros where a row holds a value that is not finite."""
    values = embeddings.astype(np.float32)
    return np.where(np.isfinite(values).all(axis=1, keepdims=True), values, np.float32(0))

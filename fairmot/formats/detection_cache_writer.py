"""Incremental writer of detection caches, with bounded memory."""

import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from fairmot.formats.atomic import check_writable, write_errors
from fairmot.formats.detection_cache import ARRAYS, MIN_SAVED_SCORE, save_arrays
from fairmot.formats.text_io import part_path
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError


class DetectionCacheWriter:
    """Context manager that collects frames and writes the detection cache `path` when the block succeeds.

    Until then each array is a file in the folder `<path>.part`, which is removed at the end. Detections below
    MIN_SAVED_SCORE and boxes that are not finite are left out; an embedding that is not finite is written as zeros, as
    trackers treat it. Raises InputError for disk errors and for a path that is no .npz.
    """

    def __init__(self, path: Path, frame_rate: float) -> None:
        if path.suffix != ".npz":
            raise InputError(f"{path}: a detection cache is a .npz file")
        self.path = path
        self._folder = part_path(path)
        self._frame_rate = frame_rate
        self._files: dict[str, BinaryIO] = {}
        self._embedding_length = 0
        self._known: set[str] = set()  # optional arrays that some frame has
        self._stack = ExitStack()

    def add(self, frame: TrackerInput) -> None:
        """Append one frame; ValueError if its embeddings have another length than those before."""
        kept = frame.detections.scores.astype(np.float32) >= np.float32(MIN_SAVED_SCORE)
        kept &= np.isfinite(frame.detections.boxes_xyxy.astype(np.float32)).all(axis=1)
        detections = frame.detections[kept]
        length = detections.embeddings.shape[1] if len(detections) else self._embedding_length
        self._embedding_length = self._embedding_length or length
        if length != self._embedding_length:
            raise ValueError(f"embeddings: {length} values, those before had {self._embedding_length}")
        optional = {"times": frame.time, "camera_motion": frame.camera_motion, "can_initiate": frame.can_initiate}
        self._known |= {name for name, value in optional.items() if value is not None}
        embeddings = detections.embeddings.astype(np.float32)
        is_finite = np.isfinite(embeddings).all(axis=1, keepdims=True)
        rows: dict[str, Any] = {
            "frame_counts": len(detections),
            "frame_numbers": frame.frame,
            "times": np.nan if frame.time is None else frame.time,
            "camera_motion": np.eye(2, 3) if frame.camera_motion is None else frame.camera_motion,
            "boxes_xyxy": detections.boxes_xyxy,
            "scores": detections.scores,
            "classes": detections.class_index,
            "can_initiate": np.ones(len(detections)) if frame.can_initiate is None else frame.can_initiate[kept],
            "embeddings": np.where(is_finite, embeddings, np.float32(0)),
        }
        with write_errors(self.path):
            for name, spec in ARRAYS.items():
                self._files[name].write(np.asarray(rows[name], dtype=spec.dtype).tobytes())

    def _assemble(self) -> None:
        for file in self._files.values():
            file.close()
        arrays = {name: self._map(name) for name in ARRAYS}
        numbers = arrays["frame_numbers"]
        if (numbers != np.arange(1, len(numbers) + 1)).any():
            self._known.add("frame_numbers")
        for name in {"times", "camera_motion", "can_initiate", "frame_numbers"} - self._known:
            del arrays[name]
        save_arrays(self.path, {**arrays, "frame_rate": np.asarray(self._frame_rate, dtype=np.float64)})

    def _map(self, name: str) -> npt.NDArray[Any]:
        """Return a memory map of an array's file, or an array without rows for an empty file."""
        spec, path = ARRAYS[name], self._folder / name
        row = (self._embedding_length,) if name == "embeddings" else spec.row
        if not path.stat().st_size:
            return np.zeros((0, *row), spec.dtype)
        return np.memmap(path, dtype=spec.dtype, mode="r").reshape(-1, *row)

    def __enter__(self) -> Self:
        check_writable(self.path)
        with write_errors(self.path), ExitStack() as stack:
            shutil.rmtree(self._folder, ignore_errors=True)  # left by a killed process
            self._folder.mkdir()
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            for name in ARRAYS:
                self._files[name] = stack.enter_context((self._folder / name).open("wb"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with self._stack, write_errors(self.path):
                self._assemble()
            return
        with suppress(OSError):  # the incomplete files are removed
            self._stack.close()

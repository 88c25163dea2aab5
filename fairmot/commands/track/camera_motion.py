"""The camera's motion of each frame: estimated from its picture, from a file, or from a detection cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairmot.formats.camera_motion import read_camera_motion
from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_camera_motion
from fairmot.tracking.camera_motion import CameraMotionEstimator
from fairmot.utils.errors import InputError


class FrameInput(NamedTuple):
    """A frame's picture, (H, W, 3) RGB uint8, and what the tracker is to be told of it."""

    image: ImageArray
    tracker_input: TrackerInput


class FileMotion:
    """Affines of a file by frame number; those of frames that were left out are chained.

    matrices: (F, 2, 3), row n - 1 carries points of frame n - 1 to frame n. Beyond them the camera stands still.
    """

    def __init__(self, matrices: FloatArray) -> None:
        self._matrices = matrices
        self._last: int | None = None

    def at(self, frame: int) -> FloatArray:
        """Return the (2, 3) affine from the frame asked for before to this one, the identity at the first."""
        chained = np.eye(3)
        for number in range(frame if self._last is None else self._last, frame):
            if number < len(self._matrices):  # row `number` leads to frame number + 1
                chained = np.vstack([self._matrices[number], [0.0, 0.0, 1.0]]) @ chained
        self._last = frame
        return chained[:2]


def build_camera_motion_step(cfg: Any, sequence: str, *, skipped: int = 0) -> Callable[[FrameInput], FrameInput] | None:
    """Return the step that adds the camera's motion to what is seen of a sequence; None where it is taken to rest.

    skipped: frames of the sequence that come before the one called 1; a file counts them.
    """
    if cfg.TRACKER.CAMERA_MOTION == "file":
        motion = _open_file(cfg, sequence)
        return lambda seen: seen._replace(
            tracker_input=replace(seen.tracker_input, camera_motion=motion.at(seen.tracker_input.frame + skipped))
        )
    estimator = build_camera_motion(cfg)
    return None if estimator is None else lambda seen: _estimate(seen, estimator)


def build_replay_motion_step(
    cfg: Any, sequence: str, *, cache: Path, has_motion: bool
) -> Callable[[TrackerInput], TrackerInput]:
    """Return the step that gives a replay the camera's motion that the configuration asks for.

    With `flow` and `ecc` it is the one in the cache, InputError where there is none; with `none` it is left out.
    """
    kind = cfg.TRACKER.CAMERA_MOTION
    if kind == "file":
        motion = _open_file(cfg, sequence)
        return lambda seen: replace(seen, camera_motion=motion.at(seen.frame))
    if kind == "none":
        return lambda seen: replace(seen, camera_motion=None)
    if not has_motion:
        raise InputError(
            f"TRACKER.CAMERA_MOTION = {kind!r}: {cache} holds no camera motion, and no pictures to estimate it from; "
            "use none or file, or save the cache with it on"
        )
    return lambda seen: seen


def camera_motion_path(cfg: Any, sequence: str) -> Path | None:
    """Return the file that the configuration takes a sequence's camera motion from; None where it names none.

    TRACKER.CAMERA_FILE is one file, or a folder of `<sequence>.txt`.
    """
    if cfg.TRACKER.CAMERA_MOTION != "file" or not cfg.TRACKER.CAMERA_FILE:
        return None
    path = Path(cfg.TRACKER.CAMERA_FILE)
    return path / f"{sequence}.txt" if path.is_dir() else path


def _estimate(seen: FrameInput, estimator: CameraMotionEstimator) -> FrameInput:
    motion = estimator.update(seen.image, seen.tracker_input.detections.boxes_xyxy)
    return seen._replace(tracker_input=replace(seen.tracker_input, camera_motion=motion))


def _open_file(cfg: Any, sequence: str) -> FileMotion:
    path = camera_motion_path(cfg, sequence)
    if path is None:
        raise InputError("TRACKER.CAMERA_FILE: empty, where TRACKER.CAMERA_MOTION = 'file' wants one")
    return FileMotion(read_camera_motion(path))

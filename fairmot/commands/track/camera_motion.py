"""Camera motion of each frame: estimated from its image, from a file, or from a detection cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fairmot.formats.camera_motion import read_camera_motion
from fairmot.geometry.arrays import FloatArray, ImageArray
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.build import build_camera_motion
from fairmot.utils.errors import InputError


class FrameInput(NamedTuple):
    """A frame's image, (H, W, 3) RGB uint8, and the tracker's input."""

    image: ImageArray
    tracker_input: TrackerInput


class FileMotion:
    """Affines of a file by frame number; those of skipped frames are composed.

    matrices: (F, 2, 3), row n - 1 maps points of frame n - 1 to frame n. Later frames have no motion.
    """

    def __init__(self, matrices: FloatArray) -> None:
        self._matrices = matrices
        self._last: int | None = None

    def at(self, frame: int) -> FloatArray:
        """Return the (2, 3) affine from the frame of the previous call to this one; the identity at the first call."""
        composed = np.eye(3)
        for number in range(frame if self._last is None else self._last, frame):
            if number < len(self._matrices):  # row `number` maps to frame number + 1
                composed = np.vstack([self._matrices[number], [0.0, 0.0, 1.0]]) @ composed
        self._last = frame
        return composed[:2]


def build_camera_motion_step(cfg: Any, sequence: str, *, skipped: int = 0) -> Callable[[FrameInput], FrameInput] | None:
    """Return a step that adds the camera motion to each frame of a sequence; None if motion is not compensated.

    skipped: frames of the sequence before the one numbered 1; a file counts them.
    """
    if cfg.TRACKER.CAMERA_MOTION == "file":
        motion = _read_motion(cfg, sequence)
        return lambda item: _with_motion(item, motion.at(item.tracker_input.frame + skipped))
    estimator = build_camera_motion(cfg)
    if estimator is None:
        return None
    return lambda item: _with_motion(item, estimator.update(item.image, item.tracker_input.detections.boxes_xyxy))


def build_replay_motion_step(
    cfg: Any, sequence: str, *, cache: Path, has_motion: bool
) -> Callable[[TrackerInput], TrackerInput]:
    """Return a step that gives the frames of a detection cache the configured camera motion.

    With `flow` and `ecc` it is the cache's (InputError if there is none), with `none` it is removed.
    """
    kind = cfg.TRACKER.CAMERA_MOTION
    if kind == "file":
        motion = _read_motion(cfg, sequence)
        return lambda item: replace(item, camera_motion=motion.at(item.frame))
    if kind == "none":
        return lambda item: replace(item, camera_motion=None)
    if not has_motion:
        advice = "set it to none or file, or save the cache with camera motion"
        raise InputError(f"TRACKER.CAMERA_MOTION = {kind!r}: {cache} has no camera motion and no images; {advice}")
    return lambda item: item


def camera_motion_path(cfg: Any, sequence: str) -> Path | None:
    """Return the camera motion file of a sequence; None if none is configured.

    TRACKER.CAMERA_FILE is one file, or a folder of `<sequence>.txt`.
    """
    if cfg.TRACKER.CAMERA_MOTION != "file" or not cfg.TRACKER.CAMERA_FILE:
        return None
    path = Path(cfg.TRACKER.CAMERA_FILE)
    return path / f"{sequence}.txt" if path.is_dir() else path


def _with_motion(item: FrameInput, motion: FloatArray) -> FrameInput:
    return item._replace(tracker_input=replace(item.tracker_input, camera_motion=motion))


def _read_motion(cfg: Any, sequence: str) -> FileMotion:
    path = camera_motion_path(cfg, sequence)
    if path is None:
        raise InputError("TRACKER.CAMERA_FILE: empty, but required by TRACKER.CAMERA_MOTION = 'file'")
    return FileMotion(read_camera_motion(path))

"""Tracker input: the detections of one frame with its number, time and camera motion."""

from dataclasses import dataclass

from fairmot.geometry.arrays import BoolArray, FloatArray, require_shape
from fairmot.structures.detections import Detections


@dataclass(frozen=True)
class TrackerInput:
    """Input of `JointTracker.update` for one frame.

    frame: frame number from 1; skipped numbers are frames without detections.
    time: seconds since the first frame; None for evenly spaced frames.
    camera_motion: (2, 3) affine from the previous frame's coordinates to this frame's; None for a static camera.
    can_initiate: (N,) mask of the detections that may initiate tracks; None for all.

    Raises ValueError where shapes disagree.
    """

    frame: int
    detections: Detections
    time: float | None = None
    camera_motion: FloatArray | None = None
    can_initiate: BoolArray | None = None

    def __post_init__(self) -> None:
        if self.camera_motion is not None:
            require_shape("camera_motion", self.camera_motion, (2, 3))
        if self.can_initiate is not None:
            require_shape("can_initiate", self.can_initiate, (len(self.detections),))

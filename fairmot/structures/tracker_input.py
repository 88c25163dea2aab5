"""What a tracker is told of one frame."""

from dataclasses import dataclass

from fairmot.geometry.arrays import BoolArray, FloatArray, require_shape
from fairmot.structures.detections import Detections


@dataclass(frozen=True)
class TrackerInput:
    """The detections of one frame and what else is known of it.

    frame: its number, from 1; numbers that are left out are frames that nobody saw.
    time: seconds since the first frame; None where frames are evenly spaced.
    camera_motion: (2, 3) affine that carries points of the previous frame to this one; None for a camera at rest.
    can_initiate: (N,) which detections may start a track; None for all.

    Raises ValueError when shapes disagree.
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

"""What a tracker says of one frame."""

from dataclasses import dataclass

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape


@dataclass(frozen=True)
class Tracks:
    """The tracks seen in one frame, N of them.

    ids: (N,) identities from 1, counted by the tracker that made them.
    boxes_tlwh: (N, 4) left, top, width, height in image pixels (the Kalman state).
    scores: (N,) score of the detection behind each track.
    classes: (N,) class index from 0.
    detection_index: (N,) row of that detection in the Detections given to `update`.
    """

    ids: IntArray
    boxes_tlwh: FloatArray
    scores: FloatArray
    classes: IntArray
    detection_index: IntArray

    def __post_init__(self) -> None:
        count = len(self.ids)
        require_shape("ids", self.ids, (count,))
        require_shape("boxes_tlwh", self.boxes_tlwh, (count, 4))
        for name in ("scores", "classes", "detection_index"):
            require_shape(name, getattr(self, name), (count,))

    def __len__(self) -> int:
        return len(self.ids)

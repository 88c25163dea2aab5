"""What a tracker holds: candidates of this frame and a table of tracks, one array a property."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray, require_shape, rows_of
from fairmot.geometry.boxes import tlwh_to_xyxy, xyxy_to_tlwh
from fairmot.structures.detections import Detections
from fairmot.structures.tracks import AssociationStage
from fairmot.tracking import kalman
from fairmot.tracking.costs import normalise
from fairmot.tracking.kalman import BoxModel, KalmanState
from fairmot.utils.errors import InputError


class TrackState(IntEnum):
    """TENTATIVE: seen once, needs a second sight. TRACKED: seen in this frame. LOST: not seen, may come back."""

    TENTATIVE = 0
    TRACKED = 1
    LOST = 2


@dataclass(frozen=True)
class Candidates:
    """The C detections of a frame that may be matched.

    index: (C,) their rows in the frame's Detections.
    measurements: (C, 4) as the Kalman filter takes them; float64.
    boxes_xyxy: (C, 4) float64.
    embeddings: (C, D) float32, unit length or zero.
    classes: (C,) class index.
    scores: (C,) the detections'.
    shares: (C,) float32, the share that an embedding takes in the smoothed one of a track that it is matched with.
    """

    index: IntArray
    measurements: FloatArray
    boxes_xyxy: FloatArray
    embeddings: FloatArray
    classes: IntArray
    scores: FloatArray
    update_weights: FloatArray

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: npt.NDArray[Any] | slice) -> "Candidates":
        """Return the candidates at an index array or mask, or of a slice."""
        return Candidates(
            self.index[index],
            self.measurements[index],
            self.boxes_xyxy[index],
            self.embeddings[index],
            self.classes[index],
            self.scores[index],
            self.update_weights[index],
        )


@np.errstate(over="ignore", invalid="ignore")
def select_candidates(
    detections: Detections, *, threshold: float, box: BoxModel = kalman.ASPECT_HEIGHT, share: float = 0.1
) -> Candidates:
    """Return the detections above the threshold that have a finite box of some height.

    Sizes are taken in float32 and then widened, as published; an embedding that is not finite counts as zero. All get
    the same `share`.
    """
    boxes_tlwh = xyxy_to_tlwh(detections.boxes_xyxy.astype(np.float32)).astype(np.float64)
    usable = (detections.scores > threshold) & (boxes_tlwh[:, 3] > 0)
    usable &= np.isfinite(boxes_tlwh).all(axis=1)
    index = rows_of(usable)
    boxes_tlwh = boxes_tlwh[index]
    embeddings = detections.embeddings[index].astype(np.float32)
    finite = np.isfinite(embeddings)
    if not finite.all():
        embeddings[~finite.all(axis=1)] = 0
    return Candidates(
        index=index,
        measurements=box.measure(boxes_tlwh),
        boxes_xyxy=tlwh_to_xyxy(boxes_tlwh),
        embeddings=normalise(embeddings),
        classes=detections.class_index[index].astype(np.int64),
        scores=detections.scores[index],
        update_weights=np.full(len(index), share, dtype=np.float32),
    )


@dataclass
class TrackTable:
    """N tracks, a row each; the rows of tentative and tracked ones come before those of lost ones.

    ids: (N,) identities.
    states: (N,) TrackState.
    means, covariances: (N, 8) and (N, 3, 4) Kalman beliefs.
    embeddings: (N, D) float32 smoothed embeddings.
    classes: (N,) class index, the first detection's.
    waits: (N,) the filter's steps since the latest match.
    start_frames, last_frames: (N,) the frames of the first and the latest match.
    expired: (N,) lost for too long once: such a track has one more frame to come back, and is not kept when lost again.
    detection_index: (N,) row of this frame's match in its Detections, -1 without.
    stages, costs: (N,) the Stage of the latest match, and what it cost.
    seen: (N, 4) measurement of the latest match.
    means_at_last_update, covariances_at_last_update: (N, 8) and (N, 3, 4) beliefs right after the latest match.
    """

    ids: IntArray
    states: IntArray
    means: FloatArray
    covariances: FloatArray
    embeddings: FloatArray
    classes: IntArray
    steps_since_update: FloatArray
    start_frames: IntArray
    last_frames: IntArray
    expired: BoolArray
    detection_index: IntArray
    stages: IntArray
    costs: FloatArray
    last_observation: FloatArray
    means_at_last_update: FloatArray
    covariances_at_last_update: FloatArray

    @classmethod
    def start(
        cls,
        candidates: Candidates,
        *,
        first_id: int,
        frame: int,
        state: TrackState,
        box: BoxModel = kalman.ASPECT_HEIGHT,
    ) -> "TrackTable":
        """Return one new track for each candidate, with identities from `first_id`."""
        count = len(candidates)
        belief = kalman.initiate(candidates.measurements, box=box)
        return cls(
            ids=np.arange(first_id, first_id + count),
            states=np.full(count, int(state)),
            means=belief.means,
            covariances=belief.covariances,
            embeddings=candidates.embeddings,
            classes=candidates.classes,
            steps_since_update=np.zeros(count),
            start_frames=np.full(count, frame),
            last_frames=np.full(count, frame),
            expired=np.zeros(count, dtype=np.bool_),
            detection_index=candidates.index,
            stages=np.full(count, int(AssociationStage.BIRTH)),
            costs=np.zeros(count),
            last_observation=candidates.measurements,
            means_at_last_update=belief.means.copy(),
            covariances_at_last_update=belief.covariances.copy(),
        )

    @classmethod
    def empty(cls) -> "TrackTable":
        """Return a table without rows."""
        nothing = Candidates(
            np.zeros(0, np.int64),
            np.zeros((0, 4)),
            np.zeros((0, 4)),
            np.zeros((0, 0), np.float32),
            np.zeros(0, np.int64),
            np.zeros(0),
            np.zeros(0, np.float32),
        )
        return cls.start(nothing, first_id=1, frame=0, state=TrackState.TENTATIVE)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[Any]) -> "TrackTable":
        """Return a table of the tracks at an index array or mask, in that order."""
        return TrackTable(*(getattr(self, name)[rows] for name in _COLUMNS))

    def joined(self, other: "TrackTable") -> "TrackTable":
        """Return the rows of both, these first."""
        if not len(other):
            return self
        if not len(self):
            return other
        return TrackTable(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS))

    def belief(self, rows: npt.NDArray[Any]) -> KalmanState:
        """Return a copy of the Kalman beliefs at `rows`."""
        return KalmanState(self.means[rows], self.covariances[rows])

    def set_belief(self, rows: npt.NDArray[Any], belief: KalmanState) -> None:
        """Replace the Kalman beliefs at `rows`."""
        self.means[rows], self.covariances[rows] = belief

    def boxes_xyxy(self, rows: IntArray, box: BoxModel) -> FloatArray:
        """(R, 4) boxes of the Kalman means at `rows`."""
        return tlwh_to_xyxy(box.boxes_tlwh(self.means[rows]))

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all columns by name."""
        return {field.name: getattr(self, field.name).copy() for field in fields(self)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> "TrackTable":
        """Return the table that `state_dict` described; InputError names a column that is missing or misshapen."""
        like = cls.empty()
        shapes: dict[str, tuple[int | None, ...]] = {
            "means": (8,),
            "covariances": (3, 4),
            "embeddings": (None,),
            "last_observation": (4,),
            "means_at_last_update": (8,),
            "covariances_at_last_update": (3, 4),
        }
        columns: dict[str, npt.NDArray[Any]] = {}
        for field in fields(cls):
            if field.name not in state:
                raise InputError(f"tracker state: {field.name} is missing")
            try:
                column = np.asarray(state[field.name]).astype(getattr(like, field.name).dtype)
                count = len(columns["ids"]) if columns else None
                require_shape(field.name, column, (count, *shapes.get(field.name, ())))
            except (ValueError, TypeError) as error:
                raise InputError(f"tracker state: {' '.join(str(error).split())}") from None
            columns[field.name] = column
        return cls(**columns)


_COLUMNS = tuple(field.name for field in fields(TrackTable))

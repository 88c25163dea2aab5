"""What a tracker holds: candidates of this frame and a table of tracks, one array a property."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray, require_shape
from fairmot.geometry.boxes import tlwh_to_xyxy, xyxy_to_tlwh
from fairmot.structures.detections import Detections
from fairmot.tracking import kalman
from fairmot.tracking.costs import normalise
from fairmot.tracking.kalman import KalmanState
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
    boxes_xyah: (C, 4) centre x, centre y, width / height, height; float64.
    boxes_xyxy: (C, 4) float64.
    embeddings: (C, D) float32, unit length or zero.
    classes: (C,) class index.
    """

    index: IntArray
    boxes_xyah: FloatArray
    boxes_xyxy: FloatArray
    embeddings: FloatArray
    classes: IntArray

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: npt.NDArray[Any]) -> "Candidates":
        """Return the candidates at an index array."""
        return Candidates(*(getattr(self, field.name)[index] for field in fields(self)))


@np.errstate(over="ignore", invalid="ignore")
def select_candidates(detections: Detections, *, conf_threshold: float) -> Candidates:
    """Return the detections above the threshold that have a finite box of some height.

    Sizes are taken in float32 and then widened, as published; an embedding that is not finite counts as zero.
    """
    boxes_tlwh = xyxy_to_tlwh(detections.boxes_xyxy.astype(np.float32)).astype(np.float64)
    usable = np.isfinite(boxes_tlwh).all(axis=1) & (boxes_tlwh[:, 3] > 0)
    index = np.flatnonzero(usable & (detections.scores > conf_threshold))
    boxes_tlwh = boxes_tlwh[index]
    embeddings = detections.embeddings[index].astype(np.float32)
    embeddings[~np.isfinite(embeddings).all(axis=1)] = 0
    return Candidates(
        index=index,
        boxes_xyah=_tlwh_to_xyah(boxes_tlwh),
        boxes_xyxy=tlwh_to_xyxy(boxes_tlwh),
        embeddings=normalise(embeddings),
        classes=detections.class_index[index].astype(np.int64),
    )


@dataclass
class TrackTable:
    """N tracks, a row each; the rows of tentative and tracked ones come before those of lost ones.

    ids: (N,) identities.
    states: (N,) TrackState.
    means, covariances: (N, 8) and (N, 8, 8) Kalman beliefs.
    embeddings: (N, D) float32 smoothed embeddings.
    classes: (N,) class index, the first detection's.
    start_frames, last_frames: (N,) the frames of the first and the latest match.
    expired: (N,) lost for too long once: such a track has one more frame to come back, and is not kept when lost again.
    detection_index: (N,) row of this frame's match in its Detections, -1 without.
    """

    ids: IntArray
    states: IntArray
    means: FloatArray
    covariances: FloatArray
    embeddings: FloatArray
    classes: IntArray
    start_frames: IntArray
    last_frames: IntArray
    expired: BoolArray
    detection_index: IntArray

    @classmethod
    def start(cls, candidates: Candidates, *, first_id: int, frame: int, state: TrackState) -> "TrackTable":
        """Return one new track for each candidate, with identities from `first_id`."""
        count = len(candidates)
        belief = kalman.initiate(candidates.boxes_xyah)
        return cls(
            ids=np.arange(first_id, first_id + count),
            states=np.full(count, int(state)),
            means=belief.means,
            covariances=belief.covariances,
            embeddings=candidates.embeddings,
            classes=candidates.classes,
            start_frames=np.full(count, frame),
            last_frames=np.full(count, frame),
            expired=np.zeros(count, dtype=np.bool_),
            detection_index=candidates.index,
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
        )
        return cls.start(nothing, first_id=1, frame=0, state=TrackState.TENTATIVE)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[Any]) -> "TrackTable":
        """Return a table of the tracks at an index array or mask, in that order."""
        return TrackTable(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, other: "TrackTable") -> "TrackTable":
        """Return the rows of both, these first."""
        if not len(other):
            return self
        if not len(self):
            return other
        return TrackTable(
            *(np.concatenate([getattr(self, field.name), getattr(other, field.name)]) for field in fields(self))
        )

    def belief(self, rows: IntArray) -> KalmanState:
        """Return a copy of the Kalman beliefs at `rows`."""
        return KalmanState(self.means[rows], self.covariances[rows])

    def set_belief(self, rows: IntArray, belief: KalmanState) -> None:
        """Replace the Kalman beliefs at `rows`."""
        self.means[rows], self.covariances[rows] = belief

    def match(self, rows: IntArray, candidates: Candidates, *, frame: int, momentum: float) -> None:
        """Give each track at `rows` its candidate: belief, smoothed embedding, state and frame."""
        self.set_belief(rows, kalman.update(self.belief(rows), candidates.boxes_xyah))
        smoothed = momentum * self.embeddings[rows] + (1 - momentum) * candidates.embeddings
        self.embeddings[rows] = normalise(smoothed)
        self.states[rows] = TrackState.TRACKED
        self.last_frames[rows] = frame
        self.detection_index[rows] = candidates.index

    def boxes_tlwh(self, rows: IntArray) -> FloatArray:
        """(R, 4) boxes of the Kalman means at `rows`."""
        means = self.means[rows]
        sizes = np.stack([means[:, 2] * means[:, 3], means[:, 3]], axis=1)
        return np.concatenate([means[:, :2] - sizes / 2, sizes], axis=1)

    def boxes_xyxy(self, rows: IntArray) -> FloatArray:
        """(R, 4) boxes of the Kalman means at `rows`."""
        return tlwh_to_xyxy(self.boxes_tlwh(rows))

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all columns by name."""
        return {field.name: getattr(self, field.name).copy() for field in fields(self)}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> "TrackTable":
        """Return the table that `state_dict` described; InputError names a column that is missing or misshapen."""
        like = cls.empty()
        shapes: dict[str, tuple[int | None, ...]] = {"means": (8,), "covariances": (8, 8), "embeddings": (None,)}
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


def _tlwh_to_xyah(boxes_tlwh: FloatArray) -> FloatArray:
    """(N, 4) tlwh -> centre x, centre y, width / height, height."""
    sizes = boxes_tlwh[:, 2:]
    aspects = sizes[:, :1] / sizes[:, 1:]
    return np.concatenate([boxes_tlwh[:, :2] + sizes / 2, aspects, sizes[:, 1:]], axis=1)

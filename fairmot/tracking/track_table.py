"""Track table and candidate detections of a tracker: one array per property, one row per track or detection."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Self

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
    """State of a track.

    TENTATIVE: matched once, not yet confirmed. TRACKED: matched in this frame. LOST: unmatched, may be recovered.
    """

    TENTATIVE = 0
    TRACKED = 1
    LOST = 2


@dataclass(frozen=True)
class Candidates:
    """C detections of a frame that may be matched.

    index: (C,) their rows in the frame's Detections.
    measurements: (C, 4) float64 measurements of the Kalman filter.
    boxes_xyxy: (C, 4) float64.
    embeddings: (C, D) float32, unit length or zero.
    classes: (C,) class index.
    scores: (C,) detection scores.
    """

    index: IntArray
    measurements: FloatArray
    boxes_xyxy: FloatArray
    embeddings: FloatArray
    classes: IntArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: npt.NDArray[Any] | slice) -> "Candidates":
        """Return the candidates at an index array, mask or slice."""
        return Candidates(*(column[index] for column in vars(self).values()))


@np.errstate(over="ignore", invalid="ignore")
def select_candidates(detections: Detections, *, threshold: float, box: BoxModel = kalman.ASPECT_HEIGHT) -> Candidates:
    """Return the detections with a score above the threshold and a finite box of positive height.

    Sizes are computed in float32, then widened, as in the reference implementation. Non-finite embeddings become zero.
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
    )


@dataclass
class ColumnTable(ABC):
    """Base of tables whose fields are arrays of N rows; `ids`: (N,) identities.

    prefix: of the columns' names in a `state_dict`.
    """

    prefix: ClassVar[str] = ""

    ids: IntArray

    @classmethod
    @abstractmethod
    def empty(cls) -> Self:
        """Return a table without rows, with the columns' types and trailing shapes (0 for any length)."""

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: npt.NDArray[Any]) -> Self:
        """Return a table of the rows at an index array or mask, in that order."""
        return type(self)(*(column[rows] for column in vars(self).values()))

    def concat(self, other: Self) -> Self:
        """Return the rows of both tables, these first."""
        if not len(other) or not len(self):
            return self if len(self) else other
        columns = zip(vars(self).values(), vars(other).values(), strict=True)
        return type(self)(*(np.concatenate(pair) for pair in columns))

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Return copies of all columns by prefixed name."""
        return {f"{self.prefix}{name}": column.copy() for name, column in vars(self).items()}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the table of a `state_dict`; InputError names a missing column or one of a wrong shape."""
        columns: list[npt.NDArray[Any]] = []
        for field, like in vars(cls.empty()).items():
            name = f"{cls.prefix}{field}"
            if name not in state:
                raise InputError(f"tracker state: {name} is missing")
            try:
                column = np.asarray(state[name]).astype(like.dtype)
                count = len(columns[0]) if columns else None
                require_shape(name, column, (count, *(length or None for length in like.shape[1:])))
            except (ValueError, TypeError) as error:
                raise InputError(f"tracker state: {' '.join(str(error).split())}") from None
            columns.append(column)
        return cls(*columns)


@dataclass
class TrackTable(ColumnTable):
    """N tracks; tentative and tracked ones come before lost ones.

    states: (N,) TrackState.
    means, covariances: (N, 8) and (N, 3, 4) Kalman states.
    embeddings: (N, D) float32 smoothed embeddings.
    classes: (N,) class index of the first detection.
    steps_since_update: (N,) Kalman time steps since the latest match.
    start_frames, last_frames: (N,) frames of the first and the latest match.
    expired: (N,) lost for more than the buffer: such a track may be matched in one more frame, and is removed when it
        is lost again.
    detection_index: (N,) row of this frame's match in its Detections, -1 for none.
    stages, costs: (N,) AssociationStage and cost of the latest match.
    last_observation: (N, 4) measurement of the latest match.
    means_at_last_update, covariances_at_last_update: (N, 8) and (N, 3, 4) Kalman states right after the latest match.
    """

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
    def from_candidates(
        cls,
        candidates: Candidates,
        *,
        first_id: int,
        frame: int,
        state: TrackState,
        box: BoxModel = kalman.ASPECT_HEIGHT,
    ) -> Self:
        """Return one new track for each candidate, with identities from `first_id`."""
        count = len(candidates)
        initial = kalman.initiate(candidates.measurements, box=box)
        return cls(
            ids=np.arange(first_id, first_id + count),
            states=np.full(count, int(state)),
            means=initial.means,
            covariances=initial.covariances,
            embeddings=candidates.embeddings,
            classes=candidates.classes,
            steps_since_update=np.zeros(count),
            start_frames=np.full(count, frame),
            last_frames=np.full(count, frame),
            expired=np.zeros(count, dtype=np.bool_),
            detection_index=candidates.index,
            stages=np.full(count, int(AssociationStage.INITIATION)),
            costs=np.zeros(count),
            last_observation=candidates.measurements,
            means_at_last_update=initial.means.copy(),
            covariances_at_last_update=initial.covariances.copy(),
        )

    @classmethod
    def empty(cls) -> Self:
        """Return a table without rows."""
        no_detections = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 0)))
        candidates = select_candidates(no_detections, threshold=0)
        return cls.from_candidates(candidates, first_id=1, frame=0, state=TrackState.TENTATIVE)

    def kalman_states(self, rows: IntArray) -> KalmanState:
        """Return copies of the Kalman states at `rows`."""
        return KalmanState(self.means[rows], self.covariances[rows])

    def set_kalman_states(self, rows: IntArray, states: KalmanState) -> None:
        """Replace the Kalman states at `rows`."""
        self.means[rows], self.covariances[rows] = states

    def boxes_xyxy(self, rows: IntArray, box: BoxModel) -> FloatArray:
        """(R, 4) boxes of the Kalman means at `rows`."""
        return tlwh_to_xyxy(box.boxes_tlwh(self.means[rows]))

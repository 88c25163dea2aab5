"""Reference tracker, the speed baseline of `fairmot benchmark tracker`: one object per track and detection.

It has the structure of the reference implementation: lists of objects, one Kalman update and one gating per track,
prediction of all tracks at once, and a list of all removed tracks. Source: Zhang et al., FairMOT (2021), section 3.4.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple

import lap
import numpy as np
import numpy.typing as npt
from cython_bbox import bbox_overlaps
from scipy.spatial.distance import cdist

from fairmot.commands.benchmark.reference.kalman import Floats, ReferenceKalman
from fairmot.structures.detections import Detections

GATE = 9.4877  # 95 % of the chi-square distribution with 4 degrees of freedom
MOMENTUM, APPEARANCE_WEIGHT = 0.9, 0.98
APPEARANCE_LIMIT, OVERLAP_LIMIT, TENTATIVE_LIMIT, DUPLICATE_LIMIT = 0.4, 0.5, 0.7, 0.15


class State(Enum):
    """State of a track; NEW for a detection."""

    NEW = auto()
    TRACKED = auto()
    LOST = auto()
    REMOVED = auto()


class ReferenceTrack:
    """A detection, which `initiate` turns into a track."""

    def __init__(self, box_xyxy: npt.NDArray[np.float32], score: float, embedding: Floats, max_lost: int) -> None:
        box_tlwh = box_xyxy.copy()  # sizes are computed in float32
        box_tlwh[2:] -= box_tlwh[:2]
        self._box_tlwh = np.asarray(box_tlwh, dtype=np.float64)
        self.score = score
        self.state = State.NEW
        self.confirmed = False
        self.identity = self.first_frame = self.last_frame = 0
        self.mean = self.covariance = np.zeros(0)
        self._kalman: ReferenceKalman | None = None
        self._recent: deque[Floats] = deque(maxlen=max_lost)
        self.current = self.smooth = embedding
        self._add_embedding(embedding, first=True)

    def _add_embedding(self, embedding: Floats, *, first: bool = False) -> None:
        embedding = embedding / np.linalg.norm(embedding)
        self.current = embedding
        self.smooth = embedding if first else MOMENTUM * self.smooth + (1 - MOMENTUM) * embedding
        self._recent.append(embedding)
        self.smooth = self.smooth / np.linalg.norm(self.smooth)

    @property
    def life(self) -> int:
        """Frames from the first to the latest match."""
        return self.last_frame - self.first_frame

    @property
    def box_tlwh(self) -> Floats:
        """Left, top, width, height of a detection, or of a track's Kalman mean."""
        if self._kalman is None:
            return self._box_tlwh.copy()
        box = self.mean[:4].copy()
        box[2] *= box[3]
        box[:2] -= box[2:] / 2
        return box

    @property
    def box_xyxy(self) -> Floats:
        """Left, top, right, bottom."""
        box = self.box_tlwh.copy()
        box[2:] += box[:2]
        return box

    @property
    def box_xyah(self) -> Floats:
        """Centre x, centre y, width / height, height."""
        box = self.box_tlwh.copy()
        box[:2] += box[2:] / 2
        box[2] /= box[3]
        return box

    def initiate(self, kalman: ReferenceKalman, identity: int, frame: int) -> None:
        """Become a track, confirmed in the first frame."""
        self.mean, self.covariance = kalman.initiate(self.box_xyah)
        self._kalman = kalman
        self.identity, self.state, self.confirmed = identity, State.TRACKED, frame == 1
        self.first_frame = self.last_frame = frame

    def update(self, detection: "ReferenceTrack", frame: int) -> None:
        """Update the track with a matched detection."""
        if self._kalman is None:
            raise ValueError("update: this is a detection, not a track")
        self.mean, self.covariance = self._kalman.update(self.mean, self.covariance, detection.box_xyah)
        self._add_embedding(detection.current)
        self.state, self.confirmed, self.last_frame, self.score = State.TRACKED, True, frame, detection.score


Tracks = list[ReferenceTrack]


class ReportedTrack(NamedTuple):
    """Identity and box (4,) tlwh of a track in one frame."""

    identity: int
    box_tlwh: Floats


class ReferenceTracker:
    """Tracker of one sequence.

    conf_threshold: lowest score of a detection, exclusive. max_lost: frames that a lost track is kept.
    """

    def __init__(self, *, conf_threshold: float = 0.4, max_lost: int = 30) -> None:
        self._conf_threshold, self._max_lost = conf_threshold, max_lost
        self._kalman = ReferenceKalman()
        self._tracked: Tracks = []
        self._lost: Tracks = []
        self._removed: Tracks = []
        self._frame = self._identities = 0

    def update(self, detections: Detections) -> list[ReportedTrack]:
        """Return the confirmed tracks that are matched in this frame."""
        self._frame += 1
        kept = detections.scores > self._conf_threshold
        rows = zip(detections.boxes_xyxy[kept], detections.scores[kept], detections.embeddings[kept], strict=True)
        candidates = [ReferenceTrack(box, score, vector, self._max_lost) for box, score, vector in rows]
        confirmed = [track for track in self._tracked if track.confirmed]
        tentative = [track for track in self._tracked if not track.confirmed]
        pool = join(confirmed, self._lost)
        predict(self._kalman, pool)
        matched: tuple[Tracks, Tracks] = [], []  # that were tracked, that were lost
        cost = self._fused_cost(pool, candidates)
        rest, candidates = self._match(pool, candidates, cost, APPEARANCE_LIMIT, matched)
        rest = [track for track in rest if track.state is State.TRACKED]
        lost, candidates = self._match(rest, candidates, overlap_cost(rest, candidates), OVERLAP_LIMIT, matched)
        for track in lost:
            track.state = State.LOST
        cost = overlap_cost(tentative, candidates)
        removed, candidates = self._match(tentative, candidates, cost, TENTATIVE_LIMIT, matched)
        for track in candidates:
            self._identities += 1
            track.initiate(self._kalman, self._identities, self._frame)
            matched[0].append(track)
        self._update_lists(*matched, lost, removed)
        return [ReportedTrack(track.identity, track.box_tlwh) for track in self._tracked if track.confirmed]

    def _fused_cost(self, tracks: Tracks, candidates: Tracks) -> Floats:
        """Return (N, M) costs of appearance and motion, infinite beyond the gate of each track."""
        cost = np.zeros((len(tracks), len(candidates)), dtype=np.float64)
        if cost.size == 0:
            return cost
        current = np.asarray([candidate.current for candidate in candidates], dtype=np.float64)
        smooth = np.asarray([track.smooth for track in tracks], dtype=np.float64)
        cost = np.asarray(np.maximum(0.0, cdist(smooth, current, "cosine")))
        boxes_xyah = np.asarray([candidate.box_xyah for candidate in candidates])
        for row, track in enumerate(tracks):
            distances = self._kalman.squared_mahalanobis(track.mean, track.covariance, boxes_xyah)
            cost[row, distances > GATE] = np.inf
            cost[row] = APPEARANCE_WEIGHT * cost[row] + (1 - APPEARANCE_WEIGHT) * distances
        return cost

    def _match(
        self, tracks: Tracks, candidates: Tracks, cost: Floats, limit: float, matched: tuple[Tracks, Tracks]
    ) -> tuple[Tracks, Tracks]:
        """Update tracks with their candidates and append them to `matched`; return the unmatched of both."""
        pairs, rows, columns = assign(cost, limit)
        for row, column in pairs:
            track = tracks[row]
            (matched[0] if track.state is State.TRACKED else matched[1]).append(track)
            track.update(candidates[column], self._frame)
        return [tracks[row] for row in rows], [candidates[column] for column in columns]

    def _update_lists(self, activated: Tracks, recovered: Tracks, lost: Tracks, removed: Tracks) -> None:
        """Update the lists of tracked, lost and removed tracks."""
        removed += [track for track in self._lost if self._frame - track.last_frame > self._max_lost]
        for track in removed:
            track.state = State.REMOVED
        tracked = [track for track in self._tracked if track.state is State.TRACKED]
        self._tracked = join(join(tracked, activated), recovered)
        self._lost = subtract(subtract(self._lost, self._tracked) + lost, self._removed)
        self._removed.extend(removed)
        self._tracked, self._lost = remove_duplicates(self._tracked, self._lost)


def predict(kalman: ReferenceKalman, tracks: Tracks) -> None:
    """Predict all tracks over one frame; lost tracks keep their height."""
    if not tracks:
        return
    means = np.asarray([track.mean.copy() for track in tracks])
    covariances = np.asarray([track.covariance for track in tracks])
    for row, track in enumerate(tracks):
        if track.state is not State.TRACKED:
            means[row][7] = 0
    means, covariances = kalman.predict_all(means, covariances)
    for track, mean, covariance in zip(tracks, means, covariances, strict=True):
        track.mean, track.covariance = mean, covariance


def overlap_cost(tracks: Sequence[ReferenceTrack], others: Sequence[ReferenceTrack]) -> Floats:
    """Return (N, M) costs 1 - IoU with +1 on widths and heights."""
    overlaps = np.zeros((len(tracks), len(others)))
    if overlaps.size:
        boxes = np.ascontiguousarray([track.box_xyxy for track in tracks], dtype=np.float64)
        overlaps = bbox_overlaps(boxes, np.ascontiguousarray([one.box_xyxy for one in others], dtype=np.float64))
    return np.asarray(1 - overlaps)


def assign(cost: Floats, limit: float) -> tuple[list[tuple[int, int]], Iterable[int], Iterable[int]]:
    """Return the pairs of an optimal assignment up to `limit`, and the unmatched rows and columns."""
    if cost.size == 0:
        return [], range(cost.shape[0]), range(cost.shape[1])
    _, columns_of, rows_of = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
    pairs = [(row, column) for row, column in enumerate(columns_of) if column >= 0]
    return pairs, np.flatnonzero(columns_of < 0), np.flatnonzero(rows_of < 0)


def join(first: Tracks, second: Tracks) -> Tracks:
    """Return both lists, each identity once."""
    known = {track.identity: True for track in first}
    joined = list(first)
    for track in second:
        if not known.get(track.identity, False):
            known[track.identity] = True
            joined.append(track)
    return joined


def subtract(tracks: Tracks, others: Tracks) -> Tracks:
    """Return `tracks` without the identities of `others`."""
    left = {track.identity: track for track in tracks}
    for track in others:
        if left.get(track.identity) is not None:
            del left[track.identity]
    return list(left.values())


def remove_duplicates(tracked: Tracks, lost: Tracks) -> tuple[Tracks, Tracks]:
    """Return both lists without the shorter-lived track of each overlapping pair; at a tie the tracked one goes."""
    dropped_tracked: list[int] = []
    dropped_lost: list[int] = []
    for row, column in zip(*np.where(overlap_cost(tracked, lost) < DUPLICATE_LIMIT), strict=True):
        if tracked[row].life > lost[column].life:
            dropped_lost.append(column)
        else:
            dropped_tracked.append(row)
    return (
        [track for index, track in enumerate(tracked) if index not in dropped_tracked],
        [track for index, track in enumerate(lost) if index not in dropped_lost],
    )

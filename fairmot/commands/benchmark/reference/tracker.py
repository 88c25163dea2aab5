"""The published tracker, read plainly, a track at a time: what `fairmot benchmark tracker` measures ours against.

It stands in for the published code and works as that does: an object a track and an object a detection, lists of them,
one Kalman correction and one gate a track, the prediction alone over all tracks at once, and a list of every track that
ever ended. It is no slower than it need be for that, and no faster. Source: Zhang et al., FairMOT (2021), section 3.4.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

import lap
import numpy as np
import numpy.typing as npt
from cython_bbox import bbox_overlaps
from scipy.spatial.distance import cdist

from fairmot.commands.benchmark.reference.kalman import Floats, PlainKalman
from fairmot.structures.detections import Detections

GATE = 9.4877  # 95 % of the chi-square distribution with 4 degrees of freedom
MOMENTUM, APPEARANCE_WEIGHT = 0.9, 0.98
APPEARANCE_LIMIT, OVERLAP_LIMIT, TENTATIVE_LIMIT, DUPLICATE = 0.4, 0.5, 0.7, 0.15


class State(Enum):
    """What has become of a track."""

    NEW = auto()
    TRACKED = auto()
    LOST = auto()
    REMOVED = auto()


class PlainTrack:
    """A detection, and from its start on a track."""

    def __init__(self, box_tlwh: npt.NDArray[np.float32], score: float, embedding: Floats, memory: int) -> None:
        self._box_tlwh = np.asarray(box_tlwh, dtype=np.float64)
        self.score = score
        self.state = State.NEW
        self.confirmed = False
        self.identity = self.first_frame = self.last_frame = 0
        self.mean = self.covariance = np.zeros(0)
        self._kalman: PlainKalman | None = None
        self._recent: deque[Floats] = deque(maxlen=memory)
        self.current = self.smooth = embedding
        self._look(embedding, first=True)

    def _look(self, embedding: Floats, *, first: bool = False) -> None:
        """Blend an embedding into the smoothed one."""
        embedding = embedding / np.linalg.norm(embedding)
        self.current = embedding
        self.smooth = embedding if first else MOMENTUM * self.smooth + (1 - MOMENTUM) * embedding
        self._recent.append(embedding)
        self.smooth = self.smooth / np.linalg.norm(self.smooth)

    @property
    def life(self) -> int:
        """Frames from the first to the latest sight."""
        return self.last_frame - self.first_frame

    @property
    def box_tlwh(self) -> Floats:
        """Left, top, width, height: of the detection before the start, of the Kalman mean after it."""
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

    def start(self, kalman: PlainKalman, identity: int, frame: int) -> None:
        """Become a track: confirmed at once in the first frame."""
        self.mean, self.covariance = kalman.initiate(self.box_xyah)
        self._kalman = kalman
        self.identity, self.state, self.confirmed = identity, State.TRACKED, frame == 1
        self.first_frame = self.last_frame = frame

    def follow(self, seen: "PlainTrack", frame: int) -> None:
        """Take a detection."""
        if self._kalman is None:
            raise ValueError("seen: this track has not started")
        self.mean, self.covariance = self._kalman.update(self.mean, self.covariance, seen.box_xyah)
        self._look(seen.current)
        self.state, self.confirmed, self.last_frame, self.score = State.TRACKED, True, frame, seen.score


class Reported(NamedTuple):
    """A track of one frame: its identity, its box (4,) tlwh."""

    identity: int
    box_tlwh: Floats


@dataclass(frozen=True)
class PlainOptions:
    """conf_threshold: a detection needs a score above this. max_lost: frames a lost track is kept."""

    conf_threshold: float = 0.4
    max_lost: int = 30


class PlainTracker:
    """Tracks one sequence as the published code does, a track at a time."""

    def __init__(self, options: PlainOptions) -> None:
        self._options = options
        self._kalman = PlainKalman()
        self._tracked: list[PlainTrack] = []
        self._lost: list[PlainTrack] = []
        self._removed: list[PlainTrack] = []
        self._frame = self._identities = 0

    def update(self, detections: Detections) -> list[Reported]:
        """Return the tracks seen in this frame."""
        self._frame += 1
        seen = self._detect(detections)
        confirmed = [track for track in self._tracked if track.confirmed]
        tentative = [track for track in self._tracked if not track.confirmed]
        pool = join(confirmed, self._lost)
        predict(self._kalman, pool)
        activated: list[PlainTrack] = []
        found: list[PlainTrack] = []
        alone, seen = self._match(pool, seen, self._appearance(pool, seen), APPEARANCE_LIMIT, (activated, found))
        alone = [track for track in alone if track.state is State.TRACKED]
        lost, seen = self._match(alone, seen, overlap(alone, seen), OVERLAP_LIMIT, (activated, found))
        for track in lost:
            track.state = State.LOST
        ended, seen = self._match(tentative, seen, overlap(tentative, seen), TENTATIVE_LIMIT, (activated, found))
        self._start(seen, activated)
        self._settle(activated, found, lost, ended)
        return [Reported(track.identity, track.box_tlwh) for track in self._tracked if track.confirmed]

    def _detect(self, detections: Detections) -> list[PlainTrack]:
        kept = detections.scores > self._options.conf_threshold
        rows = zip(detections.boxes_xyxy[kept], detections.scores[kept], detections.embeddings[kept], strict=True)
        return [PlainTrack(to_tlwh(box), score, embedding, self._options.max_lost) for box, score, embedding in rows]

    def _appearance(self, tracks: list[PlainTrack], seen: list[PlainTrack]) -> Floats:
        """Return (N, M) costs of appearance and motion, infinite beyond the gate of each track."""
        cost = np.zeros((len(tracks), len(seen)), dtype=np.float64)
        if cost.size == 0:
            return cost
        current = np.asarray([one.current for one in seen], dtype=np.float64)
        smooth = np.asarray([track.smooth for track in tracks], dtype=np.float64)
        cost = np.asarray(np.maximum(0.0, cdist(smooth, current, "cosine")))
        boxes_xyah = np.asarray([one.box_xyah for one in seen])
        for row, track in enumerate(tracks):
            distances = self._kalman.distances(track.mean, track.covariance, boxes_xyah)
            cost[row, distances > GATE] = np.inf
            cost[row] = APPEARANCE_WEIGHT * cost[row] + (1 - APPEARANCE_WEIGHT) * distances
        return cost

    def _match(
        self,
        tracks: list[PlainTrack],
        seen: list[PlainTrack],
        cost: Floats,
        limit: float,
        kept: tuple[list[PlainTrack], list[PlainTrack]],
    ) -> tuple[list[PlainTrack], list[PlainTrack]]:
        """Give tracks their detections, put them into one of `kept` (was tracked, was lost); return who is left."""
        pairs, rows, columns = solve(cost, limit)
        for row, column in pairs:
            track = tracks[row]
            goes_to = kept[0] if track.state is State.TRACKED else kept[1]
            track.follow(seen[column], self._frame)
            goes_to.append(track)
        return [tracks[row] for row in rows], [seen[column] for column in columns]

    def _start(self, seen: list[PlainTrack], activated: list[PlainTrack]) -> None:
        for track in seen:
            self._identities += 1
            track.start(self._kalman, self._identities, self._frame)
            activated.append(track)

    def _settle(
        self, activated: list[PlainTrack], found: list[PlainTrack], lost: list[PlainTrack], ended: list[PlainTrack]
    ) -> None:
        """Bring the lists up to date; who was removed before this frame can be lost no more."""
        for track in self._lost:
            if self._frame - track.last_frame > self._options.max_lost:
                ended.append(track)
        for track in ended:
            track.state = State.REMOVED
        tracked = [track for track in self._tracked if track.state is State.TRACKED]
        self._tracked = join(join(tracked, activated), found)
        self._lost = without(without(self._lost, self._tracked) + lost, self._removed)
        self._removed.extend(ended)
        self._tracked, self._lost = without_duplicates(self._tracked, self._lost)


def replay_plainly(frames: Iterable[Detections], options: PlainOptions) -> list[list[Reported]]:
    """Return the tracks of each frame of a sequence."""
    return list(map(PlainTracker(options).update, frames))


def predict(kalman: PlainKalman, tracks: list[PlainTrack]) -> None:
    """Move all tracks a frame on; who is not tracked keeps its height."""
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


def overlap(tracks: Sequence[PlainTrack], others: Sequence[PlainTrack]) -> Floats:
    """Return (N, M) costs 1 - IoU, which counts pixels."""
    overlaps = np.zeros((len(tracks), len(others)))
    if overlaps.size:
        boxes = np.ascontiguousarray([track.box_xyxy for track in tracks], dtype=np.float64)
        overlaps = bbox_overlaps(boxes, np.ascontiguousarray([one.box_xyxy for one in others], dtype=np.float64))
    return np.asarray(1 - overlaps)


def solve(cost: Floats, limit: float) -> tuple[list[tuple[int, int]], Iterable[int], Iterable[int]]:
    """Return the pairs of a least-cost assignment up to `limit`, and the rows and columns left alone."""
    if cost.size == 0:
        return [], range(cost.shape[0]), range(cost.shape[1])
    _, columns_of, rows_of = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
    pairs = [(row, column) for row, column in enumerate(columns_of) if column >= 0]
    return pairs, np.flatnonzero(columns_of < 0), np.flatnonzero(rows_of < 0)


def join(first: list[PlainTrack], second: list[PlainTrack]) -> list[PlainTrack]:
    """Return both lists, each identity once."""
    known = {track.identity: True for track in first}
    joined = list(first)
    for track in second:
        if not known.get(track.identity, False):
            known[track.identity] = True
            joined.append(track)
    return joined


def without(tracks: list[PlainTrack], others: list[PlainTrack]) -> list[PlainTrack]:
    """Return `tracks` less the identities of `others`."""
    left = {track.identity: track for track in tracks}
    for track in others:
        if left.get(track.identity) is not None:
            del left[track.identity]
    return list(left.values())


def without_duplicates(tracked: list[PlainTrack], lost: list[PlainTrack]) -> tuple[list[PlainTrack], list[PlainTrack]]:
    """Return both lists less, of each pair that is one object, the one with the shorter life; at a tie the tracked."""
    drop_tracked: list[int] = []
    drop_lost: list[int] = []
    for row, column in zip(*np.where(overlap(tracked, lost) < DUPLICATE), strict=True):
        if tracked[row].life > lost[column].life:
            drop_lost.append(column)
        else:
            drop_tracked.append(row)
    return (
        [track for place, track in enumerate(tracked) if place not in drop_tracked],
        [track for place, track in enumerate(lost) if place not in drop_lost],
    )


def to_tlwh(box_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return left, top, width, height, in the type of the box."""
    box = box_xyxy.copy()
    box[2:] -= box[:2]
    return box

"""The tracker of FairMOT: one update a frame, from detections with embeddings to tracks with identities.

Source: Zhang et al., FairMOT (2021), section 3.4, and the published JDETracker, whose order of lists and rules of
ageing decide which identity wins and are kept exactly (docs/tracking.md tells them one by one).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape
from fairmot.structures.detections import Detections
from fairmot.structures.tracks import Tracks
from fairmot.tracking import kalman
from fairmot.tracking.assignment import assign
from fairmot.tracking.costs import appearance_cost, forbid_across_classes, fuse_motion, overlap_cost
from fairmot.tracking.track import Candidates, TrackState, TrackTable, select_candidates
from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class TrackerOptions:
    """The tracker's numbers; the defaults are the published ones.

    conf_threshold: a detection needs a score above this.
    max_lost: frames a lost track is kept.
    motion_lambda: weight of appearance in the first association; 1 - lambda weighs the squared Mahalanobis distance.
    use_appearance: False sets the appearance cost to 0; the gate and the motion term stay.
    appearance_threshold, overlap_threshold, unconfirmed_threshold: the highest cost of each association.
    embedding_momentum: share of the old smoothed embedding at a match.
    duplicate_distance: 1 - IoU below which a tracked and a lost box are one object.
    """

    conf_threshold: float = 0.4
    max_lost: int = 30
    motion_lambda: float = 0.98
    use_appearance: bool = True
    appearance_threshold: float = 0.4
    overlap_threshold: float = 0.5
    unconfirmed_threshold: float = 0.7
    embedding_momentum: float = 0.9
    duplicate_distance: float = 0.15


class JointTracker:
    """Tracks the objects of one sequence; identities count from 1 in each instance.

    >>> tracker = JointTracker(TrackerOptions(conf_threshold=0.5))
    >>> box, embedding = np.array([[10.0, 20, 50, 120]]), np.array([[1.0, 0.0]])
    >>> tracker.update(Detections(box, np.array([0.9]), embedding)).ids.tolist()
    [1]
    >>> tracker.update(Detections(box + 2, np.array([0.8]), embedding)).boxes_tlwh.round(1).tolist()
    [[11.7, 21.7, 40.0, 100.0]]
    """

    def __init__(self, options: TrackerOptions | None = None) -> None:
        self._options = options or TrackerOptions()
        self._tracks = TrackTable.empty()
        self._frame = 0
        self._updates = 0
        self._next_id = 1

    @property
    def num_held(self) -> int:
        """How many tracks are held: tentative, tracked and lost."""
        return len(self._tracks)

    def update(
        self, detections: Detections, *, frame_index: int | None = None, camera_motion: FloatArray | None = None
    ) -> Tracks:
        """Return the tracks seen in this frame.

        frame_index: the frame's number, above the last one's; None is the next. A gap is predicted over, and counts
            for the age of lost tracks.
        camera_motion: (2, 3) affine that carries points of the previous frame to this one.

        Raises ValueError: a frame number that does not grow, a camera motion that is not a finite (2, 3) array,
        embeddings of another dimension than those before.
        """
        candidates = select_candidates(detections, conf_threshold=self._options.conf_threshold)
        self._require_same_dimension(candidates)
        motion = None if camera_motion is None else _checked_motion(camera_motion)
        steps = self._advance(frame_index)
        before = self._tracks.states.copy()
        self._predict(steps)
        if motion is not None:
            self._follow_camera(motion)
        candidates = self._associate_by_appearance(candidates)
        candidates = self._associate_by_overlap(candidates)
        candidates = self._associate_tentative(candidates)
        self._start(candidates)
        self._retire(before)
        self._drop_duplicates()
        return self._report(detections)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a continuation needs: ints and arrays, a flat dict that `np.savez(path, **state)` takes."""
        return {
            "frame": self._frame,
            "updates": self._updates,
            "next_id": self._next_id,
            **self._tracks.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken; the options are this tracker's own.

        Takes what np.load returns, and tensors. Raises InputError naming what is missing or misshapen.
        """
        missing = [name for name in ("frame", "updates", "next_id") if name not in state]
        if missing:
            raise InputError(f"tracker state: {missing[0]} is missing")
        self._tracks = TrackTable.from_state_dict(state)
        self._frame, self._updates, self._next_id = (int(state[name]) for name in ("frame", "updates", "next_id"))

    def _require_same_dimension(self, candidates: Candidates) -> None:
        held, given = self._tracks.embeddings.shape[1], candidates.embeddings.shape[1]
        if len(self._tracks) and len(candidates) and held != given:
            raise ValueError(f"embeddings: {given} dimensions, the tracks have {held}")

    def _advance(self, frame_index: int | None) -> int:
        """Move the clock and return how many frames to predict over, the buffer and one at most."""
        frame = self._frame + 1 if frame_index is None else int(frame_index)
        if self._updates and frame <= self._frame:
            raise ValueError(f"frame_index: {frame} does not come after {self._frame}")
        steps = min(frame - self._frame, self._options.max_lost + 1)
        self._frame = frame
        self._updates += 1
        return steps

    def _predict(self, steps: int) -> None:
        """Move tracked and lost tracks; a lost one keeps its height. Tentative ones stay where they were seen."""
        tracks, pool = self._tracks, self._pool()
        tracks.detection_index[:] = -1
        belief = tracks.belief(pool)
        belief.means[tracks.states[pool] == TrackState.LOST, kalman.HEIGHT_VELOCITY] = 0
        for _ in range(steps):
            belief = kalman.predict(belief)
        tracks.set_belief(pool, belief)

    def _follow_camera(self, motion: FloatArray) -> None:
        """Carry all tracks, tentative ones too, to the moved camera's coordinates."""
        everyone = np.arange(len(self._tracks))
        self._tracks.set_belief(everyone, kalman.warp(self._tracks.belief(everyone), motion))

    def _associate_by_appearance(self, candidates: Candidates) -> Candidates:
        """Match tracked and lost tracks by embedding and motion; return the candidates left."""
        tracks, options, pool = self._tracks, self._options, self._pool()
        if not len(pool) or not len(candidates):
            return candidates
        if options.use_appearance:
            appearance = appearance_cost(tracks.embeddings[pool], candidates.embeddings)
        else:
            appearance = np.zeros((len(pool), len(candidates)))
        distances = kalman.squared_mahalanobis(tracks.belief(pool), candidates.boxes_xyah)
        cost = fuse_motion(appearance, distances, motion_lambda=options.motion_lambda)
        return self._match(pool, candidates, cost, limit=options.appearance_threshold)

    def _associate_by_overlap(self, candidates: Candidates) -> Candidates:
        """Match the tracked tracks that are left by overlap; who stays alone is lost. Return the candidates left."""
        rows = self._unmatched(TrackState.TRACKED)
        candidates = self._match_by_overlap(rows, candidates, limit=self._options.overlap_threshold)
        self._tracks.states[self._unmatched(TrackState.TRACKED)] = TrackState.LOST
        return candidates

    def _associate_tentative(self, candidates: Candidates) -> Candidates:
        """Match tentative tracks by overlap; return the candidates left."""
        rows = self._unmatched(TrackState.TENTATIVE)
        return self._match_by_overlap(rows, candidates, limit=self._options.unconfirmed_threshold)

    def _start(self, candidates: Candidates) -> None:
        """Start a track for each candidate left: tentative, but in the first frame."""
        state = TrackState.TRACKED if self._updates == 1 else TrackState.TENTATIVE
        born = TrackTable.start(candidates, first_id=self._next_id, frame=self._frame, state=state)
        self._next_id += len(born)
        self._tracks = self._tracks.joined(born)

    def _retire(self, before: IntArray) -> None:
        """Keep the rows that go on, in the published order; `before` holds the states at the start of the update.

        Tracked: who stayed, who was born, who came back. Lost: who stayed lost, who is lost now. Left out are tentative
        tracks without a second sight and lost ones that expired in an earlier frame. Who has been lost for too long
        expires after that choice, hence may come back in one more frame.
        """
        tracks = self._tracks
        was_lost = np.zeros(len(tracks), dtype=np.bool_)
        was_lost[: len(before)] = before == TrackState.LOST
        matched = tracks.detection_index >= 0
        lost = tracks.states == TrackState.LOST
        kept = lost & ~tracks.expired
        tracks.expired |= lost & was_lost & (self._frame - tracks.last_frames > self._options.max_lost)
        groups = (matched & ~was_lost, matched & was_lost, kept & was_lost, kept & ~was_lost)
        self._tracks = tracks.take(np.concatenate([np.flatnonzero(group) for group in groups]))

    def _drop_duplicates(self) -> None:
        """Where a tracked and a lost box are one object, keep the one with the longer life; at a tie the lost one."""
        tracks = self._tracks
        is_lost = tracks.states == TrackState.LOST
        seen, lost = np.flatnonzero(~is_lost), np.flatnonzero(is_lost)
        cost = overlap_cost(tracks.boxes_xyxy(seen), tracks.boxes_xyxy(lost))
        cost = forbid_across_classes(cost, tracks.classes[seen], tracks.classes[lost])
        pair_seen, pair_lost = np.nonzero(cost < self._options.duplicate_distance)
        if not len(pair_seen):
            return
        lives = tracks.last_frames - tracks.start_frames
        seen_wins = lives[seen[pair_seen]] > lives[lost[pair_lost]]
        dropped = np.where(seen_wins, lost[pair_lost], seen[pair_seen])
        self._tracks = tracks.take(np.setdiff1d(np.arange(len(tracks)), dropped))

    def _report(self, detections: Detections) -> Tracks:
        rows = np.flatnonzero(self._tracks.states == TrackState.TRACKED)
        index = self._tracks.detection_index[rows]
        return Tracks(
            ids=self._tracks.ids[rows],
            boxes_tlwh=self._tracks.boxes_tlwh(rows),
            scores=detections.scores[index],
            classes=self._tracks.classes[rows],
            detection_index=index,
        )

    def _pool(self) -> IntArray:
        """Rows of the tracked and lost tracks: those that predict and are matched by appearance."""
        return np.flatnonzero(self._tracks.states != TrackState.TENTATIVE)

    def _unmatched(self, state: TrackState) -> IntArray:
        """Rows of the tracks in `state` that have no candidate in this frame."""
        return np.flatnonzero((self._tracks.states == state) & (self._tracks.detection_index < 0))

    def _match_by_overlap(self, rows: IntArray, candidates: Candidates, *, limit: float) -> Candidates:
        cost = overlap_cost(self._tracks.boxes_xyxy(rows), candidates.boxes_xyxy)
        return self._match(rows, candidates, cost, limit=limit)

    def _match(self, rows: IntArray, candidates: Candidates, cost: FloatArray, *, limit: float) -> Candidates:
        """Match the tracks at `rows` with candidates of their class by `cost`; return the candidates left."""
        cost = forbid_across_classes(cost, self._tracks.classes[rows], candidates.classes)
        matches = assign(cost, limit=limit)
        if not len(matches.rows):
            return candidates
        self._tracks.match(
            rows[matches.rows],
            candidates[matches.columns],
            frame=self._frame,
            momentum=self._options.embedding_momentum,
        )
        return candidates[np.delete(np.arange(len(candidates)), matches.columns)]


def _checked_motion(camera_motion: FloatArray) -> FloatArray:
    """Return a finite (2, 3) float64 array, or raise ValueError."""
    motion = np.asarray(camera_motion, dtype=np.float64)
    require_shape("camera_motion", motion, (2, 3))
    if not np.isfinite(motion).all():
        raise ValueError("camera_motion: a value is not finite")
    return motion

"""The tracker of FairMOT: one update a frame, from detections with embeddings to tracks with identities.

Source: Zhang et al., FairMOT (2021), section 3.4, and the published JDETracker, whose order of lists and rules of
ageing decide which identity wins and are kept exactly (docs/tracking.md tells them one by one). What later trackers
added is switched on by the options.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray, require_shape, rows_of
from fairmot.geometry.boxes import tlwh_to_xyxy, xyxy_to_tlwh
from fairmot.structures.detections import Detections
from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracks import AssociationStage, Tracks
from fairmot.tracking.assignment import assign
from fairmot.tracking.association import find_duplicates, fused_cost, scored_overlap_cost
from fairmot.tracking.costs import appearance_cost, forbid_across_classes, overlap_cost
from fairmot.tracking.events import Snapshot, duplicate_events, end_events, match_events
from fairmot.tracking.gallery import ReIDGallery
from fairmot.tracking.motion import apply_matches, follow_camera, predict, weight_embeddings
from fairmot.tracking.options import TrackerOptions
from fairmot.tracking.track_table import Candidates, TrackState, TrackTable, select_candidates
from fairmot.utils.errors import InputError

Log = Callable[[list[TrackEvent]], None]


class StageTimer(Protocol):
    """Told the end of each stage of an update, by name."""

    def stop(self, stage: str) -> None:
        """Take the time since the last call."""


class JointTracker:
    """Tracks the objects of one sequence; identities count from 1 in each instance.

    log: gets each update's decisions, a line for each birth, match, loss, recovery and end; None for none.
    laps: told the end of each stage of an update: select, predict, appearance, overlap, low, recovery, tentative,
        start, retire, report.

    >>> tracker = JointTracker(TrackerOptions(conf_threshold=0.5))
    >>> box, embedding = np.array([[10.0, 20, 50, 120]]), np.array([[1.0, 0.0]])
    >>> tracker.update(Detections(box, np.array([0.9]), embedding)).ids.tolist()
    [1]
    >>> tracker.update(Detections(box + 2, np.array([0.8]), embedding)).boxes_tlwh.round(1).tolist()
    [[11.7, 21.7, 40.0, 100.0]]
    """

    def __init__(
        self, options: TrackerOptions | None = None, *, log: Log | None = None, laps: StageTimer | None = None
    ) -> None:
        self._options = options or TrackerOptions()
        self._box = self._options.motion.box
        self._log = log
        self._laps = laps
        self._tracks = TrackTable.empty()
        self._gallery = ReIDGallery.empty()
        self._frame = 0
        self._time = math.nan
        self._updates = 0
        self._next_id = 1

    @property
    def num_tracks(self) -> int:
        """How many tracks are held: tentative, tracked and lost."""
        return len(self._tracks)

    def update(
        self,
        detections: Detections,
        *,
        frame_index: int | None = None,
        camera_motion: FloatArray | None = None,
        time: float | None = None,
        can_initiate: BoolArray | None = None,
    ) -> Tracks:
        """Return the tracks seen in this frame.

        frame_index: the frame's number, above the last one's; None is the next. A gap is predicted over, and counts
            for the age of lost tracks.
        camera_motion: (2, 3) affine that carries points of the previous frame to this one.
        time: seconds, not before the last frame's; used where `Motion.dt_rate` is set.
        can_initiate: (N,) which detections may start a track; None for all.

        Raises ValueError, before anything changes: a frame number that does not grow, time that goes back, a camera
        motion that is not a finite (2, 3) array, embeddings of another dimension than those before.
        """
        candidates, low = self._select(detections, can_initiate)
        motion = None if camera_motion is None else _checked_motion(camera_motion)
        self._predict(*self._advance(frame_index, time), motion)
        before = Snapshot(self._tracks.ids.copy(), self._tracks.states.copy())
        candidates = self._associate_first(candidates)
        candidates = self._associate_by_overlap(candidates)
        self._associate_second(low)
        candidates = self._observation_centric_recovery(candidates)
        self._lose()
        candidates = self._associate_tentative(candidates)
        self._start(candidates, can_initiate)
        self._emit(lambda: match_events(self._tracks, before, frame=self._frame, scores=detections.scores))
        self._retire(before.states)
        self._drop_duplicates()
        return self._report(detections)

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact continuation needs: ints, a float and copies of arrays, ready for np.savez."""
        return {
            "frame": self._frame,
            "time": self._time,
            "updates": self._updates,
            "next_id": self._next_id,
            **self._tracks.state_dict(),
            **(self._gallery.state_dict() if self._options.gallery else {}),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken; the options are this tracker's own.

        Takes what np.load returns, and tensors. Raises InputError naming what is missing or misshapen.
        """
        missing = [name for name in ("frame", "time", "updates", "next_id") if name not in state]
        if missing:
            raise InputError(f"tracker state: {missing[0]} is missing")
        tracks, gallery = TrackTable.from_state_dict(state), ReIDGallery.from_state_dict(state)
        self._tracks, self._gallery = tracks, gallery
        self._frame, self._updates, self._next_id = (int(state[name]) for name in ("frame", "updates", "next_id"))
        self._time = float(state["time"])

    def _select(self, detections: Detections, can_initiate: BoolArray | None) -> tuple[Candidates, Candidates]:
        """Return the candidates, and those of low score (none without that stage)."""
        options = self._options
        if can_initiate is not None:
            require_shape("can_initiate", can_initiate, (len(detections),))
        lowest = options.conf_threshold
        if options.second is not None:
            lowest = min(lowest, options.second.threshold)
        everyone = select_candidates(detections, threshold=lowest, box=self._box, share=1 - options.embedding.momentum)
        held, given = self._tracks.embeddings.shape[1], everyone.embeddings.shape[1]
        if len(self._tracks) and len(everyone) and held != given:
            raise ValueError(f"embeddings: {given} dimensions, the tracks have {held}")
        weight_embeddings(everyone, options)
        if options.second is None:
            self._stop_timer("select")
            return everyone, everyone[:0]
        high = everyone.scores > options.conf_threshold
        self._stop_timer("select")
        return everyone[high], everyone[~high]

    def _advance(self, frame_index: int | None, time: float | None) -> tuple[int, float]:
        """Move the clock; return how many frames went by, the buffer and one at most, and the filter's steps."""
        frame = self._frame + 1 if frame_index is None else int(frame_index)
        if self._updates and frame <= self._frame:
            raise ValueError(f"frame_index: {frame} does not come after {self._frame}")
        if time is not None and not math.isfinite(time):
            raise ValueError(f"time: {time} is not finite")
        if time is not None and time < self._time:
            raise ValueError(f"time: {time:g} s comes before {self._time:g} s")
        most = self._options.max_lost + 1
        frames = min(frame - self._frame, most)
        seconds = None if time is None or math.isnan(self._time) else time - self._time
        steps = min(self._options.motion.steps(frames, seconds), self._options.motion.steps(most, None))
        self._frame = frame
        self._time = math.nan if time is None else time
        self._updates += 1
        return frames, steps

    def _predict(self, frames: int, steps: float, camera_motion: FloatArray | None) -> None:
        """Move tracked and lost tracks over the frames, and all of them with the camera."""
        self._tracks.detection_index[:] = -1
        if self._options.use_motion:
            predict(self._tracks, self._pool(), self._options.motion, frames=frames, steps=steps)
        if camera_motion is not None:
            follow_camera(self._tracks, camera_motion, box=self._box)
        self._stop_timer("predict")

    def _associate_first(self, candidates: Candidates) -> Candidates:
        """Match tracked and lost tracks by embedding and motion; return the candidates left.

        Without both it is overlap that matches them.
        """
        options, pool = self._options, self._pool()
        if len(pool) and len(candidates):
            if options.use_appearance or options.use_motion:
                cost = fused_cost(self._tracks, pool, candidates, options)
                limit, stage = options.appearance_threshold, AssociationStage.APPEARANCE
            else:
                cost = scored_overlap_cost(self._tracks, pool, candidates, options)
                limit, stage = options.overlap_threshold, AssociationStage.OVERLAP
            candidates = self._match(pool, candidates, cost, limit=limit, stage=stage)
        self._stop_timer("appearance")
        return candidates

    def _associate_by_overlap(self, candidates: Candidates) -> Candidates:
        """Match the tracked tracks that are left by overlap; return the candidates left."""
        if self._options.use_overlap:
            rows = self._unmatched(TrackState.TRACKED)
            if len(rows) and len(candidates):
                cost = scored_overlap_cost(self._tracks, rows, candidates, self._options)
                limit = self._options.overlap_threshold
                candidates = self._match(rows, candidates, cost, limit=limit, stage=AssociationStage.OVERLAP)
        self._stop_timer("overlap")
        return candidates

    def _associate_second(self, candidates: Candidates) -> None:
        """Match the tracked tracks that are left with detections of low score, by overlap."""
        low = self._options.second
        if low is None or not self._options.use_overlap:
            return
        rows = self._unmatched(TrackState.TRACKED)
        if len(rows) and len(candidates):
            cost = overlap_cost(self._tracks.boxes_xyxy(rows, self._box), candidates.boxes_xyxy)
            self._match(rows, candidates, cost, limit=low.overlap_threshold, stage=AssociationStage.SECOND)
        self._stop_timer("low")

    def _observation_centric_recovery(self, candidates: Candidates) -> Candidates:
        """Match the tracked and lost tracks that are left by overlap with where they were last seen."""
        limit, tracks = self._options.ocr_threshold, self._tracks
        if limit is None or not self._options.use_overlap:
            return candidates
        rows = rows_of((tracks.states != TrackState.TENTATIVE) & (tracks.detection_index < 0))
        if len(rows) and len(candidates):
            seen_xyxy = tlwh_to_xyxy(self._box.boxes_tlwh(tracks.last_observation[rows]))
            cost = overlap_cost(seen_xyxy, candidates.boxes_xyxy)
            if self._options.use_appearance and self._options.ocr_appearance_threshold < 2:
                looks = appearance_cost(tracks.embeddings[rows], candidates.embeddings)
                cost = np.where(looks > self._options.ocr_appearance_threshold, np.inf, cost)
            candidates = self._match(rows, candidates, cost, limit=limit, stage=AssociationStage.OCR)
        self._stop_timer("recovery")
        return candidates

    def _lose(self) -> None:
        """Tracked tracks that are still alone are lost."""
        self._tracks.states[self._unmatched(TrackState.TRACKED)] = TrackState.LOST

    def _associate_tentative(self, candidates: Candidates) -> Candidates:
        """Match tentative tracks by overlap; return the candidates left."""
        options = self._options
        rows = self._unmatched(TrackState.TENTATIVE)
        if len(rows) and len(candidates):
            if options.use_overlap:
                cost = scored_overlap_cost(self._tracks, rows, candidates, options)
                limit = options.unconfirmed_threshold
            else:
                cost, limit = fused_cost(self._tracks, rows, candidates, options), options.appearance_threshold
            candidates = self._match(rows, candidates, cost, limit=limit, stage=AssociationStage.TENTATIVE)
        self._recognise(rows)
        self._stop_timer("tentative")
        return candidates

    def _recognise(self, rows: IntArray) -> None:
        """Give the tracks at `rows` that were just confirmed the identities of people they look like."""
        gallery, tracks = self._options.gallery, self._tracks
        if gallery is None or not self._options.use_appearance:
            return
        self._gallery = self._gallery.take(self._frame - self._gallery.last_frames <= gallery.max_age)
        confirmed = rows[tracks.detection_index[rows] >= 0]
        found = self._gallery.recognise(tracks, confirmed, threshold=gallery.threshold)
        known = confirmed[found.rows]
        tracks.ids[known] = self._gallery.ids[found.columns]
        tracks.start_frames[known] = self._gallery.start_frames[found.columns]
        self._gallery = self._gallery.take(np.setdiff1d(np.arange(len(self._gallery)), found.columns))

    def _start(self, candidates: Candidates, can_initiate: BoolArray | None) -> None:
        """Start a track for each candidate left: tentative, but in the first frame."""
        if can_initiate is not None:
            candidates = candidates[can_initiate[candidates.index]]
        if self._options.birth_threshold > self._options.conf_threshold:
            candidates = candidates[candidates.scores > self._options.birth_threshold]
        if len(candidates):
            state = TrackState.TRACKED if self._updates == 1 else TrackState.TENTATIVE
            born = TrackTable.start(candidates, first_id=self._next_id, frame=self._frame, state=state, box=self._box)
            self._next_id += len(born)
            self._tracks = self._tracks.joined(born)
        self._stop_timer("start")

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
        if self._log is not None or self._options.gallery is not None:
            self._end(~(matched | kept))
        tracks.expired |= lost & was_lost & (self._frame - tracks.last_frames > self._options.max_lost)
        if was_lost.any() or not (matched | kept).all() or lost.any():
            groups = (matched & ~was_lost, matched & was_lost, kept & was_lost, kept & ~was_lost)
            self._tracks = tracks.take(np.concatenate([rows_of(group) for group in groups]))

    def _end(self, ended: BoolArray) -> None:
        """Tell the ends of the tracks at the mask `ended` (N,), and remember those that had been confirmed."""
        tracks = self._tracks
        self._emit(lambda: end_events(tracks, ended, frame=self._frame))
        if self._options.gallery is not None:
            known = rows_of(ended & (tracks.states == TrackState.LOST))
            self._gallery = self._gallery.joined(ReIDGallery.of(tracks, known))

    def _drop_duplicates(self) -> None:
        """Where a tracked and a lost box are one object, keep the one with the longer life; at a tie the lost one."""
        tracks = self._tracks
        dropped, winners = find_duplicates(tracks, self._box, limit=self._options.duplicate_distance)
        if len(dropped):
            pairs = list(zip(tracks.ids[dropped].tolist(), tracks.ids[winners].tolist(), strict=True))
            self._emit(lambda: duplicate_events(pairs, frame=self._frame))
            kept = np.ones(len(tracks), dtype=np.bool_)
            kept[dropped] = False
            self._tracks = tracks.take(kept)
        self._stop_timer("retire")

    def _report(self, detections: Detections) -> Tracks:
        tracks = self._tracks
        rows = rows_of(tracks.states == TrackState.TRACKED)
        index = tracks.detection_index[rows]
        stages, costs = tracks.stages[rows], tracks.costs[rows]
        costs[stages == AssociationStage.BIRTH] = np.nan
        report = Tracks(
            ids=tracks.ids[rows],
            boxes_tlwh=self._boxes_tlwh(rows, detections),
            scores=detections.scores[index],
            classes=tracks.classes[rows],
            detection_index=index,
            ages=self._frame - tracks.start_frames[rows] + 1,
            stages=stages,
            costs=costs,
        )
        self._stop_timer("report")
        return report

    def _boxes_tlwh(self, rows: IntArray, detections: Detections) -> FloatArray:
        """(R, 4) what is reported of the tracks at `rows`, which all have a detection."""
        if self._options.report_detections:
            boxes_xyxy = detections.boxes_xyxy[self._tracks.detection_index[rows]]
            return xyxy_to_tlwh(boxes_xyxy.astype(np.float64))
        return self._box.boxes_tlwh(self._tracks.means[rows])

    def _pool(self) -> IntArray:
        """Rows of the tracked and lost tracks: those that predict and are matched by appearance."""
        return rows_of(self._tracks.states != TrackState.TENTATIVE)

    def _unmatched(self, state: TrackState) -> IntArray:
        """Rows of the tracks in `state` that have no candidate in this frame."""
        return rows_of((self._tracks.states == state) & (self._tracks.detection_index < 0))

    def _match(
        self, rows: IntArray, candidates: Candidates, cost: FloatArray, *, limit: float, stage: AssociationStage
    ) -> Candidates:
        """Match the tracks at `rows` with candidates of their class by `cost`; return the candidates left."""
        cost = forbid_across_classes(cost, self._tracks.classes[rows], candidates.classes)
        matches = assign(cost, limit=limit)
        if not len(matches.rows):
            return candidates
        chosen, costs = candidates[matches.columns], cost[matches.rows, matches.columns]
        apply_matches(self._tracks, rows[matches.rows], chosen, self._options, frame=self._frame)
        self._tracks.stages[rows[matches.rows]] = stage
        self._tracks.costs[rows[matches.rows]] = costs
        left = np.ones(len(candidates), dtype=np.bool_)
        left[matches.columns] = False
        return candidates[left]

    def _emit(self, story: Callable[[], list[TrackEvent]]) -> None:
        if self._log is not None:
            self._log(story())

    def _stop_timer(self, stage: str) -> None:
        if self._laps is not None:
            self._laps.stop(stage)


def _checked_motion(camera_motion: FloatArray) -> FloatArray:
    """Return a finite (2, 3) float64 array, or raise ValueError."""
    motion = np.asarray(camera_motion, dtype=np.float64)
    require_shape("camera_motion", motion, (2, 3))
    if not np.isfinite(motion).all():
        raise ValueError("camera_motion: a value is not finite")
    return motion

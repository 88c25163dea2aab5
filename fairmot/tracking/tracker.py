"""Tracker of FairMOT: online association of detections with embeddings to tracks with identities.

Source: Zhang et al., FairMOT (2021), section 3.4, and the JDETracker of the reference implementation, whose order of
tracks and rules of removal are reproduced exactly (docs/tracking.md). Parts of later trackers are optional.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray, require_shape, rows_of
from fairmot.geometry.boxes import xyxy_to_tlwh
from fairmot.structures.detections import Detections
from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracks import AssociationStage, Tracks
from fairmot.tracking.assignment import assign
from fairmot.tracking.association import (
    find_duplicates,
    fused_cost,
    last_observation_cost,
    predicted_overlap_cost,
    scored_overlap_cost,
)
from fairmot.tracking.costs import forbid_across_classes
from fairmot.tracking.events import Snapshot, duplicate_events, match_events, removal_events
from fairmot.tracking.gallery import ReIDGallery
from fairmot.tracking.motion import apply_matches, compensate_camera_motion, predict
from fairmot.tracking.options import TrackerOptions
from fairmot.tracking.track_table import Candidates, TrackState, TrackTable, select_candidates
from fairmot.utils.errors import InputError

Log = Callable[[list[TrackEvent]], None]
Timer = Callable[[str], None]
CostFunction = Callable[[TrackTable, IntArray, Candidates, TrackerOptions], FloatArray]

_COUNTERS = ("frame", "updates", "next_id")


class JointTracker:
    """Tracker of one sequence; identities count from 1 in each instance.

    log: receives the events of each update; None for no log.
    timer: called at the end of each stage of an update with its name: select, predict, appearance, overlap, second,
        ocr, tentative, initiation, removal, report.

    >>> tracker = JointTracker(TrackerOptions(conf_threshold=0.5))
    >>> box, embedding = np.array([[10.0, 20, 50, 120]]), np.array([[1.0, 0.0]])
    >>> tracker.update(Detections(box, np.array([0.9]), embedding)).ids.tolist()
    [1]
    >>> tracker.update(Detections(box + 2, np.array([0.8]), embedding)).boxes_tlwh.round(1).tolist()
    [[11.7, 21.7, 40.0, 100.0]]
    """

    def __init__(
        self, options: TrackerOptions | None = None, *, log: Log | None = None, timer: Timer | None = None
    ) -> None:
        self._options = options or TrackerOptions()
        self._box = self._options.motion.box
        self._log = log
        self._timer = timer
        self._tracks = TrackTable.empty()
        self._gallery = ReIDGallery.empty()
        self._frame = 0
        self._time = math.nan
        self._updates = 0
        self._next_id = 1

    @property
    def num_tracks(self) -> int:
        """Number of tentative, tracked and lost tracks."""
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
        """Return the confirmed tracks that are matched in this frame.

        frame_index: frame number, above the previous one; None for the next. Skipped frames are predicted over and
            count for the age of lost tracks.
        camera_motion: (2, 3) affine from the previous frame's coordinates to this frame's.
        time: seconds, not before the previous frame's; used with `MotionOptions.kalman_rate`.
        can_initiate: (N,) mask of the detections that may initiate tracks; None for all.

        Raises ValueError, before the state changes, for a frame number that does not increase, a decreasing time, a
        camera motion that is not a finite (2, 3) array, and embeddings of another dimension than the tracks'.
        """
        candidates, low = self._select(detections, can_initiate)
        if camera_motion is not None:
            camera_motion = np.asarray(camera_motion, dtype=np.float64)
            require_shape("camera_motion", camera_motion, (2, 3))
            if not np.isfinite(camera_motion).all():
                raise ValueError("camera_motion: a value is not finite")
        frames, steps = self._advance(frame_index, time)
        before = Snapshot(self._tracks.ids.copy(), self._tracks.states.copy())
        self._predict(frames, steps, camera_motion)
        candidates = self._associate_first(candidates)
        candidates = self._associate_by_overlap(candidates)
        self._associate_second(low)
        candidates = self._associate_by_last_observation(candidates)
        self._tracks.states[self._unmatched(TrackState.TRACKED)] = TrackState.LOST
        candidates = self._associate_tentative(candidates)
        self._initiate(candidates, can_initiate)
        if self._log is not None:
            self._log(match_events(self._tracks, before, frame=self._frame, scores=detections.scores))
        self._remove(before.states)
        self._remove_duplicates()
        return self._report(detections)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for an exact continuation: ints, a float and copies of arrays, suitable for np.savez."""
        return {
            "time": self._time,
            **{name: getattr(self, f"_{name}") for name in _COUNTERS},
            **self._tracks.state_dict(),
            **(self._gallery.state_dict() if self._options.gallery else {}),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`, as a dict, of np.load, or of tensors; the options are this tracker's own.

        Raises InputError naming an entry that is missing or of a wrong shape.
        """
        missing = [name for name in (*_COUNTERS, "time") if name not in state]
        if missing:
            raise InputError(f"tracker state: {missing[0]} is missing")
        self._tracks = TrackTable.from_state_dict(state)
        self._gallery = ReIDGallery.from_state_dict(state) if "gallery_ids" in state else ReIDGallery.empty()
        self._frame, self._updates, self._next_id = (int(state[name]) for name in _COUNTERS)
        self._time = float(state["time"])

    def _select(self, detections: Detections, can_initiate: BoolArray | None) -> tuple[Candidates, Candidates]:
        """Return the candidates of high and of low score (none without the second association)."""
        options = self._options
        if can_initiate is not None:
            require_shape("can_initiate", can_initiate, (len(detections),))
        threshold = options.conf_threshold
        if options.second is not None:
            threshold = min(threshold, options.second.threshold)
        candidates = select_candidates(detections, threshold=threshold, box=self._box)
        expected, dimension = self._tracks.embeddings.shape[1], candidates.embeddings.shape[1]
        if len(self._tracks) and len(candidates) and expected != dimension:
            raise ValueError(f"embeddings: {dimension} dimensions, the tracks have {expected}")
        if options.second is None:
            high, low = candidates, candidates[:0]
        else:
            is_high = candidates.scores > options.conf_threshold
            high, low = candidates[is_high], candidates[~is_high]
        self._stop_timer("select")
        return high, low

    def _advance(self, frame_index: int | None, time: float | None) -> tuple[int, float]:
        """Advance frame and time; return the frames since the last update, at most max_lost + 1, and Kalman steps."""
        frame = self._frame + 1 if frame_index is None else int(frame_index)
        if self._updates and frame <= self._frame:
            raise ValueError(f"frame_index: {frame} does not come after {self._frame}")
        if time is not None and not math.isfinite(time):
            raise ValueError(f"time: {time} is not finite")
        if time is not None and time < self._time:
            raise ValueError(f"time: {time:g} s comes before {self._time:g} s")
        motion, most = self._options.motion, self._options.max_lost + 1
        frames = min(frame - self._frame, most)
        seconds = None if time is None or math.isnan(self._time) else time - self._time
        steps = min(motion.steps(frames, seconds), motion.steps(most, None))
        self._frame = frame
        self._time = math.nan if time is None else time
        self._updates += 1
        return frames, steps

    def _predict(self, frames: int, steps: float, camera_motion: FloatArray | None) -> None:
        """Predict tracked and lost tracks, and transform all tracks by the camera motion."""
        self._tracks.detection_index[:] = -1
        if self._options.use_motion:
            predict(self._tracks, self._confirmed(), self._options.motion, frames=frames, steps=steps)
        if camera_motion is not None:
            compensate_camera_motion(self._tracks, camera_motion, box=self._box)
        self._stop_timer("predict")

    def _associate_first(self, candidates: Candidates) -> Candidates:
        """Match tracked and lost tracks by appearance and motion, without both by overlap."""
        options, cost, stage = self._options, fused_cost, AssociationStage.APPEARANCE
        limit = options.appearance_threshold
        if not (options.use_appearance or options.use_motion):
            limit, cost, stage = options.overlap_threshold, scored_overlap_cost, AssociationStage.OVERLAP
        candidates = self._match(self._confirmed(), candidates, cost, limit=limit, stage=stage)
        self._stop_timer("appearance")
        return candidates

    def _associate_by_overlap(self, candidates: Candidates) -> Candidates:
        """Match the unmatched tracked tracks by overlap."""
        if self._options.use_overlap:
            rows, limit = self._unmatched(TrackState.TRACKED), self._options.overlap_threshold
            candidates = self._match(rows, candidates, scored_overlap_cost, limit=limit, stage=AssociationStage.OVERLAP)
        self._stop_timer("overlap")
        return candidates

    def _associate_second(self, candidates: Candidates) -> None:
        """Match the unmatched tracked tracks with detections of low score by overlap (ByteTrack)."""
        second = self._options.second
        if second is not None and self._options.use_overlap:
            rows, limit = self._unmatched(TrackState.TRACKED), second.overlap_threshold
            self._match(rows, candidates, predicted_overlap_cost, limit=limit, stage=AssociationStage.SECOND)
            self._stop_timer("second")

    def _associate_by_last_observation(self, candidates: Candidates) -> Candidates:
        """Match the unmatched tracked and lost tracks by overlap with their last observations (OC-SORT's OCR)."""
        limit = self._options.ocr_threshold
        if limit is not None and self._options.use_overlap:
            rows = self._confirmed()
            rows = rows[self._tracks.detection_index[rows] < 0]
            candidates = self._match(rows, candidates, last_observation_cost, limit=limit, stage=AssociationStage.OCR)
            self._stop_timer("ocr")
        return candidates

    def _associate_tentative(self, candidates: Candidates) -> Candidates:
        """Match tentative tracks by overlap, or without it as in the first association, which confirms them."""
        options, rows = self._options, self._unmatched(TrackState.TENTATIVE)
        cost: CostFunction = scored_overlap_cost if options.use_overlap else fused_cost
        limit = options.unconfirmed_threshold if options.use_overlap else options.appearance_threshold
        candidates = self._match(rows, candidates, cost, limit=limit, stage=AssociationStage.TENTATIVE)
        self._reidentify(rows[self._tracks.detection_index[rows] >= 0])
        self._stop_timer("tentative")
        return candidates

    def _reidentify(self, rows: IntArray) -> None:
        """Give the newly confirmed tracks at `rows` the identities of similar removed tracks."""
        options, tracks = self._options.gallery, self._tracks
        if options is None or not self._options.use_appearance:
            return
        gallery = self._gallery[self._frame - self._gallery.last_frames <= options.max_age]
        matches = gallery.match(tracks, rows, threshold=options.threshold)
        tracks.ids[rows[matches.rows]] = gallery.ids[matches.columns]
        tracks.start_frames[rows[matches.rows]] = gallery.start_frames[matches.columns]
        self._gallery = gallery[np.setdiff1d(np.arange(len(gallery)), matches.columns)]

    def _initiate(self, candidates: Candidates, can_initiate: BoolArray | None) -> None:
        """Initiate a track for each unmatched candidate: tentative, but confirmed in the first frame."""
        if can_initiate is not None:
            candidates = candidates[can_initiate[candidates.index]]
        if self._options.initiation_threshold > self._options.conf_threshold:
            candidates = candidates[candidates.scores > self._options.initiation_threshold]
        if len(candidates):
            state = TrackState.TRACKED if self._updates == 1 else TrackState.TENTATIVE
            new = TrackTable.from_candidates(
                candidates, first_id=self._next_id, frame=self._frame, state=state, box=self._box
            )
            self._next_id += len(new)
            self._tracks = self._tracks.concat(new)
        self._stop_timer("initiation")

    def _remove(self, states_before: IntArray) -> None:
        """Remove unmatched tentative and expired lost tracks; order the others as in the reference implementation.

        states_before: (N,) states at the start of the update. Order: matched (tracked before or new), recovered, lost
        before, newly lost. Tracks that are lost for more than `max_lost` frames expire after the removal, hence may be
        matched in one more frame.
        """
        tracks = self._tracks
        was_lost = np.zeros(len(tracks), dtype=np.bool_)
        was_lost[: len(states_before)] = states_before == TrackState.LOST
        matched = tracks.detection_index >= 0
        lost = tracks.states == TrackState.LOST
        kept = lost & ~tracks.expired
        removed = ~(matched | kept)
        if self._log is not None:
            self._log(removal_events(tracks, removed, frame=self._frame))
        if self._options.gallery is not None:
            self._gallery = self._gallery.concat(ReIDGallery.from_tracks(tracks, rows_of(removed & lost)))
        tracks.expired |= lost & was_lost & (self._frame - tracks.last_frames > self._options.max_lost)
        if was_lost.any() or removed.any() or lost.any():
            groups = (matched & ~was_lost, matched & was_lost, kept & was_lost, kept & ~was_lost)
            self._tracks = tracks[np.concatenate([rows_of(group) for group in groups])]

    def _remove_duplicates(self) -> None:
        """Of a tracked and a lost track with almost the same box, keep the one with the longer life."""
        tracks = self._tracks
        dropped, winners = find_duplicates(tracks, self._box, limit=self._options.duplicate_distance)
        if len(dropped):
            if self._log is not None:
                self._log(duplicate_events(tracks.ids[dropped], tracks.ids[winners], frame=self._frame))
            self._tracks = tracks[np.setdiff1d(np.arange(len(tracks)), dropped)]
        self._stop_timer("removal")

    def _report(self, detections: Detections) -> Tracks:
        """Return the tracked tracks."""
        tracks = self._tracks
        rows = rows_of(tracks.states == TrackState.TRACKED)
        index, stages = tracks.detection_index[rows], tracks.stages[rows]
        if self._options.report_detections:
            boxes_tlwh = xyxy_to_tlwh(detections.boxes_xyxy[index].astype(np.float64))
        else:
            boxes_tlwh = self._box.boxes_tlwh(tracks.means[rows])
        report = Tracks(
            ids=tracks.ids[rows],
            boxes_tlwh=boxes_tlwh,
            scores=detections.scores[index],
            classes=tracks.classes[rows],
            detection_index=index,
            ages=self._frame - tracks.start_frames[rows] + 1,
            stages=stages,
            costs=np.where(stages == AssociationStage.INITIATION, np.nan, tracks.costs[rows]),
        )
        self._stop_timer("report")
        return report

    def _confirmed(self) -> IntArray:
        """Return the rows of the tracked and lost tracks."""
        return rows_of(self._tracks.states != TrackState.TENTATIVE)

    def _unmatched(self, state: TrackState) -> IntArray:
        """Return the rows of the tracks in `state` without a detection in this frame."""
        return rows_of((self._tracks.states == state) & (self._tracks.detection_index < 0))

    def _match(
        self, rows: IntArray, candidates: Candidates, cost: CostFunction, *, limit: float, stage: AssociationStage
    ) -> Candidates:
        """Match the tracks at `rows` with candidates of their class up to a cost of `limit`; return the unmatched."""
        if not len(rows) or not len(candidates):
            return candidates
        costs = cost(self._tracks, rows, candidates, self._options)
        costs = forbid_across_classes(costs, self._tracks.classes[rows], candidates.classes)
        matches = assign(costs, limit=limit)
        if not len(matches.rows):
            return candidates
        matched_rows = rows[matches.rows]
        apply_matches(self._tracks, matched_rows, candidates[matches.columns], self._options, frame=self._frame)
        self._tracks.stages[matched_rows] = stage
        self._tracks.costs[matched_rows] = costs[matches.rows, matches.columns]
        unmatched = np.ones(len(candidates), dtype=np.bool_)
        unmatched[matches.columns] = False
        return candidates[unmatched]

    def _stop_timer(self, stage: str) -> None:
        if self._timer is not None:
            self._timer(stage)

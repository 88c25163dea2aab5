"""How the tracks of a table move: on their own, with the camera, and to the detections they are matched with."""

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray, rows_of
from fairmot.tracking import kalman
from fairmot.tracking.costs import normalise
from fairmot.tracking.kalman import BoxModel, KalmanState
from fairmot.tracking.options import MotionOptions, TrackerOptions
from fairmot.tracking.track_table import Candidates, TrackState, TrackTable

LEAST_NOISE = 0.05  # share of a measurement's noise that a perfect score leaves


def predict(tracks: TrackTable, rows: IntArray, motion: MotionOptions, *, frames: int, steps: float) -> None:
    """Move the tracks at `rows` by `frames` frames (`steps` steps with `Motion.dt_rate`); lost ones keep their size."""
    if not len(rows):
        return
    box, belief = motion.box, tracks.belief(rows)
    lost = rows_of(tracks.states[rows] == TrackState.LOST)
    if len(lost):
        for column in box.still:
            belief.means[lost, column] = 0
    if motion.kalman_rate:
        belief = kalman.predict(belief, box=box, steps=steps)
    else:
        for _ in range(frames):
            belief = kalman.predict(belief, box=box)
    tracks.steps_since_update[rows] += steps
    tracks.set_belief(rows, belief)


def follow_camera(tracks: TrackTable, camera_motion: FloatArray, *, box: BoxModel) -> None:
    """Carry all tracks, and what is kept of their last sight, to the moved camera's coordinates."""
    belief = KalmanState(tracks.means, tracks.covariances)
    tracks.means, tracks.covariances = kalman.warp(belief, camera_motion, box=box)
    seen = KalmanState(tracks.means_at_last_update, tracks.covariances_at_last_update)
    tracks.means_at_last_update, tracks.covariances_at_last_update = kalman.warp(seen, camera_motion, box=box)
    there = KalmanState(
        np.concatenate([tracks.last_observation, np.zeros_like(tracks.last_observation)], axis=1),
        np.zeros((len(tracks), 3, 4)),
    )
    tracks.last_observation = kalman.warp(there, camera_motion, box=box).means[:, :4]


def weight_embeddings(candidates: Candidates, options: TrackerOptions) -> None:
    """Lower the shares of embeddings that are unsure or hidden, in place."""
    looks, lowest = options.embedding, options.conf_threshold
    if looks.by_score:
        candidates.update_weights[:] *= np.clip((candidates.scores - lowest) / max(1 - lowest, 1e-9), 0, 1)


def apply_matches(
    tracks: TrackTable, rows: IntArray, chosen: Candidates, options: TrackerOptions, *, frame: int
) -> None:
    """Give each track at `rows` its candidate: belief, smoothed embedding, state and frame."""
    belief = _kalman_update(tracks, rows, chosen, options, frame=frame)
    tracks.set_belief(rows, belief)
    if options.ocr_threshold is not None or options.motion.oru:
        tracks.last_observation[rows] = chosen.measurements
        tracks.means_at_last_update[rows], tracks.covariances_at_last_update[rows] = belief
    share = chosen.update_weights[:, None]
    tracks.embeddings[rows] = normalise((1 - share) * tracks.embeddings[rows] + share * chosen.embeddings)
    tracks.states[rows] = TrackState.TRACKED
    tracks.steps_since_update[rows] = 0
    tracks.last_frames[rows] = frame
    tracks.detection_index[rows] = chosen.index


def _kalman_update(
    tracks: TrackTable, rows: IntArray, chosen: Candidates, options: TrackerOptions, *, frame: int
) -> KalmanState:
    """Return the beliefs of the tracks at `rows` after their measurements."""
    motion, box = options.motion, options.motion.box
    if not options.use_motion:
        return kalman.initiate(chosen.measurements, box=box)
    belief = tracks.belief(rows)
    if motion.oru:
        gaps = np.minimum(frame - tracks.last_frames[rows], options.max_lost + 1)
        belief = _observation_centric_reupdate(tracks, rows, chosen.measurements, belief, gaps=gaps, motion=motion)
    noise = None
    if motion.measurement_noise == "nsa":
        noise = np.maximum(1 - chosen.scores.astype(np.float64), LEAST_NOISE)
    return kalman.update(belief, chosen.measurements, box=box, noise=noise)


def _observation_centric_reupdate(
    tracks: TrackTable,
    rows: IntArray,
    measurements: FloatArray,
    belief: KalmanState,
    *,
    gaps: IntArray,
    motion: MotionOptions,
) -> KalmanState:
    """Return `belief`, but for tracks that were out of sight as if they had been seen along a straight line.

    gaps: (N,) frames since the last sight. Source: OC-SORT (Cao et al., 2023), equation 8.
    """
    back = rows_of(gaps >= 2)
    if not len(back):
        return belief
    box = motion.box
    gaps, there, here = gaps[back], tracks.last_observation[rows[back]], measurements[back]
    steps = (tracks.steps_since_update[rows[back]] / gaps)[:, None] if motion.kalman_rate else np.ones((len(back), 1))
    path = KalmanState(tracks.means_at_last_update[rows[back]], tracks.covariances_at_last_update[rows[back]])
    for number in range(1, int(gaps.max()) + 1):
        on_the_way = rows_of(gaps >= number)
        before = KalmanState(path.means[on_the_way], path.covariances[on_the_way])
        moved = kalman.predict(before, box=box, steps=steps[on_the_way])
        between = gaps[on_the_way] > number
        share = (number / gaps[on_the_way])[:, None]
        virtual = there[on_the_way] + share * (here[on_the_way] - there[on_the_way])
        told = kalman.update(moved, virtual, box=box)
        path.means[on_the_way] = np.where(between[:, None], told.means, moved.means)
        path.covariances[on_the_way] = np.where(between[:, None, None], told.covariances, moved.covariances)
    belief.means[back], belief.covariances[back] = path
    return belief

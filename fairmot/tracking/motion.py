"""Motion model of a track table: prediction, camera motion compensation, and the update of matched tracks."""

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray, rows_of
from fairmot.tracking import kalman
from fairmot.tracking.costs import normalise
from fairmot.tracking.kalman import BoxModel, KalmanState
from fairmot.tracking.options import MotionOptions, TrackerOptions
from fairmot.tracking.track_table import Candidates, TrackState, TrackTable

MIN_NSA_NOISE = 0.05  # lowest factor of a measurement's variances, for a score of 1


def predict(tracks: TrackTable, rows: IntArray, motion: MotionOptions, *, frames: int, steps: float) -> None:
    """Predict the tracks at `rows` over `frames` frames (`steps` time steps with `kalman_rate`).

    Lost tracks keep their size.
    """
    if not len(rows):
        return
    box, states = motion.box, tracks.kalman_states(rows)
    lost = rows_of(tracks.states[rows] == TrackState.LOST)
    if len(lost):
        for column in box.size_velocities:
            states.means[lost, column] = 0
    if motion.kalman_rate:
        states = kalman.predict(states, box=box, steps=steps)
    else:
        for _ in range(frames):
            states = kalman.predict(states, box=box)
    tracks.steps_since_update[rows] += steps
    tracks.set_kalman_states(rows, states)


def compensate_camera_motion(tracks: TrackTable, camera_motion: FloatArray, *, box: BoxModel) -> None:
    """Transform the states and last observations of all tracks to the coordinates of the moved camera."""
    states = KalmanState(tracks.means, tracks.covariances)
    tracks.means, tracks.covariances = kalman.warp(states, camera_motion, box=box)
    updated = KalmanState(tracks.means_at_last_update, tracks.covariances_at_last_update)
    tracks.means_at_last_update, tracks.covariances_at_last_update = kalman.warp(updated, camera_motion, box=box)
    observed = np.concatenate([tracks.last_observation, np.zeros_like(tracks.last_observation)], axis=1)
    at_rest = KalmanState(observed, np.zeros((len(tracks), 3, 4)))
    tracks.last_observation = kalman.warp(at_rest, camera_motion, box=box).means[:, :4]


def apply_matches(
    tracks: TrackTable, rows: IntArray, matched: Candidates, options: TrackerOptions, *, frame: int
) -> None:
    """Update the track at each of `rows` with its candidate: Kalman state, smoothed embedding, state and frame."""
    states = _kalman_update(tracks, rows, matched, options, frame=frame)
    tracks.set_kalman_states(rows, states)
    if options.ocr_threshold is not None or options.motion.oru:
        tracks.last_observation[rows] = matched.measurements
        tracks.means_at_last_update[rows], tracks.covariances_at_last_update[rows] = states
    weights = np.full((len(rows), 1), 1 - options.embedding.momentum, dtype=np.float32)
    if options.embedding.by_score:
        lowest = options.conf_threshold
        weights[:, 0] *= np.clip((matched.scores - lowest) / max(1 - lowest, 1e-9), 0, 1)
    tracks.embeddings[rows] = normalise((1 - weights) * tracks.embeddings[rows] + weights * matched.embeddings)
    tracks.states[rows] = TrackState.TRACKED
    tracks.steps_since_update[rows] = 0
    tracks.last_frames[rows] = frame
    tracks.detection_index[rows] = matched.index


def _kalman_update(
    tracks: TrackTable, rows: IntArray, matched: Candidates, options: TrackerOptions, *, frame: int
) -> KalmanState:
    """Return the Kalman states of the tracks at `rows` after their measurements."""
    motion, box = options.motion, options.motion.box
    if not options.use_motion:
        return kalman.initiate(matched.measurements, box=box)
    states = tracks.kalman_states(rows)
    if motion.oru:
        gaps = np.minimum(frame - tracks.last_frames[rows], options.max_lost + 1)
        states = _observation_centric_reupdate(tracks, rows, matched.measurements, states, gaps=gaps, motion=motion)
    noise = None
    if motion.measurement_noise == "nsa":
        noise = np.maximum(1 - matched.scores.astype(np.float64), MIN_NSA_NOISE)
    return kalman.update(states, matched.measurements, box=box, noise=noise)


def _observation_centric_reupdate(
    tracks: TrackTable,
    rows: IntArray,
    measurements: FloatArray,
    states: KalmanState,
    *,
    gaps: IntArray,
    motion: MotionOptions,
) -> KalmanState:
    """Return `states`, those of recovered tracks re-computed with virtual observations on a straight line.

    gaps: (N,) frames since the last observation. Source: OC-SORT (Cao et al., 2023), equation 8.
    """
    recovered = rows_of(gaps >= 2)
    if not len(recovered):
        return states
    box, rows, gaps = motion.box, rows[recovered], gaps[recovered]
    first, last = tracks.last_observation[rows], measurements[recovered]
    steps = (tracks.steps_since_update[rows] / gaps)[:, None] if motion.kalman_rate else np.ones((len(rows), 1))
    path = KalmanState(tracks.means_at_last_update[rows], tracks.covariances_at_last_update[rows])
    for number in range(1, int(gaps.max()) + 1):
        active = rows_of(gaps >= number)
        predicted = kalman.predict(
            KalmanState(path.means[active], path.covariances[active]), box=box, steps=steps[active]
        )
        fraction = (number / gaps[active])[:, None]
        virtual = first[active] + fraction * (last[active] - first[active])
        updated = kalman.update(predicted, virtual, box=box)
        between = gaps[active] > number  # the last observation itself is applied by the caller
        path.means[active] = np.where(between[:, None], updated.means, predicted.means)
        path.covariances[active] = np.where(between[:, None, None], updated.covariances, predicted.covariances)
    states.means[recovered], states.covariances[recovered] = path
    return states

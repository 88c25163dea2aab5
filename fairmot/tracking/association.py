"""Association costs of a tracker: (R, C) costs between R tracks of a table and C candidates."""

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray, rows_of
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.tracking import kalman
from fairmot.tracking.costs import appearance_cost, forbid_across_classes, fuse_motion, overlap_cost
from fairmot.tracking.kalman import BoxModel
from fairmot.tracking.options import TrackerOptions
from fairmot.tracking.track_table import Candidates, TrackState, TrackTable


def fused_cost(tracks: TrackTable, rows: IntArray, candidates: Candidates, options: TrackerOptions) -> FloatArray:
    """Return the cost of the first association: appearance, motion and overlap, infinite beyond the motion gate."""
    box = options.motion.box
    if options.use_appearance:
        cost = appearance_cost(tracks.embeddings[rows], candidates.embeddings, metric=options.metric)
    else:
        cost = np.zeros((len(rows), len(candidates)))
    if options.use_motion:
        distances = kalman.squared_mahalanobis(tracks.kalman_states(rows), candidates.measurements, box=box)
        cost = fuse_motion(cost, distances, motion_lambda=options.motion_lambda, gate=options.gate)
    if options.overlap_weight:
        cost += options.overlap_weight * predicted_overlap_cost(tracks, rows, candidates, options)
    return cost


def predicted_overlap_cost(
    tracks: TrackTable, rows: IntArray, candidates: Candidates, options: TrackerOptions
) -> FloatArray:
    """Return 1 - IoU of the predicted boxes."""
    return overlap_cost(tracks.boxes_xyxy(rows, options.motion.box), candidates.boxes_xyxy)


def scored_overlap_cost(
    tracks: TrackTable, rows: IntArray, candidates: Candidates, options: TrackerOptions
) -> FloatArray:
    """Return 1 - IoU or, with `fuse_score`, 1 - IoU * score, of the predicted boxes."""
    cost = predicted_overlap_cost(tracks, rows, candidates, options)
    return 1 - (1 - cost) * candidates.scores if options.fuse_score else cost


def last_observation_cost(
    tracks: TrackTable, rows: IntArray, candidates: Candidates, options: TrackerOptions
) -> FloatArray:
    """Return 1 - IoU of the boxes of the tracks' last observations, infinite beyond `ocr_appearance_threshold`.

    Source: observation-centric recovery (OCR) of OC-SORT, Cao et al., 2023, section 4.3.
    """
    observed_xyxy = tlwh_to_xyxy(options.motion.box.boxes_tlwh(tracks.last_observation[rows]))
    cost = overlap_cost(observed_xyxy, candidates.boxes_xyxy)
    if options.use_appearance and options.ocr_appearance_threshold < 2:
        appearance = appearance_cost(tracks.embeddings[rows], candidates.embeddings)
        cost = np.where(appearance > options.ocr_appearance_threshold, np.inf, cost)
    return cost


def find_duplicates(tracks: TrackTable, box: BoxModel, *, limit: float) -> tuple[IntArray, IntArray]:
    """Return P pairs (dropped rows, kept rows) of a tracked and a lost track of one class with 1 - IoU below `limit`.

    The lost track is dropped where the tracked one has the longer life, otherwise the tracked one, as in the reference
    implementation.
    """
    is_lost = tracks.states == TrackState.LOST
    tracked, lost = rows_of(~is_lost), rows_of(is_lost)
    if not len(tracked) or not len(lost):
        return lost[:0], lost[:0]
    cost = overlap_cost(tracks.boxes_xyxy(tracked, box), tracks.boxes_xyxy(lost, box))
    cost = forbid_across_classes(cost, tracks.classes[tracked], tracks.classes[lost])
    row, column = np.nonzero(cost < limit)
    tracked, lost = tracked[row], lost[column]
    lives = tracks.last_frames - tracks.start_frames
    keeps_tracked = lives[tracked] > lives[lost]
    return np.where(keeps_tracked, lost, tracked), np.where(keeps_tracked, tracked, lost)

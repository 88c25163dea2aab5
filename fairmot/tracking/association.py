"""What it costs to give R tracks of a table C candidates, by a tracker's options."""

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray, rows_of
from fairmot.tracking import kalman
from fairmot.tracking.costs import appearance_cost, forbid_across_classes, fuse_motion, fuse_score, overlap_cost
from fairmot.tracking.kalman import BoxModel
from fairmot.tracking.options import TrackerOptions
from fairmot.tracking.track_table import Candidates, TrackState, TrackTable


def fused_cost(tracks: TrackTable, rows: IntArray, candidates: Candidates, options: TrackerOptions) -> FloatArray:
    """(R, C): appearance, motion and overlap together, infinite beyond the motion's gate: the first association's."""
    box = options.motion.box
    if options.use_appearance:
        cost = appearance_cost(tracks.embeddings[rows], candidates.embeddings, metric=options.metric)
    else:
        cost = np.zeros((len(rows), len(candidates)))
    if options.use_motion:
        belief = tracks.belief(rows)
        distances = kalman.squared_mahalanobis(belief, candidates.measurements, box=box)
        cost = fuse_motion(cost, distances, motion_lambda=options.motion_lambda, gate=options.gate)
    if options.overlap_weight:
        cost += options.overlap_weight * overlap_cost(tracks.boxes_xyxy(rows, box), candidates.boxes_xyxy)
    return cost


def scored_overlap_cost(
    tracks: TrackTable, rows: IntArray, candidates: Candidates, options: TrackerOptions
) -> FloatArray:
    """(R, C): 1 - IoU or, with `fuse_score`, 1 - IoU * score."""
    cost = overlap_cost(tracks.boxes_xyxy(rows, options.motion.box), candidates.boxes_xyxy)
    return fuse_score(cost, candidates.scores) if options.fuse_score else cost


def find_duplicates(tracks: TrackTable, box: BoxModel, *, limit: float) -> tuple[IntArray, IntArray]:
    """Return P pairs (dropped rows, kept rows): a tracked and a lost box of one class with 1 - IoU below `limit`.

    The lost one is dropped where the tracked one's life is longer, else the tracked one, as published.
    """
    is_lost = tracks.states == TrackState.LOST
    seen, lost = rows_of(~is_lost), rows_of(is_lost)
    if not len(seen) or not len(lost):
        return lost[:0], lost[:0]
    cost = overlap_cost(tracks.boxes_xyxy(seen, box), tracks.boxes_xyxy(lost, box))
    cost = forbid_across_classes(cost, tracks.classes[seen], tracks.classes[lost])
    pair_seen, pair_lost = np.nonzero(cost < limit)
    seen, lost = seen[pair_seen], lost[pair_lost]
    lives = tracks.last_frames - tracks.start_frames
    seen_wins = lives[seen] > lives[lost]
    return np.where(seen_wins, lost, seen), np.where(seen_wins, seen, lost)

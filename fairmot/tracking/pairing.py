"""What it costs to give R tracks of a table C candidates, by a tracker's options."""

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.tracking import kalman
from fairmot.tracking.costs import appearance_cost, fuse_motion, fuse_score, overlap_cost
from fairmot.tracking.options import TrackerOptions
from fairmot.tracking.track import Candidates, TrackTable


def joint_cost(tracks: TrackTable, rows: IntArray, candidates: Candidates, options: TrackerOptions) -> FloatArray:
    """(R, C): appearance, motion and overlap together, infinite beyond the motion's gate: the first association's."""
    box = options.motion.box
    if options.use_appearance:
        cost = appearance_cost(tracks.embeddings[rows], candidates.embeddings, metric=options.metric)
    else:
        cost = np.zeros((len(rows), len(candidates)))
    if options.use_motion:
        noise = tracks.noises[rows] if options.motion.noise == "adaptive" else None
        belief = tracks.belief(rows)
        distances = kalman.squared_mahalanobis(belief, candidates.measurements, box=box, noise=noise)
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

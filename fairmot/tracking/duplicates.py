"""Tracks that are one object twice."""

import numpy as np

from fairmot.geometry.arrays import IntArray, rows_of
from fairmot.tracking.costs import forbid_across_classes, overlap_cost
from fairmot.tracking.kalman import BoxModel
from fairmot.tracking.track import TrackState, TrackTable


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

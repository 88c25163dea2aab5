"""Preprocessing of a sequence for scoring: overlaps, removal of distractors, relabelled identities.

As in the official scorer, all ground-truth boxes are matched to the results first; results matched to a distractor are
removed, then the ground truth that is not scored. Source: Milan et al., MOT16, section 4.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from fairmot.evaluation.protocol import PERSON, ScoringProtocol
from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable

MATCH_IOU = 0.5
_THRESHOLD = MATCH_IOU - np.finfo(np.float64).eps  # rounding tolerance of the official scorer


@dataclass(frozen=True)
class PreprocessedSequence:
    """A sequence of T frames, ready for the metrics.

    gt_labels, result_labels: T arrays of labels 0..n-1, n the number of remaining identities.
    ious: T arrays (ground truth, results) of overlaps in [0, 1].
    gt_ids, result_ids: (n,) identities in the files, by label.
    """

    gt_labels: list[IntArray]
    result_labels: list[IntArray]
    ious: list[FloatArray]
    gt_ids: IntArray
    result_ids: IntArray

    def to_trackeval(self) -> Mapping[str, Any]:
        """Return the data dictionary of TrackEval's metric classes."""
        return {
            "num_timesteps": len(self.ious),
            "num_gt_ids": len(self.gt_ids),
            "num_tracker_ids": len(self.result_ids),
            "num_gt_dets": sum(map(len, self.gt_labels)),
            "num_tracker_dets": sum(map(len, self.result_labels)),
            "gt_ids": self.gt_labels,
            "tracker_ids": self.result_labels,
            "similarity_scores": self.ious,
        }


def preprocess_sequence(sequence: ScoredSequence, protocol: ScoringProtocol) -> PreprocessedSequence:
    """Apply the protocol's rules to a sequence that passed `check_sequence`; its results are of the scored class."""
    gt, results = _sort_by_frame(sequence.ground_truth), _sort_by_frame(sequence.results)
    frames = list(zip(*(_frame_rows(table, sequence.info.length) for table in (gt, results)), strict=True))
    gt_xyxy, results_xyxy = tlwh_to_xyxy(gt.boxes_tlwh), tlwh_to_xyxy(results.boxes_tlwh)
    ious = [pairwise_iou(gt_xyxy[rows], results_xyxy[columns]) for rows, columns in frames]
    scored = is_scored(gt, protocol)
    kept = np.ones(len(results), dtype=bool)
    distractor = np.isin(gt.classes, protocol.distractors)
    for iou, (rows, columns) in zip(ious, frames, strict=True):
        kept[columns.start + _matched_to_distractors(iou, distractor[rows])] = False
    gt_ids, gt_labels = _relabel(gt.ids, scored)
    result_ids, result_labels = _relabel(results.ids, kept)
    return PreprocessedSequence(
        gt_labels=[gt_labels[rows][scored[rows]] for rows, _ in frames],
        result_labels=[result_labels[columns][kept[columns]] for _, columns in frames],
        ious=[iou[scored[rows]][:, kept[columns]] for iou, (rows, columns) in zip(ious, frames, strict=True)],
        gt_ids=gt_ids,
        result_ids=result_ids,
    )


def _sort_by_frame(table: BoxTable) -> BoxTable:
    """Return the rows by frame, then identity, so that the order in a file does not matter."""
    return table[np.lexsort((table.ids, table.frames))]


def _frame_rows(table: BoxTable, length: int) -> list[slice]:
    """Return the rows of each frame 1..length of a table sorted by frame."""
    edges = np.searchsorted(table.frames, np.arange(1, length + 2)).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]


def is_scored(ground_truth: BoxTable, protocol: ScoringProtocol) -> BoolArray:
    """(N,) mask of the ground-truth boxes that are scored: of the scored class, with a consider flag that is not 0.

    MOT16/17/20 flag people only: of another class without a flagged box all boxes are scored, as in training.
    """
    flagged = np.asarray(ground_truth.confidences.astype(np.int64) != 0)
    if not protocol.has_classes:
        return flagged
    members = np.asarray(ground_truth.classes == protocol.scored)
    return members & flagged if protocol.scored == PERSON or (members & flagged).any() else members


def _matched_to_distractors(iou: FloatArray, distractor: BoolArray) -> IntArray:
    """Return the columns of `iou` that the optimal assignment at IoU 0.5 matches to distractor rows."""
    if not (iou[distractor] >= _THRESHOLD).any():
        return np.zeros(0, dtype=np.int64)
    scores = np.where(iou < _THRESHOLD, 0.0, iou)
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return np.asarray(columns[distractor[rows] & (scores[rows, columns] > 0)])


def _relabel(ids: IntArray, kept: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the kept identities (n,) in ascending order and the label 0..n-1 of each row, -1 for dropped rows."""
    labels = np.full(len(ids), -1, dtype=np.int64)
    unique, labels[kept] = np.unique(ids[kept], return_inverse=True)
    return unique, labels

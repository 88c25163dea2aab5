"""From two box tables to what the metrics read: frames, relabelled identities, overlaps, distractors taken out.

The order matters and is the official one: all truth boxes, scored or not, are matched to the results first; results
matched to a distractor go; then the truth that is not scored goes. Removing whatever overlaps a distractor instead
would delete correct boxes of people who stand near one. Source: Milan et al., MOT16, section 4.1.
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
_THRESHOLD = MATCH_IOU - np.finfo(np.float64).eps  # the official scorer's allowance for rounding


@dataclass(frozen=True)
class PreparedSequence:
    """A sequence of T frames, ready to be scored.

    truth_labels, result_labels: T arrays of labels 0..n-1, n the number of identities that are left.
    ious: T arrays (truths, results) of overlaps in [0, 1].
    truth_ids, result_ids: (n,) the identities in the files, by label.
    """

    truth_labels: list[IntArray]
    result_labels: list[IntArray]
    ious: list[FloatArray]
    truth_ids: IntArray
    result_ids: IntArray

    def to_trackeval(self) -> Mapping[str, Any]:
        """Return the same under the names that TrackEval's metric classes read."""
        return {
            "num_timesteps": len(self.ious),
            "num_gt_ids": len(self.truth_ids),
            "num_tracker_ids": len(self.result_ids),
            "num_gt_dets": sum(map(len, self.truth_labels)),
            "num_tracker_dets": sum(map(len, self.result_labels)),
            "gt_ids": self.truth_labels,
            "tracker_ids": self.result_labels,
            "similarity_scores": self.ious,
        }


def prepare_sequence(sequence: ScoredSequence, protocol: ScoringProtocol) -> PreparedSequence:
    """Apply the protocol's rules to one sequence that `check_sequence` passed; its results are of the scored class."""
    truth, results = _by_frame(sequence.truth), _by_frame(sequence.results)
    frames = list(zip(*(_frame_rows(table, sequence.info.length) for table in (truth, results)), strict=True))
    truth_xyxy, results_xyxy = tlwh_to_xyxy(truth.boxes_tlwh), tlwh_to_xyxy(results.boxes_tlwh)
    ious = [pairwise_iou(truth_xyxy[rows], results_xyxy[columns]) for rows, columns in frames]
    scored = is_scored(truth, protocol)
    kept = np.ones(len(results), dtype=bool)
    distractor = np.isin(truth.classes, protocol.distractors)
    for iou, (rows, columns) in zip(ious, frames, strict=True):
        kept[columns.start + _on_distractors(iou, distractor[rows])] = False
    truth_ids, truth_labels = _relabel(truth.ids, scored)
    result_ids, result_labels = _relabel(results.ids, kept)
    return PreparedSequence(
        truth_labels=[truth_labels[rows][scored[rows]] for rows, _ in frames],
        result_labels=[result_labels[columns][kept[columns]] for _, columns in frames],
        ious=[iou[scored[rows]][:, kept[columns]] for iou, (rows, columns) in zip(ious, frames, strict=True)],
        truth_ids=truth_ids,
        result_ids=result_ids,
    )


def _by_frame(table: BoxTable) -> BoxTable:
    """Rows by frame, then identity: the order of rows in a file changes nothing."""
    return table[np.lexsort((table.ids, table.frames))]


def _frame_rows(table: BoxTable, length: int) -> list[slice]:
    """The rows of each frame 1..length, in a table that is sorted by frame."""
    edges = np.searchsorted(table.frames, np.arange(1, length + 2)).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges)]


def is_scored(truth: BoxTable, protocol: ScoringProtocol) -> BoolArray:
    """(N,) truth boxes that count: of the scored class where there are classes, and not marked 0.

    MOT16/17/20 mark people only: another class that has no marked box in a file counts whole, as it does in training.
    """
    marked = np.asarray(truth.confidences.astype(np.int64) != 0)
    if not protocol.has_classes:
        return marked
    members = np.asarray(truth.classes == protocol.scored)
    return members & marked if protocol.scored == PERSON or (members & marked).any() else members


def _on_distractors(iou: FloatArray, distractor: BoolArray) -> IntArray:
    """Columns of `iou` (truths, results) that the best assignment of all truths at IoU 0.5 gives to distractors."""
    if not (iou[distractor] >= _THRESHOLD).any():
        return np.zeros(0, dtype=np.int64)
    scores = np.where(iou < _THRESHOLD, 0.0, iou)
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return np.asarray(columns[distractor[rows] & (scores[rows, columns] > 0)])


def _relabel(ids: IntArray, kept: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the kept identities (n,) in order, and the label 0..n-1 of each row; -1 where it is not kept."""
    labels = np.full(len(ids), -1, dtype=np.int64)
    unique, labels[kept] = np.unique(ids[kept], return_inverse=True)
    return unique, labels

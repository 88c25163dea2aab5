"""Structures of scoring: a sequence with ground truth and results, its event table, and the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape
from fairmot.structures.sequence import BoxTable, SequenceInfo


@dataclass(frozen=True)
class ScoredSequence:
    """A sequence to score, with ground truth and results.

    ground_truth_source, results_source: file names for messages; empty for tables in memory.
    """

    info: SequenceInfo
    ground_truth: BoxTable
    results: BoxTable
    ground_truth_source: str = ""
    results_source: str = ""


@dataclass(frozen=True)
class EventTable:
    """N events of boxes, by frame: matches, identity switches, misses and false positives.

    frames: (N,) frame numbers from 1.
    kinds: (N,) text: MATCH, SWITCH, MISS or FP.
    gt_ids, result_ids: (N,) identities in the files; undefined for a kind without that side.
    ious: (N,) overlap of matches and switches, NaN for the others.
    """

    frames: IntArray
    kinds: npt.NDArray[np.str_]
    gt_ids: IntArray
    result_ids: IntArray
    ious: FloatArray

    def __post_init__(self) -> None:
        for name, array in vars(self).items():
            require_shape(name, array, (len(self.frames),))

    def __len__(self) -> int:
        return len(self.frames)

    def count(self, kind: str) -> int:
        """Return the number of rows of this kind."""
        return int(np.count_nonzero(self.kinds == kind))


@dataclass(frozen=True)
class EvalReport:
    """Scores under TrackEval's names: fractions in [0, 1] (MOTA may be negative) and counts.

    combined: over all sequences, as ratios of the summed counts.
    sequences: scores by row: each sequence, and with several classes `<sequence>/<class>` and `COMBINED/<class>`.
    protocol, reason: the applied MOTChallenge rules, and the reason for the choice.
    backend: trackeval or motmetrics.
    notes: warnings, one line each.
    events: event tables by sequence, or with several classes by `<sequence>/<class>`, where requested.
    """

    combined: Mapping[str, float]
    sequences: Mapping[str, Mapping[str, float]]
    protocol: str
    reason: str
    backend: str = "trackeval"
    notes: tuple[str, ...] = ()
    events: Mapping[str, EventTable] = field(default_factory=dict)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return the content of metrics.json: `{"COMBINED": {...}, "<sequence>": {...}}`."""
        return {"COMBINED": dict(self.combined)} | {name: dict(scores) for name, scores in self.sequences.items()}

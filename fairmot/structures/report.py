"""What scoring takes and gives: a sequence's truth and results, its events, and the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape
from fairmot.structures.sequence import BoxTable, SequenceInfo


@dataclass(frozen=True)
class ScoredSequence:
    """One sequence to score: what it is, its ground truth and a tracker's results.

    `truth_source` and `results_source` name the files in messages; empty where the tables were never files.
    """

    info: SequenceInfo
    truth: BoxTable
    results: BoxTable
    truth_source: str = ""
    results_source: str = ""


@dataclass(frozen=True)
class EventTable:
    """What became of each box, N rows by frame: a match, an identity switch, a miss or a false positive.

    frames: (N,) frame numbers from 1.
    kinds: (N,) text: MATCH, SWITCH, MISS or FP.
    truth_ids, result_ids: (N,) identities as the files have them; meaningless where a kind has no such side.
    ious: (N,) overlap of matches and switches, NaN for the others.
    """

    frames: IntArray
    kinds: npt.NDArray[np.str_]
    truth_ids: IntArray
    result_ids: IntArray
    ious: FloatArray

    def __post_init__(self) -> None:
        for name in ("frames", "kinds", "truth_ids", "result_ids", "ious"):
            array: npt.NDArray[Any] = getattr(self, name)
            require_shape(name, array, (len(self.frames),))

    def __len__(self) -> int:
        return len(self.frames)

    def count(self, kind: str) -> int:
        """How many rows are of this kind."""
        return int(np.count_nonzero(self.kinds == kind))


@dataclass(frozen=True)
class EvalReport:
    """Scores of a run under TrackEval's names; fractions in [0, 1] (MOTA may be below 0) and counts.

    combined: over all sequences: counts added and ratios taken of the sums, never averaged.
    sequences: row -> the same names: each sequence, and with several classes `<sequence>/<class>` and
        `COMBINED/<class>`.
    protocol, reason: the MOTChallenge rules that were applied, and why those.
    backend: trackeval or motmetrics.
    notes: warnings, a line each.
    events: sequence, or with several classes `<sequence>/<class>` -> its events, where they were asked for.
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

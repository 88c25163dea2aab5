"""Paired bootstrap of two trackers' scores over segments of sequences.

Each segment is scored as a sequence of its own, which gives the counts that TrackEval sums over sequences. A bootstrap
draw takes segments with replacement, the same for both trackers, and combines them as TrackEval combines sequences.
Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentiles).

Legend: S segments, B draws, A HOTA's 19 thresholds, C = 4 A + 7 counts, M metrics.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fairmot.evaluation.checks import check_sequence
from fairmot.evaluation.preprocess import preprocess_sequence
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.sequences import cut_sequence
from fairmot.evaluation.trackeval_backend import score_sequence
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.report import ScoredSequence

METRICS = ("HOTA", "IDF1", "MOTA", "IDSW")
THRESHOLDS = 19
_COUNTS = (
    ("CLEAR", "CLR_TP"), ("CLEAR", "CLR_FN"), ("CLEAR", "CLR_FP"), ("CLEAR", "IDSW"),
    ("Identity", "IDTP"), ("Identity", "IDFN"), ("Identity", "IDFP"),
)  # fmt: skip


class Interval(NamedTuple):
    """Differences of two trackers, (M,): over all segments, and the bounds of the confidence interval."""

    difference: FloatArray
    low: FloatArray
    high: FloatArray


def cut_evenly(length: int, frames: int) -> list[range]:
    """Split `length` frames into segments of about `frames` frames, whose lengths differ by one at most.

    >>> [(part.start, part.stop) for part in cut_evenly(10, 4)]
    [(0, 5), (5, 10)]
    """
    if frames < 1:
        raise ValueError(f"frames: {frames} is below 1")
    count = max(1, round(length / frames))
    edges = [length * index // count for index in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def count_segments(sequences: Sequence[ScoredSequence], frames: int = 0) -> FloatArray:
    """Return (S, C) counts of segments of about `frames` frames; 0 for full sequences.

    Raises InputError for tables that cannot be scored.
    """
    protocol = choose_protocol(sequences).protocol
    rows = []
    for sequence in sequences:
        check_sequence(sequence, protocol)
        for part in cut_evenly(sequence.info.length, frames or max(1, sequence.info.length)):
            rows.append(_counts(score_sequence(preprocess_sequence(cut_sequence(sequence, part), protocol))))
    return np.stack(rows)


def _counts(raw: Mapping[str, Mapping[str, Any]]) -> FloatArray:
    """(C,) TrackEval's counts of a sequence; AssA is multiplied by the true positives, its weight in sums."""
    hota = raw["HOTA"]
    by_threshold = [hota["HOTA_TP"], hota["HOTA_FN"], hota["HOTA_FP"], hota["AssA"] * hota["HOTA_TP"]]
    scalars = [[raw[family][name]] for family, name in _COUNTS]
    return np.concatenate([*by_threshold, *scalars]).astype(np.float64)


def combine(counts_BC: FloatArray) -> FloatArray:
    """Return (B, M) scores from summed counts: fractions, and the number of identity switches."""
    hota, scalars = np.split(counts_BC, [4 * THRESHOLDS], axis=1)
    hota_tp, hota_fn, hota_fp, associated = np.split(hota, 4, axis=1)
    detection = hota_tp / np.maximum(1, hota_tp + hota_fn + hota_fp)
    association = associated / np.maximum(1, hota_tp)
    tp, fn, fp, switches, idtp, idfn, idfp = scalars.T
    scores = [
        np.sqrt(detection * association).mean(axis=1),
        idtp / np.maximum(1, idtp + 0.5 * idfn + 0.5 * idfp),
        (tp - fp - switches) / np.maximum(1, tp + fn),
        switches,
    ]
    return np.stack(scores, axis=1)


def draw_segments(count: int, draws: int, rng: np.random.Generator) -> IntArray:
    """Return (B, S) multiplicities of `count` segments in draws of `count` with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), size=draws)


def compare(own_SC: FloatArray, base_SC: FloatArray, weights_BS: IntArray, *, level: float = 0.95) -> Interval:
    """Return the differences own - base over all segments, and their bootstrap interval (percentiles of the draws).

    Raises ValueError for different numbers of segments.
    """
    if own_SC.shape != base_SC.shape:
        raise ValueError(f"base_SC: shape {base_SC.shape}, own_SC has {own_SC.shape}")
    total = combine(own_SC.sum(axis=0, keepdims=True)) - combine(base_SC.sum(axis=0, keepdims=True))
    differences_BM = combine(weights_BS @ own_SC) - combine(weights_BS @ base_SC)
    low, high = np.quantile(differences_BM, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(total[0], low, high)

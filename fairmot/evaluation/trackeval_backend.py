"""CLEAR, identity and HOTA scores by the metric classes of TrackEval, MOTChallenge's official scorer.

Sources: Bernardin and Stiefelhagen 2008 (CLEAR MOT); Ristani et al. 2016 (IDF1); Luiten et al. 2021 (HOTA).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from trackeval.metrics import CLEAR, HOTA, Identity

from fairmot.evaluation.preprocess import PreprocessedSequence

RawScores = Mapping[str, Mapping[str, Any]]  # metric family -> name -> value; HOTA's are arrays over 19 thresholds


def score_sequence(sequence: PreprocessedSequence) -> RawScores:
    """Return the raw scores of one sequence, for `trackeval_scores`."""
    data = sequence.to_trackeval()
    return {family: metric.eval_sequence(data) for family, metric in _metrics().items()}


def trackeval_scores(raw: Mapping[str, RawScores]) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return (combined, by sequence) from each sequence's raw scores.

    Combined scores are ratios of the summed counts. The HOTA family is averaged over its thresholds afterwards.
    """
    combined = {
        family: metric.combine_sequences({name: families[family] for name, families in raw.items()})
        for family, metric in _metrics().items()
    }
    return _flatten(combined), {name: _flatten(families) for name, families in raw.items()}


def _metrics() -> dict[str, Any]:
    return {
        "HOTA": HOTA(),
        "CLEAR": CLEAR({"PRINT_CONFIG": False}),
        "Identity": Identity({"PRINT_CONFIG": False}),
    }


def _flatten(families: RawScores) -> dict[str, float]:
    counts = {name for metric in _metrics().values() for name in metric.integer_fields}
    return {
        name: int(value) if name in counts else float(np.mean(value))
        for scores in families.values()
        for name, value in scores.items()
    }

"""Public detections in MOTChallenge's text format (`det/det.txt`), with scores normalized to [0, 1].

Columns: frame, -1, left, top, width, height, score, and optionally a class number from 1 (-1 if unknown) and columns
that are ignored. Source: Milan et al., MOT16 (2016), section 3.3.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import expit

from fairmot.formats.motchallenge import read_boxes
from fairmot.geometry.arrays import BoolArray, FloatArray
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError

ABSENT = -1.0  # value of a missing score


def normalize_scores(raw: FloatArray) -> tuple[FloatArray, str]:
    """Normalize the scores (N,) of a file to [0, 1] by one monotonic rule; return them and the rule, for messages.

    The first that applies: missing scores (all -1) become 1; if any is negative, scores are logits or margins and are
    mapped by the logistic function 1 / (1 + exp(-s)) (Platt 1999, without a fit); scores in [0, 1] are unchanged;
    others (percentages, counts) are divided by the largest.

    >>> normalize_scores(np.array([12.0, 48.0, 96.0]))
    (array([0.125, 0.5  , 1.   ]), 'divided by the largest, 96')
    >>> normalize_scores(np.array([-0.5, 0.0, 2.0]))[0].round(3).tolist()
    [0.378, 0.5, 0.881]
    """
    if not len(raw):
        return raw, "none"
    lowest, highest = float(raw.min()), float(raw.max())
    if lowest == highest == ABSENT:
        return np.ones_like(raw), "missing, set to 1"
    if lowest < 0:
        return np.asarray(expit(raw)), "mapped by the logistic function"
    if highest <= 1:
        return raw, "unchanged"
    return raw / highest, f"divided by the largest, {highest:g}"


def read_public_detections(path: Path) -> tuple[BoxTable, str]:
    """Read a file of boxes; return its rows, with scores (`confidences`) in [0, 1], and the rule of `normalize_scores`.

    Rows are in the file's order; `classes` are the class numbers from 1, -1 if unknown.

    Raises InputError with file and line: errors of `read_boxes`, a negative width or height, a class below 1 other than
    -1. A box of zero width or height is read; trackers ignore it.
    """
    table = read_boxes(path, "results")
    _require(path, table, table.boxes_tlwh[:, 2:].min(axis=1, initial=0) >= 0, "a box of negative width or height")
    _require(path, table, (table.classes >= 1) | (table.classes == -1), "a class below 1 (-1: unknown)")
    scores, rule = normalize_scores(table.confidences)
    return replace(table, confidences=scores), rule


def _require(path: Path, table: BoxTable, valid: BoolArray, message: str) -> None:
    if not valid.all():
        raise InputError(f"{path}:{table.lines[int(np.argmin(valid))]}: {message}")

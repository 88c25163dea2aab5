"""A detector's boxes in MOTChallenge's text, `det/det.txt`, with scores brought to [0, 1].

Columns: frame, -1, left, top, width, height, score, then maybe a class number from 1 (-1 where it is unknown) and what
else stands there. Source: Milan et al., MOT16 (2016), section 3.3.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from fairmot.formats.motchallenge import read_boxes
from fairmot.geometry.arrays import BoolArray, FloatArray
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError

ABSENT = -1.0  # in place of a score


class NormalizedScores(NamedTuple):
    """Scores (N,) in [0, 1], and what was done to the file's to get them, in words."""

    scores: FloatArray
    rule: str


class PublicTable(NamedTuple):
    """Rows in the file's order, scores (`confidences`) in [0, 1], and what was done to the file's to get them."""

    table: BoxTable
    score_rule: str


def normalize_scores(raw: FloatArray) -> NormalizedScores:
    """Bring the scores (N,) of a whole file to [0, 1] by one rule for all of them, which never swaps two.

    In this order: none (all are -1) are 1; within [0, 1] they stay as they are; from 0 up they are divided by the
    largest (percentages, counts); with negative ones among them they are margins or logits, and go through the
    logistic function 1 / (1 + exp(-s)), Platt's (1999) without a fit.

    >>> map_scores(np.array([12.0, 48.0, 96.0]))
    MappedScores(scores=array([0.125, 0.5  , 1.   ]), how='divided by the largest, 96')
    >>> map_scores(np.array([-0.5, 0.0, 2.0])).scores.round(3).tolist()
    [0.378, 0.5, 0.881]
    """
    if not len(raw):
        return NormalizedScores(raw, "none")
    lowest, highest = float(raw.min()), float(raw.max())
    if lowest == highest == ABSENT:
        return NormalizedScores(np.ones_like(raw), "absent, taken as 1")
    if lowest < 0:
        return NormalizedScores(np.asarray(expit(raw)), "logits, through the logistic function")
    if highest <= 1:
        return NormalizedScores(raw, "as they are")
    return NormalizedScores(raw / highest, f"divided by the largest, {highest:g}")


def read_public_detections(path: Path) -> PublicTable:
    """Read a file of boxes; `classes` are its class numbers from 1, -1 where there are none.

    Raises InputError naming file and line: what `read_boxes` refuses, a negative width or height, a class below 1 that
    is not -1. A box of no width or height is read; trackers leave it out.
    """
    table = read_boxes(path, "results")
    _require(path, table, table.boxes_tlwh[:, 2:].min(axis=1, initial=0) >= 0, "a box of negative width or height")
    _require(path, table, (table.classes >= 1) | (table.classes == -1), "a class below 1 (-1 is for unknown)")
    scores, how = normalize_scores(table.confidences)
    return PublicTable(replace(table, confidences=scores), how)


def _require(path: Path, table: BoxTable, sound: BoolArray, what: str) -> None:
    if not sound.all():
        raise InputError(f"{path}:{table.lines[int(np.argmin(sound))]}: {what}")

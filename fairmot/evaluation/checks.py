"""Validity checks of ground-truth and result tables, before scoring."""

import numpy as np

from fairmot.evaluation.protocol import PERSON, ScoringProtocol
from fairmot.geometry.arrays import BoolArray
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError


def check_sequence(sequence: ScoredSequence, protocol: ScoringProtocol, *, num_classes: int = 1) -> None:
    """Raise InputError naming file and line of a row that cannot be scored.

    That is a frame beyond the sequence, a repeated identity in a frame, or an unknown class. Ground-truth classes must
    be the protocol's (MOTChallenge's 1 to 13, or from 1 up) where it has classes; results have people only (1 or -1),
    or with several classes 1 to `num_classes`.
    """
    name, length = sequence.info.name, sequence.info.length
    gt, results = sequence.ground_truth, sequence.results
    gt_source = sequence.ground_truth_source or f"{name} ground truth"
    results_source = sequence.results_source or f"{name} results"
    check_table(gt, length, gt_source)
    check_table(results, length, results_source)
    if protocol.has_classes:
        last = protocol.last_class
        expected = f"one of MOTChallenge's, 1 to {last}" if last else "a number from 1 up"
        outside = (gt.classes < PERSON) | ((gt.classes > last) & (last > 0))
        _check_rows(gt, outside, gt_source, f"class {{class}} is not {expected}")
    outside = (results.classes > num_classes) | ((num_classes > 1) & (results.classes < 1))
    scored = f"classes 1 to {num_classes}" if num_classes > 1 else "only people"
    _check_rows(results, outside, results_source, f"class {{class}} in column 8: {scored} are scored")


def check_table(table: BoxTable, length: int, source: str) -> None:
    """Raise InputError for a frame outside 1..length, or for a repeated identity in a frame.

    Objects of two classes may have the same identity; no class (-1) and the first one are one class.
    """
    outside = (table.frames < 1) | (table.frames > length)
    _check_rows(table, outside, source, f"frame {{frame}} is beyond the sequence's {length} frames")
    keys = np.stack([table.frames, table.ids, np.maximum(table.classes, PERSON)], axis=1)
    order = np.lexsort(keys.T[::-1])
    repeated = np.zeros(len(table), dtype=np.bool_)
    repeated[order[1:]] = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
    _check_rows(table, repeated, source, "identity {id} is in frame {frame} twice")


def _check_rows(table: BoxTable, invalid: BoolArray, source: str, message: str) -> None:
    """Raise InputError with `message`, formatted with id, frame and class, for the first row of the mask `invalid`."""
    if invalid.any():
        row = int(np.argmax(invalid))
        position = f"{source}:{table.lines[row]}" if table.lines[row] else source
        values = {"id": table.ids[row], "frame": table.frames[row], "class": table.classes[row]}
        raise InputError(f"{position}: {message.format(**values)}")

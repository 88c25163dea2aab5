"""What makes a truth or result table unfit to score: found before anything is counted."""

import numpy as np

from fairmot.evaluation.protocol import PERSON, ScoringProtocol
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError


def check_sequence(sequence: ScoredSequence, protocol: ScoringProtocol, *, num_classes: int = 1) -> None:
    """Raise InputError naming file and line: a frame beyond the sequence, one identity twice in a frame, a class.

    Truth classes must be the protocol's (MOTChallenge's 1 to 13, or from 1 up) where it has classes; results hold
    people only (1 or -1), or with several classes 1 to `num_classes`.
    """
    name, length = sequence.info.name, sequence.info.length
    truth_source = sequence.truth_source or f"{name} truth"
    results_source = sequence.results_source or f"{name} results"
    check_table(sequence.truth, length, truth_source)
    check_table(sequence.results, length, results_source)
    if protocol.has_classes:
        _check_truth_classes(sequence.truth, protocol, truth_source)
    _check_result_classes(sequence.results, num_classes, results_source)


def _check_truth_classes(truth: BoxTable, protocol: ScoringProtocol, source: str) -> None:
    last, classes = protocol.last_class, truth.classes
    outside = np.flatnonzero((classes < PERSON) | ((classes > last) & (last > 0)))
    if len(outside):
        wanted = f"one of MOTChallenge's, 1 to {last}" if last else "a number from 1 up"
        raise InputError(f"{_place(truth, outside[0], source)}: class {classes[outside[0]]} is not {wanted}")


def _check_result_classes(results: BoxTable, num_classes: int, source: str) -> None:
    classes = results.classes
    several = num_classes > 1
    outside = np.flatnonzero((classes > num_classes) | (several & (classes < 1)))
    if len(outside):
        scored = f"classes 1 to {num_classes}" if several else "only people"
        place = _place(results, outside[0], source)
        raise InputError(f"{place}: class {classes[outside[0]]} in column 8: {scored} are scored")


def check_table(table: BoxTable, length: int, source: str) -> None:
    """Raise InputError for a frame outside 1..length, or for an identity that is in one frame twice.

    Objects of two classes may share a number; no class (-1) and the first one are one class.
    """
    outside = np.flatnonzero((table.frames < 1) | (table.frames > length))
    if len(outside):
        place = _place(table, outside[0], source)
        raise InputError(f"{place}: frame {table.frames[outside[0]]} is beyond the sequence's {length} frames")
    keys = np.stack([table.frames, table.ids, np.maximum(table.classes, PERSON)], axis=1)
    order = np.lexsort(keys.T[::-1])
    repeated = order[1:][(keys[order[1:]] == keys[order[:-1]]).all(axis=1)]
    if len(repeated):
        first = repeated.min()
        place = _place(table, first, source)
        raise InputError(f"{place}: identity {table.ids[first]} is in frame {table.frames[first]} twice")


def _place(table: BoxTable, row: int, source: str) -> str:
    return f"{source}:{table.lines[row]}" if table.lines[row] else source

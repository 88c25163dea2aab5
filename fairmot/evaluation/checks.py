"""What makes a truth or result table unfit to score: found before anything is counted."""

import numpy as np

from fairmot.evaluation.protocol import LAST_CLASS, PERSON, Protocol
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError


def check_sequence(sequence: ScoredSequence, protocol: Protocol) -> None:
    """Raise InputError naming file and line: a frame beyond the sequence, one identity twice in a frame, a class.

    Truth classes must be MOTChallenge's (1 to 13) where the protocol has classes; results may hold people only.
    """
    name, length = sequence.info.name, sequence.info.length
    truth_source = sequence.truth_source or f"{name} truth"
    results_source = sequence.results_source or f"{name} results"
    check_table(sequence.truth, length, truth_source)
    check_table(sequence.results, length, results_source)
    if protocol.has_classes:
        classes = sequence.truth.classes
        outside = np.flatnonzero((classes < PERSON) | (classes > LAST_CLASS))
        if len(outside):
            place = _place(sequence.truth, outside[0], truth_source)
            raise InputError(f"{place}: class {classes[outside[0]]} is not one of MOTChallenge's, 1 to {LAST_CLASS}")
    others = np.flatnonzero(sequence.results.classes > PERSON)
    if len(others):
        place = _place(sequence.results, others[0], results_source)
        raise InputError(f"{place}: class {sequence.results.classes[others[0]]} in column 8: only people are scored")


def check_table(table: BoxTable, length: int, source: str) -> None:
    """Raise InputError for a frame outside 1..length, or for an identity that is in one frame twice."""
    outside = np.flatnonzero((table.frames < 1) | (table.frames > length))
    if len(outside):
        place = _place(table, outside[0], source)
        raise InputError(f"{place}: frame {table.frames[outside[0]]} is beyond the sequence's {length} frames")
    order = np.lexsort((table.ids, table.frames))
    frames, ids = table.frames[order], table.ids[order]
    repeated = order[1:][(frames[1:] == frames[:-1]) & (ids[1:] == ids[:-1])]
    if len(repeated):
        first = repeated.min()
        place = _place(table, first, source)
        raise InputError(f"{place}: identity {table.ids[first]} is in frame {table.frames[first]} twice")


def _place(table: BoxTable, row: int, source: str) -> str:
    return f"{source}:{table.lines[row]}" if table.lines[row] else source

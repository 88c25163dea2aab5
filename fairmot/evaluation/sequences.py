"""Sequences to score, read from ground-truth folders and result files."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fairmot.evaluation.checks import check_table
from fairmot.formats.motchallenge import find_sequences, list_images, read_boxes, read_sequence_info
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class SequenceSet:
    """Sequences to score, and notes for the user about the files, one line each."""

    sequences: tuple[ScoredSequence, ...]
    notes: tuple[str, ...] = ()


def read_ground_truth(root: Path) -> SequenceSet:
    """Read the ground truth of the sequence at `root`, or of all below it, with empty results.

    A sequence with fewer images than seqinfo.ini's seqLength (a cut of a data set) is scored over the frames that have
    images or ground truth. Raises InputError naming file and line of missing, malformed or repeated data.
    """
    sequences: list[ScoredSequence] = []
    notes: list[str] = []
    no_ints, no_floats = np.zeros(0, dtype=np.int64), np.zeros(0)
    no_results = BoxTable(no_ints, no_ints, np.zeros((0, 4)), no_floats, no_ints, no_floats)
    for folder in find_sequences(root):
        stated = read_sequence_info(folder)
        path = folder / "gt" / "gt.txt"
        ground_truth = read_boxes(path, "ground_truth")
        check_table(ground_truth, stated.length, str(path))
        image_folder, length = stated.root / stated.image_dir, stated.length
        images = len(list_images(image_folder)) if image_folder.is_dir() else 0
        if images:
            length = min(length, max(images, int(ground_truth.frames.max(initial=0))))
        info = replace(stated, length=length)
        if info.length < stated.length:
            notes.append(f"{info.name}: scored over {info.length} of the {stated.length} frames in seqinfo.ini")
        sequences.append(ScoredSequence(info, ground_truth, no_results, ground_truth_source=str(path)))
    return SequenceSet(tuple(sequences), tuple(notes))


def add_results(ground_truth: SequenceSet, folder: Path) -> SequenceSet:
    """Return the sequences with the results of `folder/<sequence>.txt`, and a note of result files without a sequence.

    Raises InputError naming the first missing file, or the line of malformed or repeated data.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of results")
    paths = [_results_path(folder, sequence.info) for sequence in ground_truth.sequences]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        more = f" ({len(missing)} of {len(paths)} are missing)" if len(missing) > 1 else ""
        raise InputError(f"{missing[0]}: no such result file{more}; a sequence without results needs an empty one")
    sequences = []
    for sequence, path in zip(ground_truth.sequences, paths, strict=True):
        results = read_boxes(path, "results")
        check_table(results, sequence.info.length, str(path))
        sequences.append(replace(sequence, results=results, results_source=str(path)))
    others = sorted(path.name for path in set(folder.glob("[!.]*.txt")) - set(paths))
    notes = (f"{folder}: no ground truth for {', '.join(others)}; not scored",) if others else ()
    return SequenceSet(tuple(sequences), ground_truth.notes + notes)


def _results_path(folder: Path, info: SequenceInfo) -> Path:
    """Return the file of the name in seqinfo.ini, or of the folder's name where only that exists."""
    named, by_folder = folder / f"{info.name}.txt", folder / f"{info.root.name}.txt"
    return by_folder if by_folder.is_file() and not named.is_file() else named


def cut_sequence(sequence: ScoredSequence, indices: range) -> ScoredSequence:
    """Return the frames at `indices` (from 0, consecutive) with their results, renumbered from 1."""
    if indices == range(sequence.info.length):
        return sequence
    tables = []
    for table in (sequence.ground_truth, sequence.results):
        kept = table[(table.frames > indices.start) & (table.frames <= indices.stop)]
        tables.append(replace(kept, frames=kept.frames - indices.start))
    info = replace(sequence.info, length=len(indices))
    return replace(sequence, info=info, ground_truth=tables[0], results=tables[1])

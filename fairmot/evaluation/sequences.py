"""Truth folders and result files -> sequences to score."""

from collections.abc import Sequence
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
    """Sequences to score, and what the user should know of how they were read (a line each)."""

    sequences: tuple[ScoredSequence, ...]
    notes: tuple[str, ...] = ()


def read_truths(root: Path) -> SequenceSet:
    """Read the ground truth of the sequence at `root`, or of all below it; their results are empty as yet.

    A sequence with fewer images beside it than seqinfo.ini's seqLength (a cut of a data set) is scored over the frames
    that images or truth reach. Raises InputError naming file and line for what is missing, malformed or double.
    """
    sequences: list[ScoredSequence] = []
    notes: list[str] = []
    for folder in find_sequences(root):
        stated = read_sequence_info(folder)
        path = folder / "gt" / "gt.txt"
        truth = read_boxes(path, "truth")
        check_table(truth, stated.length, str(path))
        info = replace(stated, length=_covered_length(stated, truth))
        if info.length < stated.length:
            notes.append(f"{info.name}: {info.length} of the {stated.length} frames in seqinfo.ini are here to score")
        sequences.append(ScoredSequence(info, truth, _no_results(), truth_source=str(path)))
    return SequenceSet(tuple(sequences), tuple(notes))


def _covered_length(info: SequenceInfo, truth: BoxTable) -> int:
    folder = info.root / info.image_dir
    images = len(list_images(folder)) if folder.is_dir() else 0
    return min(info.length, max(images, int(truth.frames.max(initial=0)))) if images else info.length


def _no_results() -> BoxTable:
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return BoxTable(whole, whole, np.zeros((0, 4)), real, whole, real)


def add_results(truths: SequenceSet, folder: Path) -> SequenceSet:
    """Return the sequences with the results of `folder/<sequence>.txt`, and a note of the files that no truth has.

    Raises InputError naming the first file that is missing, or the line that is malformed or double.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of results")
    paths = [_results_path(folder, sequence.info) for sequence in truths.sequences]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        more = f" ({len(missing)} of {len(paths)} are missing)" if len(missing) > 1 else ""
        raise InputError(f"{missing[0]}: no such result file{more}; a sequence without results needs an empty one")
    sequences = [_with_results(sequence, path) for sequence, path in zip(truths.sequences, paths, strict=True)]
    return SequenceSet(tuple(sequences), truths.notes + _unscored(folder, paths))


def _results_path(folder: Path, info: SequenceInfo) -> Path:
    """Return the file called as seqinfo.ini names the sequence, or if only that exists, as its folder is called."""
    named, by_folder = folder / f"{info.name}.txt", folder / f"{info.root.name}.txt"
    return by_folder if by_folder.is_file() and not named.is_file() else named


def _with_results(sequence: ScoredSequence, path: Path) -> ScoredSequence:
    results = read_boxes(path, "results")
    check_table(results, sequence.info.length, str(path))
    return replace(sequence, results=results, results_source=str(path))


def _unscored(folder: Path, scored: Sequence[Path]) -> tuple[str, ...]:
    others = sorted(path.name for path in set(folder.glob("[!.]*.txt")) - set(scored))
    return (f"{folder}: no truth for {', '.join(others)}; not scored",) if others else ()


def cut_sequence(sequence: ScoredSequence, places: range) -> ScoredSequence:
    """Return the frames at `places` (from 0, in one run), numbered from 1 again; with results."""
    frames = range(places.start + 1, places.stop + 1)
    if frames == range(1, sequence.info.length + 1):
        return sequence
    tables = []
    for table in (sequence.truth, sequence.results):
        kept = table[(table.frames >= frames.start) & (table.frames < frames.stop)]
        tables.append(replace(kept, frames=kept.frames - places.start))
    info = replace(sequence.info, length=len(places))
    return replace(sequence, info=info, truth=tables[0], results=tables[1])

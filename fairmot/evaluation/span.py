"""A part of a sequence, as a sequence of its own."""

from dataclasses import replace

from fairmot.structures.report import ScoredSequence


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

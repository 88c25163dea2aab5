"""Score many sequences at once: rules, preparation, metrics, report."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fairmot.evaluation.events import accumulate, event_table, motmetrics_scores
from fairmot.evaluation.prepare import prepare_sequence
from fairmot.evaluation.protocol import choose_protocol
from fairmot.evaluation.scores import RawScores, score_sequence, trackeval_scores
from fairmot.structures.report import EvalReport, ScoredSequence
from fairmot.utils.errors import InputError

Progress = Callable[[Sequence[ScoredSequence]], Iterable[ScoredSequence]]


@dataclass(frozen=True)
class Evaluator:
    """How to score.

    protocol: auto, mot15, mot16, mot17 or mot20.
    backend: trackeval, or motmetrics for the numbers that FairMOT-style scripts print.
    events: whether the report has motmetrics' event table of each sequence.
    """

    protocol: str = "auto"
    backend: str = "trackeval"
    events: bool = False

    def evaluate(self, sequences: Sequence[ScoredSequence], *, progress: Progress = iter) -> EvalReport:
        """Return the report of `sequences`; `progress` wraps the loop over them (a progress bar).

        Raises InputError where a table cannot be scored, the protocol cannot be known, two sequences share a name, or
        there is none.
        """
        _check_names(sequences)
        choice = choose_protocol(sequences, self.protocol)
        official = self.backend == "trackeval"
        raw: dict[str, RawScores] = {}
        accumulators: dict[str, Any] = {}
        for sequence in progress(sequences):
            prepared = prepare_sequence(sequence, choice.protocol)
            if official:
                raw[sequence.info.name] = score_sequence(prepared)
            if self.events or not official:
                accumulators[sequence.info.name] = accumulate(prepared)
        combined, by_sequence = trackeval_scores(raw) if official else motmetrics_scores(accumulators)
        return EvalReport(
            combined,
            by_sequence,
            protocol=choice.protocol.name,
            reason=choice.reason,
            backend=self.backend,
            events={name: event_table(each) for name, each in accumulators.items()} if self.events else {},
        )


def evaluate_tables(sequences: Sequence[ScoredSequence], *, protocol: str = "auto") -> EvalReport:
    """Score tables in memory by TrackEval's metrics, as validation while training does; see `Evaluator`."""
    return Evaluator(protocol).evaluate(sequences)


def _check_names(sequences: Sequence[ScoredSequence]) -> None:
    if not sequences:
        raise InputError("no sequence to score")
    names = [sequence.info.name for sequence in sequences]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{repeated[0]}: the name of two sequences; give each its own in seqinfo.ini")
    if "COMBINED" in names:
        raise InputError("COMBINED: not a name for a sequence, the report keeps it for the sum of all")

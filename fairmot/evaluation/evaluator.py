"""Score many sequences at once: rules, preparation, metrics, report."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fairmot.evaluation.checks import check_sequence
from fairmot.evaluation.motmetrics_backend import accumulate, event_table, motmetrics_scores
from fairmot.evaluation.preprocess import PreparedSequence, prepare_sequence
from fairmot.evaluation.protocol import PEOPLE, ScoringProtocol, choose_protocol
from fairmot.evaluation.trackeval_backend import score_sequence, trackeval_scores
from fairmot.formats.motchallenge import class_numbers
from fairmot.structures.report import EvalReport, ScoredSequence
from fairmot.utils.errors import InputError

COMBINED = "COMBINED"
ProgressCallback = Callable[[Sequence[ScoredSequence]], Iterable[ScoredSequence]]
Scores = dict[str, float]
Scorer = Callable[[Mapping[str, Any]], tuple[Scores, dict[str, Scores]]]  # parts by name -> all together, and each


class _SequencePart(NamedTuple):
    """What is counted apart: a sequence, or one class of it; an empty class name where there is but one class."""

    sequence: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.sequence}/{self.kind}" if self.kind else self.sequence


@dataclass(frozen=True)
class Evaluator:
    """How to score.

    protocol: auto, mot15, mot16, mot17 or mot20.
    backend: trackeval, or motmetrics for the numbers that FairMOT-style scripts print.
    events: whether the report has motmetrics' event table of each sequence, or of each class of it.
    classes: names of the classes to score; their numbers in truth files are those of `class_numbers`, in results 1 for
        the first of them and so on, or -1 where there is but one.
    """

    protocol: str = "auto"
    backend: str = "trackeval"
    events: bool = False
    classes: tuple[str, ...] = PEOPLE

    def evaluate(self, sequences: Sequence[ScoredSequence], *, progress: ProgressCallback = iter) -> EvalReport:
        """Return the report of `sequences`; `progress` wraps the loop over them (a progress bar).

        With several classes each is scored apart: rows `<sequence>/<class>` and `COMBINED/<class>` stand beside those
        of the sequences, which like COMBINED are then sums over the classes.

        Raises InputError where a table cannot be scored, the protocol cannot be known, two sequences share a name, or
        there is none.
        """
        _check_names(sequences)
        choice = choose_protocol(sequences, self.protocol, classes=self.classes)
        official = self.backend == "trackeval"
        raw: dict[_SequencePart, Any] = {}
        accumulators: dict[_SequencePart, Any] = {}
        for sequence in progress(sequences):
            check_sequence(sequence, choice.protocol, num_classes=len(self.classes))
            for part, prepared in self._prepare(sequence, choice.protocol):
                if official:
                    raw[part] = score_sequence(prepared)
                if self.events or not official:
                    accumulators[part] = accumulate(prepared)
        combined, rows = _score_all(raw, trackeval_scores) if official else _score_all(accumulators, motmetrics_scores)
        return EvalReport(
            combined,
            rows,
            protocol=choice.protocol.name,
            reason=choice.reason,
            backend=self.backend,
            events={str(part): event_table(each) for part, each in accumulators.items()} if self.events else {},
        )

    def _prepare(
        self, sequence: ScoredSequence, protocol: ScoringProtocol
    ) -> Iterable[tuple[_SequencePart, PreparedSequence]]:
        name, numbers = sequence.info.name, class_numbers(self.classes)
        if len(numbers) == 1:
            yield _SequencePart(name), prepare_sequence(sequence, protocol.for_class(numbers[0]))
            return
        for place, (kind, number) in enumerate(zip(self.classes, numbers, strict=True), 1):
            results = sequence.results[sequence.results.classes == place]
            yield (
                _SequencePart(name, kind),
                prepare_sequence(replace(sequence, results=results), protocol.for_class(number)),
            )


def evaluate_tables(
    sequences: Sequence[ScoredSequence], *, protocol: str = "auto", classes: Sequence[str] = PEOPLE
) -> EvalReport:
    """Score tables in memory by TrackEval's metrics, as validation while training does; see `Evaluator`."""
    return Evaluator(protocol, classes=tuple(classes)).evaluate(sequences)


def _score_all(parts: Mapping[_SequencePart, Any], score: Scorer) -> tuple[Scores, dict[str, Scores]]:
    """Return (combined, rows): a row for each part, and with classes for each sequence and each class too."""
    combined, each = score({str(part): value for part, value in parts.items()})
    groups: dict[str, dict[str, Any]] = {}
    for part, value in parts.items():
        for name in (part.sequence, f"{COMBINED}/{part.kind}") if part.kind else ():
            groups.setdefault(name, {})[str(part)] = value
    sums = {name: score(members)[0] for name, members in groups.items()}
    return combined, {name: (sums | each)[name] for name in _row_names(parts)}


def _row_names(parts: Iterable[_SequencePart]) -> list[str]:
    """Sequence by sequence, each before its classes; the classes of all together last."""
    kinds = [f"{COMBINED}/{part.kind}" for part in parts if part.kind]
    return list(dict.fromkeys([name for part in parts for name in (part.sequence, str(part))] + kinds))


def _check_names(sequences: Sequence[ScoredSequence]) -> None:
    if not sequences:
        raise InputError("no sequence to score")
    names = [sequence.info.name for sequence in sequences]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{repeated[0]}: the name of two sequences; give each its own in seqinfo.ini")
    if COMBINED in names:
        raise InputError(f"{COMBINED}: not a name for a sequence, the report keeps it for the sum of all")

"""Evaluator of tracking results: protocol, preprocessing, metrics and report over many sequences."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from fairmot.evaluation.checks import check_sequence
from fairmot.evaluation.motmetrics_backend import accumulate, event_table, motmetrics_scores
from fairmot.evaluation.preprocess import PreprocessedSequence, preprocess_sequence
from fairmot.evaluation.protocol import DEFAULT_CLASSES, ScoringProtocol, choose_protocol
from fairmot.evaluation.trackeval_backend import score_sequence, trackeval_scores
from fairmot.formats.motchallenge import class_numbers
from fairmot.structures.report import EvalReport, ScoredSequence
from fairmot.utils.errors import InputError

COMBINED = "COMBINED"
ProgressCallback = Callable[[Sequence[ScoredSequence]], Iterable[ScoredSequence]]
Scores = dict[str, float]
Scorer = Callable[[Mapping[str, Any]], tuple[Scores, dict[str, Scores]]]  # by name -> combined, and by name


class _ScoringUnit(NamedTuple):
    """A sequence, or one class of it; the class name is empty for a single class."""

    sequence: str
    class_name: str = ""

    def __str__(self) -> str:
        return f"{self.sequence}/{self.class_name}" if self.class_name else self.sequence


@dataclass(frozen=True)
class Evaluator:
    """Evaluator of tracking results.

    protocol: auto, mot15, mot16, mot17 or mot20.
    backend: trackeval, or motmetrics for the numbers that FairMOT-style scripts print.
    events: whether the report includes motmetrics' event table of each sequence, or of each class of it.
    classes: names of the scored classes. In ground truth their numbers are those of `class_numbers`, in results 1 for
        the first of them and so on, or -1 for a single class.
    """

    protocol: str = "auto"
    backend: str = "trackeval"
    events: bool = False
    classes: tuple[str, ...] = DEFAULT_CLASSES

    def evaluate(self, sequences: Sequence[ScoredSequence], *, progress: ProgressCallback = iter) -> EvalReport:
        """Return the report of `sequences`; `progress` wraps the loop over them (a progress bar).

        With several classes the report has rows `<sequence>/<class>` and `COMBINED/<class>`; those of the sequences and
        COMBINED are then sums over the classes.

        Raises InputError where a table cannot be scored, the protocol is ambiguous, two sequences have one name, or
        there is no sequence.
        """
        _check_names(sequences)
        choice = choose_protocol(sequences, self.protocol, classes=self.classes)
        uses_trackeval = self.backend == "trackeval"
        raw: dict[_ScoringUnit, Any] = {}
        accumulators: dict[_ScoringUnit, Any] = {}
        for sequence in progress(sequences):
            check_sequence(sequence, choice.protocol, num_classes=len(self.classes))
            for unit, preprocessed in self._preprocess(sequence, choice.protocol):
                if uses_trackeval:
                    raw[unit] = score_sequence(preprocessed)
                if self.events or not uses_trackeval:
                    accumulators[unit] = accumulate(preprocessed)
        combined, rows = (
            _score_all(raw, trackeval_scores) if uses_trackeval else _score_all(accumulators, motmetrics_scores)
        )
        return EvalReport(
            combined,
            rows,
            protocol=choice.protocol.name,
            reason=choice.reason,
            backend=self.backend,
            events={str(unit): event_table(each) for unit, each in accumulators.items()} if self.events else {},
        )

    def _preprocess(
        self, sequence: ScoredSequence, protocol: ScoringProtocol
    ) -> Iterator[tuple[_ScoringUnit, PreprocessedSequence]]:
        name, numbers = sequence.info.name, class_numbers(self.classes)
        if len(numbers) == 1:
            yield _ScoringUnit(name), preprocess_sequence(sequence, protocol.for_class(numbers[0]))
            return
        for number_in_results, (class_name, number) in enumerate(zip(self.classes, numbers, strict=True), 1):
            results = sequence.results[sequence.results.classes == number_in_results]
            of_class = replace(sequence, results=results)
            yield _ScoringUnit(name, class_name), preprocess_sequence(of_class, protocol.for_class(number))


def evaluate_tables(
    sequences: Sequence[ScoredSequence], *, protocol: str = "auto", classes: Sequence[str] = DEFAULT_CLASSES
) -> EvalReport:
    """Score tables in memory with TrackEval's metrics; see `Evaluator`."""
    return Evaluator(protocol, classes=tuple(classes)).evaluate(sequences)


def _score_all(units: Mapping[_ScoringUnit, Any], score: Scorer) -> tuple[Scores, dict[str, Scores]]:
    """Return (combined, rows): each sequence before its classes, and the classes of all sequences last."""
    combined, rows = score({str(unit): value for unit, value in units.items()})
    groups: dict[str, dict[str, Any]] = {}
    for unit, value in units.items():
        for name in (unit.sequence, f"{COMBINED}/{unit.class_name}") if unit.class_name else ():
            groups.setdefault(name, {})[str(unit)] = value
    rows = {name: score(members)[0] for name, members in groups.items()} | rows
    names = [name for unit in units for name in (unit.sequence, str(unit))]
    return combined, {name: rows[name] for name in dict.fromkeys([*names, *groups])}


def _check_names(sequences: Sequence[ScoredSequence]) -> None:
    if not sequences:
        raise InputError("no sequence to score")
    names = [sequence.info.name for sequence in sequences]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{repeated[0]}: the name of two sequences; give each its own in seqinfo.ini")
    if COMBINED in names:
        raise InputError(f"{COMBINED}: not allowed as a sequence name, it is the report's row of the sums")

"""Scoring protocols of MOTChallenge, chosen by `EVAL.PROTOCOL` or detected from the ground truth.

MOT15's ground truth has no classes: every flagged box is a person. From MOT16 on boxes have classes; people (1) are
scored, and results matched to a distractor class are ignored. MOT20 has class 6 as a further distractor, its only
difference from MOT16 and MOT17. Source: Milan et al., MOT16, section 4.1; Dendorfer et al., MOT20; TrackEval's
mot_challenge_2d_box.

Other classes are scored in the same way without distractors. Ground truth with class names that are not MOTChallenge's
has no distractors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fairmot.formats.motchallenge import class_numbers, has_official_names
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable
from fairmot.utils.errors import InputError

PERSON = 1
OTHER_VEHICLE = 6
LAST_CLASS = 13
FAMILIES = ("MOT16", "MOT17", "MOT20")
DEFAULT_CLASSES = ("pedestrian",)


@dataclass(frozen=True)
class ScoringProtocol:
    """Rules of one benchmark.

    has_classes: whether the ground truth has a class column. distractors: classes whose matched results are ignored.
    scored: the scored class. last_class: highest class number in ground truth, 0 for any.
    """

    name: str
    has_classes: bool
    distractors: tuple[int, ...]
    scored: int = PERSON
    last_class: int = LAST_CLASS

    def for_class(self, number: int) -> "ScoringProtocol":
        """Return the rules for the class of this ground-truth number; only people have distractors."""
        return replace(self, scored=number, distractors=self.distractors if number == PERSON else ())


_MOT16_DISTRACTORS = (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection
PROTOCOLS = {
    "mot15": ScoringProtocol("mot15", has_classes=False, distractors=()),
    "mot16": ScoringProtocol("mot16", has_classes=True, distractors=_MOT16_DISTRACTORS),
    "mot17": ScoringProtocol("mot17", has_classes=True, distractors=_MOT16_DISTRACTORS),
    "mot20": ScoringProtocol("mot20", has_classes=True, distractors=(*_MOT16_DISTRACTORS, OTHER_VEHICLE)),
}
CUSTOM = ScoringProtocol("custom", has_classes=True, distractors=(), last_class=0)


@dataclass(frozen=True)
class ProtocolChoice:
    """A protocol, and the reason why it applies."""

    protocol: ScoringProtocol
    reason: str


def choose_protocol(
    sequences: Sequence[ScoredSequence], name: str = "auto", *, classes: Sequence[str] = DEFAULT_CLASSES
) -> ProtocolChoice:
    """Return the protocol `name`, or for `auto` the one detected from the ground truth and seqinfo.ini.

    classes: names of the scored classes. `auto`: mot15 for ground truth without classes; custom for class names that
    are not MOTChallenge's; the benchmark that all sequence names in seqinfo.ini start with; otherwise mot17, where no
    box of class 6 makes a difference between mot16, mot17 and mot20.

    Raises InputError where `auto` is ambiguous, or where the ground truth lacks classes that `name` or `classes` need.
    """
    if name != "auto" and name not in PROTOCOLS:
        raise InputError(f"EVAL.PROTOCOL: unknown {name!r}; choose from auto, {', '.join(PROTOCOLS)}")
    is_auto = name == "auto"
    choice = _detect_protocol(sequences, classes) if is_auto else ProtocolChoice(PROTOCOLS[name], "EVAL.PROTOCOL")
    protocol, listed = choice.protocol, ", ".join(classes)
    if protocol.has_classes:
        for sequence in sequences:
            if len(sequence.ground_truth) and not has_classes(sequence.ground_truth):
                source = _source(sequence)
                raise InputError(f"{source}: no class column, which EVAL.PROTOCOL {protocol.name} needs; use mot15")
    elif class_numbers(classes) != (PERSON,):
        reason = f"({protocol.name}: {choice.reason})"
        raise InputError(f"DATA.CLASSES: {listed}, but the ground truth has no classes {reason}")
    if protocol.has_classes and protocol is not CUSTOM and not has_official_names(classes):
        raise InputError(f"EVAL.PROTOCOL {name}: DATA.CLASSES ({listed}) are not MOTChallenge's; use auto")
    return choice


def has_classes(ground_truth: BoxTable) -> bool:
    """Whether a ground-truth table has classes; an empty table has none."""
    return bool(len(ground_truth) and (ground_truth.classes >= 0).any())


def _source(sequence: ScoredSequence) -> str:
    return sequence.ground_truth_source or f"{sequence.info.name} ground truth"


def _detect_protocol(sequences: Sequence[ScoredSequence], classes: Sequence[str]) -> ProtocolChoice:
    filled = [sequence for sequence in sequences if len(sequence.ground_truth)]
    classless = [sequence for sequence in filled if not has_classes(sequence.ground_truth)]
    if classless and len(classless) < len(filled):
        source = _source(classless[0])
        raise InputError(f"{source}: no class column, but other sequences have one; score them separately")
    if classless:
        return ProtocolChoice(PROTOCOLS["mot15"], "the ground truth has no class column")
    if not has_official_names(classes):
        return ProtocolChoice(CUSTOM, "DATA.CLASSES has a name that is not MOTChallenge's")
    families = {_family(sequence) for sequence in sequences}
    if len(families) == 1 and (family := families.pop()) is not None:
        return ProtocolChoice(PROTOCOLS[family.lower()], f"seqinfo.ini names the sequences {family}")
    for sequence in filled if PERSON in class_numbers(classes) else ():
        if (sequence.ground_truth.classes == OTHER_VEHICLE).any():
            raise InputError(
                f"{_source(sequence)}: boxes of class 6 are distractors in MOT20 but not in MOT16/17, and seqinfo.ini "
                "does not say which this is; set EVAL.PROTOCOL to mot16, mot17 or mot20"
            )
    return ProtocolChoice(PROTOCOLS["mot17"], "the ground truth has no box of class 6, so mot16, mot17 and mot20 agree")


def _family(sequence: ScoredSequence) -> str | None:
    """Return the benchmark that the `name` in seqinfo.ini starts with, None without such a name."""
    name = sequence.info.name.upper() if sequence.info.has_name else ""
    return next((family for family in FAMILIES if name.startswith(family)), None)

"""Which of MOTChallenge's rules apply: told by `EVAL.PROTOCOL`, or read from the truth itself.

MOT15's truth knows no classes: every marked box is a person. From MOT16 on a box has a class; people (1) are scored,
and a result on a box that only looks like a person (distractor) counts neither for nor against a tracker. MOT20 adds
class 6 to the distractors, which is all that parts it from MOT16 and MOT17. Source: Milan et al., MOT16, section 4.1;
Dendorfer et al., MOT20; TrackEval's mot_challenge_2d_box.

Other classes than people are scored by the same steps, without distractors. Truth whose classes are not MOTChallenge's
(any other name in the class list) has no distractors at all.
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
PEOPLE = ("pedestrian",)


@dataclass(frozen=True)
class ScoringProtocol:
    """One benchmark's rules: whether truth has classes, which is scored, and which of them are distractors.

    last_class: the highest number in a truth file, 0 for any.
    """

    name: str
    has_classes: bool
    distractors: tuple[int, ...]
    scored: int = PERSON
    last_class: int = LAST_CLASS

    def for_class(self, number: int) -> "ScoringProtocol":
        """Return the rules for the class of this number in truth files: what looks like a person misleads no other."""
        return replace(self, scored=number, distractors=self.distractors if number == PERSON else ())


_MOT16_DISTRACTORS = (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection
PROTOCOLS = {
    "mot15": ScoringProtocol("mot15", has_classes=False, distractors=()),
    "mot16": ScoringProtocol("mot16", has_classes=True, distractors=_MOT16_DISTRACTORS),
    "mot17": ScoringProtocol("mot17", has_classes=True, distractors=_MOT16_DISTRACTORS),
    "mot20": ScoringProtocol("mot20", has_classes=True, distractors=(*_MOT16_DISTRACTORS, OTHER_VEHICLE)),
}
OWN = ScoringProtocol("own", has_classes=True, distractors=(), last_class=0)


@dataclass(frozen=True)
class ProtocolChoice:
    """The rules to apply, and in a few words why."""

    protocol: ScoringProtocol
    reason: str


def choose_protocol(
    sequences: Sequence[ScoredSequence], name: str = "auto", *, classes: Sequence[str] = PEOPLE
) -> ProtocolChoice:
    """Return the protocol called `name`, or for `auto` the one that the truth and seqinfo's `name` speak of.

    classes: names of the classes to score. `auto` needs no path: truth without classes is MOT15's; with classes, names
    that are not MOTChallenge's mean own rules; all sequences called MOT16, MOT17 or MOT20 in seqinfo.ini decide;
    otherwise truth without class 6 scores the same by all three, and mot17 stands for them.
    Raises InputError where that leaves a real choice, or where the truth lacks classes that `name` or `classes` need.
    """
    if name != "auto" and name not in PROTOCOLS:
        raise InputError(f"EVAL.PROTOCOL: unknown {name!r}; choose from auto, {', '.join(PROTOCOLS)}")
    choice = _read_protocol(sequences, classes) if name == "auto" else ProtocolChoice(PROTOCOLS[name], "EVAL.PROTOCOL")
    protocol, listed = choice.protocol, ", ".join(classes)
    if protocol.has_classes:
        for sequence in sequences:
            _require_classes(sequence, protocol.name)
    elif class_numbers(classes) != (PERSON,):
        raise InputError(f"DATA.CLASSES: {listed}, where truth has no classes ({protocol.name}: {choice.reason})")
    if protocol.has_classes and protocol is not OWN and not has_official_names(classes):
        raise InputError(f"EVAL.PROTOCOL {name}: DATA.CLASSES ({listed}) are not MOTChallenge's; use auto")
    return choice


def has_classes(truth: BoxTable) -> bool:
    """Whether truth tells people from other things; an empty table does not."""
    return bool(len(truth) and (truth.classes >= 0).any())


def _require_classes(sequence: ScoredSequence, name: str) -> None:
    if len(sequence.truth) and not has_classes(sequence.truth):
        raise InputError(f"{_source(sequence)}: no class column, which EVAL.PROTOCOL {name} needs; use mot15")


def _source(sequence: ScoredSequence) -> str:
    return sequence.truth_source or f"{sequence.info.name} truth"


def _read_protocol(sequences: Sequence[ScoredSequence], classes: Sequence[str]) -> ProtocolChoice:
    filled = [sequence for sequence in sequences if len(sequence.truth)]
    classless = [sequence for sequence in filled if not has_classes(sequence.truth)]
    if classless and len(classless) < len(filled):
        raise InputError(f"{_source(classless[0])}: no class column, though other sequences have one; score them apart")
    if classless:
        return ProtocolChoice(PROTOCOLS["mot15"], "the truth has no class column")
    if not has_official_names(classes):
        return ProtocolChoice(OWN, "DATA.CLASSES has a name that is not MOTChallenge's")
    families = {_family(sequence) for sequence in sequences}
    if len(families) == 1 and (family := families.pop()) is not None:
        return ProtocolChoice(PROTOCOLS[family.lower()], f"seqinfo.ini calls the sequences {family}")
    for sequence in filled if PERSON in class_numbers(classes) else ():
        if (sequence.truth.classes == OTHER_VEHICLE).any():
            raise InputError(
                f"{_source(sequence)}: boxes of class 6 are distractors in MOT20 but not in MOT16/17, and seqinfo.ini "
                "does not say which this is; set EVAL.PROTOCOL to mot16, mot17 or mot20"
            )
    return ProtocolChoice(PROTOCOLS["mot17"], "the truth has no box of class 6, so mot16, mot17 and mot20 agree")


def _family(sequence: ScoredSequence) -> str | None:
    """The benchmark that seqinfo's own `name` starts with; a name taken from the folder says nothing."""
    if not sequence.info.named:
        return None
    return next((family for family in FAMILIES if sequence.info.name.upper().startswith(family)), None)

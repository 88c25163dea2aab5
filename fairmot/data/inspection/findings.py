"""What an inspection of a data set finds, and what each kind of finding means for a training."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairmot.geometry.arrays import IntArray
from fairmot.utils.errors import InputError

ERROR, WARNING, NOTE = "error", "warning", "note"
MORE = "more of these"
LISTED = 200  # findings of one kind and data set that are told one by one; the others are counted

EXPLOSION = "identity explosion"
TWICE = "identity twice"
COPIES = "duplicated boxes"
DEGENERATE = "degenerate boxes"
OUTSIDE = "boxes off the image"
REACHING = "boxes reaching out"
ABSURD = "absurd boxes"
UNKNOWN_ONLY = "identities unknown"
NO_BOXES = "no boxes"
EMPTY = "mostly empty"
CROWDED = "too many boxes"
CLASSES = "classes"
LABELS = "unreadable labels"
WITHOUT_LABELS = "images without labels"
LOST_ROWS = "labels without image"
MISSING = "missing images"
BROKEN = "broken images"
SIZE = "wrong size"
MIXED = "mixed sizes"
LISTED_TWICE = "images listed twice"
SAME_CONTENT = "images twice"
LEAK = "training images in validation"
NEAR_LEAK = "near copies in validation"
GAPS = "gaps in frames"
LENGTH = "wrong length"

MEANING = {
    EXPLOSION: "boxes go on from frame to frame under ever new identities, so re-ID would learn to tell people from "
    "themselves; only the original labels can mend it",
    TWICE: "a training refuses to start",
    COPIES: "the same box of the same class more than once in an image: trained on twice",
    DEGENERATE: "without width or height: left out of a training",
    OUTSIDE: "fully outside the image, yet they train as objects at its border (AUGMENT.OUT_OF_FRAME drop leaves "
    "them out)",
    REACHING: "many boxes reach far out of the image; DATA.SETS.<name>.CLIP True cuts them at its border",
    ABSURD: "wider or higher than twice the image",
    UNKNOWN_ONLY: "re-ID learns nothing here; DATA.SETS.<name>.IDENTITY box makes each box of still images an identity",
    NO_BOXES: "nothing to learn from",
    EMPTY: "most images show background alone",
    CROWDED: "more boxes than DATA.MAX_OBJECTS: the others are cut",
    CLASSES: "what DATA.CLASSES takes of the labels' classes",
    LABELS: "a training refuses to start",
    WITHOUT_LABELS: "images without a label file train as background",
    LOST_ROWS: "a training refuses to start",
    MISSING: "a training stops after DATA.MAX_BAD_IMAGES of them",
    BROKEN: "a training stops after DATA.MAX_BAD_IMAGES of them",
    SIZE: "boxes were drawn on another size than the images have",
    MIXED: "frames of one sequence differ in size",
    LISTED_TWICE: "seen twice as often as the others, and refused between two data sets of DATA.TRAIN",
    SAME_CONTENT: "the same bytes under two names",
    LEAK: "the score would be that of images learnt by heart",
    NEAR_LEAK: "these look like re-encoded or resized training images",
    GAPS: "frame numbers are missing: people jump there",
    LENGTH: "seqinfo.ini gives another number of frames than there are images",
}


@dataclass(frozen=True)
class Finding:
    """One thing found.

    severity: error (a training would fail or go wrong) | warning | note.
    check: one of the kinds above.
    where: a file, file:line, or the name of a data set or sequence.
    count: how many boxes, images or frames it stands for.
    """

    severity: str
    check: str
    where: str
    message: str
    count: int = 1


def list_findings(
    severity: str,
    check: str,
    places: Sequence[int] | IntArray,
    describe: Callable[[int], tuple[str, str]],
    *,
    name: str,
) -> list[Finding]:
    """Return a finding for each of the first places, and one that counts the others.

    describe: a place -> where it is, and what is wrong with it. name: the data set's.
    """
    found = [Finding(severity, check, *describe(int(place))) for place in places[:LISTED]]
    rest = len(places) - len(found)
    return [*found, Finding(severity, check, name, f"{rest} {MORE}", rest)] if rest else found


def from_error(error: InputError, check: str = LABELS) -> Finding:
    """Return a reader's complaint as a finding.

    >>> from_error(InputError("a/gt.txt:3: 2 columns, at least 7 wanted")).where
    'a/gt.txt:3'
    """
    match = re.match(r"(?P<where>\S.*?(?::\d+)?): (?P<message>.*)", str(error), re.DOTALL)
    where, message = match.groups() if match else ("", str(error))
    return Finding(ERROR, check, where, message)

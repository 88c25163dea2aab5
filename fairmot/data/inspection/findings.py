"""Findings of a data set inspection: checks, severities and the effect of each finding on training."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fairmot.geometry.arrays import IntArray
from fairmot.utils.errors import InputError

ERROR, WARNING, NOTE = "error", "warning", "note"
MORE = "more of these"
MAX_LISTED = 200  # findings of one check and data set that are listed; the others are counted


class Check(StrEnum):
    """Checks of a data set by name; `meaning` is the effect of a finding on training."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> "Check":
        """Make a member that equals `name`."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    IDENTITY_EXPLOSION = (
        "identity explosion",
        "boxes continue from frame to frame under new identities, so re-ID would learn to separate a person from "
        "itself; only the original labels can correct it",
    )
    DUPLICATE_ID = "identity twice", "training refuses to start"
    DUPLICATE_BOX = "duplicated boxes", "the same box of the same class more than once in an image: trained on twice"
    DEGENERATE = "degenerate boxes", "boxes without width or height are excluded from training"
    OUTSIDE = (
        "boxes off the image",
        "fully outside the image, yet trained on as objects at its border (AUGMENT.OUT_OF_FRAME drop excludes them)",
    )
    TRUNCATED = (
        "boxes reaching out",
        "many boxes extend far beyond the image; DATA.SETS.<name>.CLIP True clips them to it",
    )
    OVERSIZED = "absurd boxes", "wider or higher than twice the image"
    NO_IDENTITIES = (
        "identities unknown",
        "re-ID learns nothing here; DATA.SETS.<name>.IDENTITY box makes each box of still images an identity",
    )
    NO_BOXES = "no boxes", "no object to train on"
    MOSTLY_EMPTY = "mostly empty", "most images are background without objects"
    TOO_MANY_BOXES = "too many boxes", "more boxes than DATA.MAX_OBJECTS: the rest is dropped"
    CLASSES = "classes", "classes of the labels that DATA.CLASSES selects"
    UNREADABLE = "unreadable labels", "training refuses to start"
    NO_LABEL_FILE = "images without labels", "images without a label file are trained on as background"
    NO_IMAGE = "labels without image", "training refuses to start"
    MISSING = "missing images", "training stops after DATA.MAX_BAD_IMAGES of them"
    BROKEN = "broken images", "training stops after DATA.MAX_BAD_IMAGES of them"
    WRONG_SIZE = "wrong size", "the labels state another image size than the images have"
    MIXED_SIZES = "mixed sizes", "frames of one sequence differ in size"
    LISTED_TWICE = (
        "images listed twice",
        "trained on twice as often as the others, and refused between two data sets of DATA.TRAIN",
    )
    SAME_CONTENT = "images twice", "identical files under two names"
    LEAK = "training images in validation", "validation scores would be those of training images"
    NEAR_LEAK = "near copies in validation", "these seem to be re-encoded or resized training images"
    FRAME_GAPS = "gaps in frames", "frame numbers are missing: motion is discontinuous there"
    WRONG_LENGTH = "wrong length", "seqinfo.ini states another number of frames than there are images"


@dataclass(frozen=True)
class Finding:
    """One finding.

    severity: error (training would fail or go wrong) | warning | note.
    where: a file, file:line, or the name of a data set or sequence.
    count: number of boxes, images or frames that it stands for.
    """

    severity: str
    check: Check
    where: str
    message: str
    count: int = 1


def list_findings(
    severity: str,
    check: Check,
    items: Sequence[int] | IntArray,
    describe: Callable[[int], tuple[str, str]],
    *,
    name: str,
) -> list[Finding]:
    """Return a finding for each of the first MAX_LISTED items, and one that counts the others.

    describe: item -> its `where` and `message`. name: the data set's.
    """
    found = [Finding(severity, check, *describe(int(item))) for item in items[:MAX_LISTED]]
    rest = len(items) - len(found)
    return [*found, Finding(severity, check, name, f"{rest} {MORE}", rest)] if rest else found


def from_error(error: InputError) -> Finding:
    """Return the finding of a reader's error.

    >>> from_error(InputError("a/gt.txt:3: 2 columns, expected at least 7")).where
    'a/gt.txt:3'
    """
    match = re.match(r"(?P<where>\S.*?(?::\d+)?): (?P<message>.*)", str(error), re.DOTALL)
    where, message = match.groups() if match else ("", str(error))
    return Finding(ERROR, Check.UNREADABLE, where, message)

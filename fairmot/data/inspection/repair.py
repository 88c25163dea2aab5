"""A corrected copy of a data set's labels, in the same layout, with links to the images: never over the original.

Rows that are wrong are left out and all others copied as they are. What leaving out cannot mend (identities that
exploded, images that leak into validation) stays. Legend: F images, N boxes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.inspection.box_checks import (
    absurd_rows,
    box_sides,
    degenerate_rows,
    duplicate_box_rows,
    duplicate_id_rows,
    less_likely,
    outside_rows,
)
from fairmot.data.inspection.findings import LABELS, LOST_ROWS, Finding
from fairmot.data.inspection.image_checks import Surveyed
from fairmot.data.inspection.label_checks import images_again
from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class Repair:
    """What to leave out of a copy.

    rows: places of boxes, and why. images: places of images: not there, broken, or listed again.
    lines: (file, line) of rows that cannot be read.
    """

    rows: dict[int, str]
    images: frozenset[int]
    lines: frozenset[tuple[str, int]]

    def describe(self) -> str:
        """Return one line on what is left out."""
        reasons = list(self.rows.values())
        parts = [f"{reasons.count(reason)} {reason}" for reason in dict.fromkeys(reasons)]
        parts += [f"{len(self.images)} images"] if self.images else []
        parts += [f"{len(self.lines)} rows that cannot be used"] if self.lines else []
        return f"left out: {', '.join(parts)}" if parts else "nothing to leave out"


def plan_repair(one: Surveyed, found: Iterable[Finding]) -> Repair:
    """Return what to leave out of a data set.

    found: what reading its labels gave. Of boxes with one identity in an image the likeliest stays (`less_likely`); of
    equal boxes the first, one with a known identity before one without.
    """
    raw = one.raw
    sides_wh = box_sides(raw, one.survey.hw)
    groups = {
        "boxes without width or height": degenerate_rows(raw),
        "boxes off the image": outside_rows(raw, sides_wh),
        "boxes larger than twice the image": absurd_rows(raw, sides_wh),
        "boxes with an identity that another one has": less_likely(raw, duplicate_id_rows(raw)),
        "boxes that equal another": duplicate_box_rows(raw).rows,
    }
    rows: dict[int, str] = {}
    for reason, places in groups.items():
        for place in places.tolist():
            rows.setdefault(place, reason)
    sources = (finding.where.rpartition(":") for finding in found if finding.check in (LABELS, LOST_ROWS))
    lines = frozenset((file, int(line)) for file, _, line in sources if line.isdecimal())
    return Repair(rows, frozenset([*one.survey.problems, *images_again(raw).tolist()]), lines)


def require_place(target: Path, root: Path) -> None:
    """Raise InputError unless `target` is a folder to be made, or an empty one, outside `root` and not around it."""
    ours, theirs = target.resolve(), root.resolve()
    if ours == theirs or ours.is_relative_to(theirs):
        raise InputError(f"--fix: {target} is in the original, {root}; choose another folder")
    if theirs.is_relative_to(ours):
        raise InputError(f"--fix: {target} holds the original, {root}; choose another folder")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"--fix: {target} is not an empty folder")


def lines_by_file(one: Surveyed, repair: Repair) -> dict[str, set[int]]:
    """Return the lines to leave out of each label file, those of images that are not there or broken among them."""
    raw = one.raw
    lines: dict[str, set[int]] = {}
    lost = np.isin(raw.image_of, list(one.survey.problems))
    for row in {*repair.rows, *np.flatnonzero(lost).tolist()}:
        lines.setdefault(raw.label_file(raw.image_at(row)), set()).add(raw.line_of(row))
    for file, line in repair.lines:
        lines.setdefault(file, set()).add(line)
    return lines


def kept_images(one: Surveyed, repair: Repair) -> list[int]:
    """Return the places of the images that stay."""
    return [image for image in range(len(one.raw)) if image not in repair.images]


def link_images(names: Iterable[str], root: Path, target: Path) -> None:
    """Link images to where they are, at the same places below `target` as below `root`; absolute names need no link."""
    for name in names:
        if not name.startswith("/"):
            link = target / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():  # two parts of a data set may share images
                link.symlink_to((root / name).resolve())


def copy_lines(source: Path, target: Path, lines: set[int]) -> None:
    """Copy a text file without some of its lines, from 1; ends of lines stay as they are."""
    text = source.read_bytes().decode("utf-8", "surrogateescape")
    kept = [line for number, line in enumerate(text.splitlines(keepends=True), 1) if number not in lines]
    write_as_is(target, "".join(kept))


def write_as_is(target: Path, text: str) -> None:
    """Write a text with whatever bytes and ends of lines it came with."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode("utf-8", "surrogateescape"))

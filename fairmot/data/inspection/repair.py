"""Repair of a data set: which boxes, images and label lines a corrected copy leaves out.

Identity explosions and training images in validation cannot be repaired by leaving out rows and stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fairmot.data.inspection.box_checks import (
    box_sides,
    degenerate_rows,
    duplicate_box_rows,
    duplicate_id_rows,
    duplicates_to_drop,
    outside_rows,
    oversized_rows,
)
from fairmot.data.inspection.findings import Check, Finding
from fairmot.data.inspection.image_checks import InspectedDataset
from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class Repair:
    """Parts of a data set that a copy leaves out.

    rows: box index -> reason. images: indices of missing, broken or repeated images.
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
        parts += [f"{len(self.lines)} unreadable rows"] if self.lines else []
        return f"left out: {', '.join(parts)}" if parts else "nothing to leave out"


def plan_repair(dataset: InspectedDataset, findings: Iterable[Finding]) -> Repair:
    """Return what a copy leaves out.

    findings: of reading the labels. Of boxes with one identity in an image one is kept (`duplicates_to_drop`); of equal
    boxes the first, those with a known identity before those without.
    """
    raw = dataset.raw
    sides_wh = box_sides(raw, dataset.survey.hw)
    groups = {
        "boxes without width or height": degenerate_rows(raw),
        "boxes off the image": outside_rows(raw, sides_wh),
        "boxes larger than twice the image": oversized_rows(raw, sides_wh),
        "boxes with an identity that another one has": duplicates_to_drop(raw, duplicate_id_rows(raw)),
        "boxes that equal another": duplicate_box_rows(raw).rows,
    }
    reason_of: dict[int, str] = {}
    for reason, rows in groups.items():
        for row in rows.tolist():
            reason_of.setdefault(row, reason)
    unreadable = (finding.where for finding in findings if finding.check in (Check.UNREADABLE, Check.NO_IMAGE))
    sources = (where.rpartition(":") for where in unreadable)
    lines = frozenset((file, int(line)) for file, _, line in sources if line.isdecimal())
    return Repair(reason_of, frozenset([*dataset.survey.problems, *raw.repeated_images().tolist()]), lines)


def require_target(target: Path, root: Path) -> None:
    """Raise InputError unless `target` is a new or empty folder that neither contains `root` nor is inside it."""
    copy, original = target.resolve(), root.resolve()
    if copy.is_relative_to(original):
        raise InputError(f"--fix: {target} is in the original, {root}; choose another folder")
    if original.is_relative_to(copy):
        raise InputError(f"--fix: {target} holds the original, {root}; choose another folder")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"--fix: {target} is not an empty folder")


def lines_by_file(dataset: InspectedDataset, repair: Repair) -> dict[str, set[int]]:
    """Return the lines to leave out of each label file, including those of missing and broken images."""
    labels = dataset.raw.labels
    lines: dict[str, set[int]] = {}
    lost = np.flatnonzero(np.isin(labels.image_of, list(dataset.survey.problems)))
    for row in {*repair.rows, *lost.tolist()}:
        file = labels.label_file(dataset.raw.image_at(row))
        lines.setdefault(file, set()).add(int(labels.lines[row]))
    for file, line in repair.lines:
        lines.setdefault(file, set()).add(line)
    return lines


def kept_images(dataset: InspectedDataset, repair: Repair) -> list[int]:
    """Return the indices of the images in the copy."""
    return [image for image in range(len(dataset.raw)) if image not in repair.images]

"""Checks of the labels of a data set; no file is opened. Legend: F images, N boxes."""

from collections.abc import Callable

import numpy as np

from fairmot.data.index.builder import LABELS, class_indices
from fairmot.data.inspection.box_checks import (
    Duplicates,
    box_sides,
    degenerate_rows,
    duplicate_box_rows,
    duplicate_id_rows,
    outside_rows,
    oversized_rows,
    truncated_rows,
)
from fairmot.data.inspection.findings import ERROR, NOTE, WARNING, Check, Finding, list_findings
from fairmot.data.inspection.identity_continuity import (
    ImageBoxes,
    find_identity_explosions,
    sequences_by_folder,
    sequences_by_frame,
)
from fairmot.data.inspection.raw_labels import RawLabels
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import UNKNOWN

MAX_TRUNCATED = 0.05  # fraction of the boxes
MAX_EMPTY = 0.5  # fraction of the images
MAX_WITHOUT_FILE = 0.1  # fraction of the images
MAX_CLASSES_SHOWN = 20


def check_labels(raw: RawLabels, image_hw: IntArray, *, max_objects: int) -> list[Finding]:
    """Run all checks of labels.

    image_hw: (F, 2) true height and width of the images, 0 where unknown. max_objects: DATA.MAX_OBJECTS.
    """
    return [
        *_check_presence(raw),
        *_check_classes(raw),
        *_check_identities(raw),
        *_check_duplicates(raw),
        *_check_boxes(raw, box_sides(raw, image_hw)),
        *_check_counts(raw, max_objects),
        *_check_listed_images(raw),
        *_check_frame_gaps(raw),
    ]


def _check_presence(raw: RawLabels) -> list[Finding]:
    """Check for missing boxes, images without boxes and images without a label file."""
    if not raw.is_trained.any():
        return [Finding(ERROR, Check.NO_BOXES, raw.name, f"{len(raw)} images, no box", len(raw))]
    counts = raw.trained_counts()
    sequences = _sequences_without(raw, counts, among=np.ones(len(raw), dtype=np.int64))
    found = [Finding(WARNING, Check.NO_BOXES, name, f"{images} images, no box", images) for name, images in sequences]
    for check, count, limit, message in (
        (Check.MOSTLY_EMPTY, int((counts == 0).sum()), MAX_EMPTY, "images have no box"),
        (Check.NO_LABEL_FILE, raw.labels.label_files.count(""), MAX_WITHOUT_FILE, "images have no label file"),
    ):
        if count > limit * len(raw):
            found.append(Finding(WARNING, check, raw.name, f"{count} of {len(raw)} {message}", count))
    return found


def _sequences_without(raw: RawLabels, counts: IntArray, *, among: IntArray) -> list[tuple[str, int]]:
    """Return name and number of images of the sequences whose counts are 0, if there are several sequences.

    counts: (F,) count of each image. among: (F,) total that is counted from; sequences with a total of 0 are skipped.
    """
    names = raw.labels.sequences
    if len(names) < 2:
        return []
    images, sums, totals = (
        np.bincount(raw.labels.sequence_of, weights=weights, minlength=len(names)) for weights in (None, counts, among)
    )
    return [(names[n] or raw.name, int(images[n])) for n in np.flatnonzero((sums == 0) & (totals > 0)).tolist()]


def _check_classes(raw: RawLabels) -> list[Finding]:
    """Compare the labels' classes with DATA.CLASSES."""
    names, selected = raw.labels.class_names, raw.selection.classes
    counts = np.bincount(raw.labels.classes, minlength=len(names))
    if not counts.any():
        return []
    index_of_class = class_indices(names, raw.selection)
    missing = [name for index, name in enumerate(selected) if not counts[index_of_class == index].any()]
    texts = [f"{names[kind]}: {counts[kind]}" for kind in np.argsort(-counts, kind="stable") if counts[kind]]
    shown = ", ".join(texts[:MAX_CLASSES_SHOWN]) + (", ..." if len(texts) > MAX_CLASSES_SHOWN else "")
    if len(missing) == len(selected):
        message = f"none of DATA.CLASSES ({', '.join(selected)}) has a box; the labels have {shown}"
        return [Finding(ERROR, Check.CLASSES, raw.name, message)]
    found = [
        Finding(WARNING, Check.CLASSES, raw.name, f"{name} has no box; the labels have {shown}") for name in missing
    ]
    other = int(counts[index_of_class < 0].sum())
    if other:
        message = f"{other} boxes are of classes that DATA.CLASSES does not select; the labels have {shown}"
        found.append(Finding(NOTE, Check.CLASSES, raw.name, message, other))
    return found


def _check_identities(raw: RawLabels) -> list[Finding]:
    """Check for missing identities and identity explosions."""
    labels = raw.labels
    if raw.selection.identity != LABELS or not raw.is_trained.any():
        return []
    ids = np.where(raw.is_trained, labels.ids, UNKNOWN)
    if (ids == UNKNOWN).all():
        count = int(raw.is_trained.sum())
        return [Finding(WARNING, Check.NO_IDENTITIES, raw.name, f"none of {count} boxes has an identity", count)]
    known = np.bincount(labels.image_of[ids != UNKNOWN], minlength=len(raw))
    found = [
        Finding(WARNING, Check.NO_IDENTITIES, name, f"{images} images, no known identity", images)
        for name, images in _sequences_without(raw, known, among=raw.trained_counts())
    ]
    sequences = sequences_by_frame(labels.sequences, labels.sequence_of, labels.frames)
    sequences += sequences_by_folder(labels.images, np.flatnonzero(labels.frames == 0))
    for frames, result in find_identity_explosions(ImageBoxes(raw.box_ends, labels.boxes_tlwh, ids), sequences):
        own = ids[np.isin(labels.image_of, frames.images) & (ids != UNKNOWN)]
        message = (
            f"of {result.matched} boxes that continue in the next frame, {result.kept} keep their identity; "
            f"{len(np.unique(own))} identities for {len(own)} boxes in {len(frames.images)} images"
        )
        where = labels.label_file(int(frames.images[0])) if frames.is_numbered else frames.name or raw.name
        found.append(Finding(ERROR, Check.IDENTITY_EXPLOSION, where, message, result.matched - result.kept))
    return found


def _check_duplicates(raw: RawLabels) -> list[Finding]:
    """Check for one identity twice in an image, and equal boxes."""
    labels, image_of = raw.labels, raw.labels.image_of

    def list_duplicates(
        duplicates: Duplicates, severity: str, check: Check, message: Callable[[int], str]
    ) -> list[Finding]:
        first_of = dict(zip(duplicates.rows.tolist(), duplicates.firsts.tolist(), strict=True))

        def describe(row: int) -> tuple[str, str]:
            sources = (raw.source_of(row), raw.source_of(first_of[row]))
            first, where = sorted(sources, key=lambda text: (len(text), text))
            first = first.rpartition(":")[2] if ":" in first else first
            return where, f"{message(row)} in {labels.images[int(image_of[row])]}, first at {first}"

        return list_findings(severity, check, duplicates.rows, describe, name=raw.name)

    return [
        *list_duplicates(
            duplicate_id_rows(raw), ERROR, Check.DUPLICATE_ID, lambda row: f"identity {labels.ids[row]} twice"
        ),
        *list_duplicates(
            duplicate_box_rows(raw), WARNING, Check.DUPLICATE_BOX, lambda row: f"box {_box_text(raw, row)} twice"
        ),
    ]


def _box_text(raw: RawLabels, row: int) -> str:
    return ", ".join(f"{value:g}" for value in raw.labels.boxes_tlwh[row].tolist())


def _check_boxes(raw: RawLabels, sides_wh: FloatArray) -> list[Finding]:
    """Check for degenerate, outside, oversized and truncated boxes.

    sides_wh: (N, 2) image size of each box, see `box_sides`.
    """

    def describe(row: int) -> tuple[str, str]:
        width, height = sides_wh[row].tolist()
        size = f"in {width:g}x{height:g}" if width else "image size unknown"
        size = "fractions of the image" if raw.is_normalised else size
        return raw.source_of(row), f"box {_box_text(raw, row)} ({size})"

    groups = (
        (Check.DEGENERATE, degenerate_rows(raw)),
        (Check.OUTSIDE, outside_rows(raw, sides_wh)),
        (Check.OVERSIZED, oversized_rows(raw, sides_wh)),
    )
    found = [f for check, rows in groups for f in list_findings(WARNING, check, rows, describe, name=raw.name)]
    count, boxes = len(truncated_rows(raw, sides_wh)), int(raw.is_trained.sum())
    if not raw.selection.clip and count > MAX_TRUNCATED * boxes:
        message = f"{count} of {boxes} boxes have more than a quarter of their area outside the image"
        found.append(Finding(NOTE, Check.TRUNCATED, raw.name, message, count))
    return found


def _check_counts(raw: RawLabels, max_objects: int) -> list[Finding]:
    """Check for images with more boxes than training uses."""
    counts = raw.trained_counts()
    return list_findings(
        WARNING,
        Check.TOO_MANY_BOXES,
        np.flatnonzero(counts > max_objects),
        lambda image: (str(raw.image_path(image)), f"{counts[image]} boxes, DATA.MAX_OBJECTS is {max_objects}"),
        name=raw.name,
    )


def _check_listed_images(raw: RawLabels) -> list[Finding]:
    """Check for image files listed more than once."""
    return list_findings(
        ERROR,
        Check.LISTED_TWICE,
        raw.repeated_images(),
        lambda image: (raw.labels.label_file(image) or raw.name, f"{raw.labels.images[image]} more than once"),
        name=raw.name,
    )


def _check_frame_gaps(raw: RawLabels) -> list[Finding]:
    """Check for missing frame numbers in sequences."""
    found = []
    for sequence in sequences_by_frame(raw.labels.sequences, raw.labels.sequence_of, raw.labels.frames):
        frames = raw.labels.frames[sequence.images]
        steps = np.diff(frames)
        if (steps > 1).any():
            first = int(np.argmax(steps > 1))
            count = int((steps - 1).clip(0).sum())
            message = f"{count} frame numbers have no image, first {frames[first] + 1} to {frames[first + 1] - 1}"
            found.append(Finding(WARNING, Check.FRAME_GAPS, sequence.name or raw.name, message, count))
    return found

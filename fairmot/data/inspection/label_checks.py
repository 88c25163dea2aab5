"""What can be wrong with the labels of a data set. Pure: no file is opened.

Legend: F images, N boxes.
"""

from collections.abc import Callable

import numpy as np

from fairmot.data.index.builder import LABELS, class_indices
from fairmot.data.inspection import findings as kinds
from fairmot.data.inspection.box_checks import (
    Repeats,
    absurd_rows,
    box_sides,
    degenerate_rows,
    duplicate_box_rows,
    duplicate_id_rows,
    outside_rows,
    truncated_rows,
)
from fairmot.data.inspection.findings import ERROR, NOTE, WARNING, Finding, list_findings
from fairmot.data.inspection.identity_continuity import (
    Boxes,
    has_identity_explosion,
    sequences_by_folder,
    sequences_by_frame,
)
from fairmot.data.inspection.raw_labels import RawLabels, image_key
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import UNKNOWN

MANY_REACHING = 0.05  # share of the boxes
MOSTLY_EMPTY = 0.5  # share of the images
FEW_LABELLED = 0.1  # share of images without a label file, from which they are told of
CLASSES_SHOWN = 20


def check_labels(raw: RawLabels, image_hw: IntArray, *, max_objects: int) -> list[Finding]:
    """Run all checks of labels.

    image_hw: (F, 2) true height and width of the images, 0 where unknown. max_objects: DATA.MAX_OBJECTS.
    """
    sides_wh = box_sides(raw, image_hw)
    return [
        *check_presence(raw),
        *check_classes(raw),
        *check_identities(raw),
        *check_repeats(raw),
        *check_boxes(raw, sides_wh),
        *check_crowds(raw, max_objects),
        *check_images_listed(raw),
        *check_gaps(raw),
    ]


def check_presence(raw: RawLabels) -> list[Finding]:
    """No box at all, images without boxes, images without a label file."""
    if not raw.trains.any():
        return [Finding(ERROR, kinds.NO_BOXES, raw.name, f"{len(raw)} images, and no box", len(raw))]
    counts = boxes_an_image(raw)
    empty = int((counts == 0).sum())
    bare = _bare_sequences(raw, counts, among=np.ones(len(raw), dtype=np.int64))
    found = [Finding(WARNING, kinds.NO_BOXES, name, f"{images} images, and no box", images) for name, images in bare]
    if empty > MOSTLY_EMPTY * len(raw):
        found.append(Finding(WARNING, kinds.EMPTY, raw.name, f"{empty} of {len(raw)} images have no box", empty))
    lacking = sum(block.label_files.count("") for block in raw.parts)
    if lacking > FEW_LABELLED * len(raw):
        found.append(Finding(WARNING, kinds.WITHOUT_LABELS, raw.name, f"{lacking} of {len(raw)} images", lacking))
    return found


def _bare_sequences(raw: RawLabels, counts: IntArray, *, among: IntArray) -> list[tuple[str, int]]:
    """Return name and number of images of the sequences that count nothing, where others do.

    counts: (F,) what is counted in each image. among: (F,) what it is counted among; a sequence without any is passed.
    """
    if len(raw.sequences) < 2:
        return []
    images, sums, wholes = (
        np.bincount(raw.sequence_of, weights=weights, minlength=len(raw.sequences)) for weights in (None, counts, among)
    )
    bare = np.flatnonzero((sums == 0) & (wholes > 0)).tolist()
    return [(raw.sequences[place] or raw.name, int(images[place])) for place in bare]


def check_classes(raw: RawLabels) -> list[Finding]:
    """How many boxes each class has, which ones DATA.CLASSES takes, and which of its names have none."""
    wanted = raw.selection.classes
    counts = np.bincount(raw.kinds, minlength=len(raw.class_names))
    places = class_indices(raw.class_names, raw.selection)
    lacking = [name for place, name in enumerate(wanted) if not counts[places == place].any()]
    shown = _shown_classes(raw, counts)
    if len(lacking) == len(wanted) and counts.any():
        message = f"none of DATA.CLASSES ({', '.join(wanted)}) has a box; there are {shown}"
        return [Finding(ERROR, kinds.CLASSES, raw.name, message)]
    found = [Finding(WARNING, kinds.CLASSES, raw.name, f"{name} has no box; there are {shown}") for name in lacking]
    other = int(counts[places < 0].sum())
    if other and counts.any():
        message = f"{other} boxes are of classes that DATA.CLASSES does not take; in all there are {shown}"
        found.append(Finding(NOTE, kinds.CLASSES, raw.name, message, other))
    return found if counts.any() else []


def _shown_classes(raw: RawLabels, counts: IntArray) -> str:
    order = np.argsort(-counts, kind="stable")
    texts = [f"{raw.class_names[kind]}: {counts[kind]}" for kind in order if counts[kind]]
    return ", ".join(texts[:CLASSES_SHOWN]) + (", ..." if len(texts) > CLASSES_SHOWN else "")


def check_identities(raw: RawLabels) -> list[Finding]:
    """Nothing but unknown identities, and identities that exploded."""
    if raw.selection.identity != LABELS or not raw.trains.any():
        return []
    ids = np.where(raw.trains, raw.ids, UNKNOWN)
    if (ids == UNKNOWN).all():
        count = int(raw.trains.sum())
        return [Finding(WARNING, kinds.UNKNOWN_ONLY, raw.name, f"none of {count} boxes has an identity", count)]
    named = np.bincount(raw.image_of[ids != UNKNOWN], minlength=len(raw))
    bare = _bare_sequences(raw, named, among=boxes_an_image(raw))
    unknown = [Finding(WARNING, kinds.UNKNOWN_ONLY, name, f"{n} images, and no known identity", n) for name, n in bare]
    lists = sequences_by_frame(raw.sequences, raw.sequence_of, raw.frames)
    lists += sequences_by_folder(raw.images, np.flatnonzero(raw.frames == 0))
    found = has_identity_explosion(Boxes(raw.box_ends, raw.boxes_tlwh, ids), lists)
    return unknown + [
        Finding(
            ERROR,
            kinds.EXPLOSION,
            raw.label_file(int(frames.images[0])) if frames.is_numbered else frames.name or raw.name,
            f"of {seen.going_on} boxes that go on in the next frame, {seen.kept} keep their identity; "
            f"{_people(raw, ids, frames.images)}",
            seen.going_on - seen.kept,
        )
        for frames, seen in found
    ]


def _people(raw: RawLabels, ids: IntArray, images: IntArray) -> str:
    own = ids[np.isin(raw.image_of, images)]
    own = own[own != UNKNOWN]
    return f"{len(np.unique(own))} identities for {len(own)} boxes in {len(images)} images"


def check_repeats(raw: RawLabels) -> list[Finding]:
    """One identity twice in an image, and boxes that equal another."""

    def twice(row: int) -> str:
        return f"identity {raw.ids[row]} twice in {raw.images[int(image_of[row])]}"

    def copied(row: int) -> str:
        box = ", ".join(f"{value:g}" for value in raw.boxes_tlwh[row].tolist())
        return f"box {box} again in {raw.images[int(image_of[row])]}"

    image_of = raw.image_of
    found = _tell_repeats(raw, duplicate_id_rows(raw), ERROR, kinds.TWICE, twice)
    return found + _tell_repeats(raw, duplicate_box_rows(raw), WARNING, kinds.COPIES, copied)


def _tell_repeats(
    raw: RawLabels, repeats: Repeats, severity: str, check: str, message: Callable[[int], str]
) -> list[Finding]:
    first_of = dict(zip(repeats.rows.tolist(), repeats.firsts.tolist(), strict=True))

    def describe(row: int) -> tuple[str, str]:
        one, other = (raw.source_of(place) for place in (row, first_of[row]))
        where, first = sorted((one, other), key=lambda text: (len(text), text), reverse=True)
        return where, f"{message(row)}, first at {first.rpartition(':')[2] if ':' in first else first}"

    return list_findings(severity, check, repeats.rows, describe, name=raw.name)


def check_boxes(raw: RawLabels, sides_wh: FloatArray) -> list[Finding]:
    """Boxes without area, off the image, far out of it, or larger than it could show.

    sides_wh: (N, 2), as `box_sides` gives it.
    """

    def describe(row: int) -> tuple[str, str]:
        box = ", ".join(f"{value:g}" for value in raw.boxes_tlwh[row].tolist())
        width, height = sides_wh[row].tolist()
        size = "shares of the image" if raw.is_normalised else f"in {width:g}x{height:g}" if width else "size unknown"
        return raw.source_of(row), f"box {box} ({size})"

    groups = (
        (kinds.DEGENERATE, degenerate_rows(raw)),
        (kinds.OUTSIDE, outside_rows(raw, sides_wh)),
        (kinds.ABSURD, absurd_rows(raw, sides_wh)),
    )
    found = [f for check, rows in groups for f in list_findings(WARNING, check, rows, describe, name=raw.name)]
    count, boxes = len(truncated_rows(raw, sides_wh)), int(raw.trains.sum())
    if not raw.selection.clip and count > MANY_REACHING * boxes:
        message = f"{count} of {boxes} boxes have more than a quarter of their area outside"
        found.append(Finding(NOTE, kinds.REACHING, raw.name, message, count))
    return found


def check_crowds(raw: RawLabels, most: int) -> list[Finding]:
    """Images with more boxes than a training keeps."""
    counts = boxes_an_image(raw)

    def describe(image: int) -> tuple[str, str]:
        return str(raw.image_path(image)), f"{counts[image]} boxes, of which {most} train (DATA.MAX_OBJECTS)"

    return list_findings(WARNING, kinds.CROWDED, np.flatnonzero(counts > most), describe, name=raw.name)


def check_images_listed(raw: RawLabels) -> list[Finding]:
    """One image file more than once in a data set."""
    repeated = images_again(raw)
    return list_findings(
        ERROR,
        kinds.LISTED_TWICE,
        repeated,
        lambda image: (raw.label_file(image) or raw.name, f"{raw.images[image]} more than once"),
        name=raw.name,
    )


def images_again(raw: RawLabels) -> IntArray:
    """Return the places of images that an earlier place has too."""
    seen: set[str] = set()
    again = []
    for image in range(len(raw)):
        key = image_key(raw, image)
        if key in seen:
            again.append(image)
        seen.add(key)
    return np.array(again, dtype=np.int64)


def check_gaps(raw: RawLabels) -> list[Finding]:
    """Frame numbers that a sequence lacks."""
    found = []
    for frames in sequences_by_frame(raw.sequences, raw.sequence_of, raw.frames):
        steps = np.diff(raw.frames[frames.images])
        if len(steps) and (steps > 1).any():
            at = int(np.argmax(steps > 1))
            after, before = (int(raw.frames[frames.images[place]]) for place in (at, at + 1))
            count = int((steps - 1).clip(0).sum())
            message = f"{count} frame numbers have no image, the first of them {after + 1}, before {before}"
            found.append(Finding(WARNING, kinds.GAPS, frames.name or raw.name, message, count))
    return found


def boxes_an_image(raw: RawLabels) -> IntArray:
    """Return (F,) how many boxes with an area train in each image."""
    sound = raw.trains & (raw.boxes_tlwh[:, 2:] > 0).all(axis=1)
    return np.bincount(raw.image_of[sound], minlength=len(raw))

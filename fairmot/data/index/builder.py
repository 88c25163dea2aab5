"""Label index of a data set from its annotations: classes and frames selected, identities numbered.

Legend: F images, N boxes, S sequences, C classes, I identities over all classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fairmot.data.index.label_index import IndexArrays, IndexInfo, LabelIndex, pack_names
from fairmot.data.index.splits import Split, choose_images
from fairmot.data.readers.base import match_sequences
from fairmot.geometry.arrays import IntArray
from fairmot.structures.annotations import UNKNOWN, Annotations, merge_annotations
from fairmot.utils.errors import InputError

LABELS, BOX, NONE = "labels", "box", "none"


@dataclass(frozen=True)
class Selection:
    """Part of a data set that is trained on.

    classes: C names of the classes.
    numbers: C numbers of the classes, for labels whose classes have numbers instead of names.
    identity: source of identities: labels (the labels' own) | box (one per box, for still images) | none.
    clip: clip boxes to the image.
    sequences: patterns of sequence names, as in `fnmatch`; empty for all.
    """

    classes: tuple[str, ...]
    numbers: tuple[int, ...]
    split: Split = field(default_factory=Split)
    identity: str = LABELS
    clip: bool = False
    sequences: tuple[str, ...] = ()


def build_index(
    parts: Sequence[Annotations], selection: Selection, *, name: str, image_root: str, is_normalised: bool
) -> LabelIndex:
    """Return the index of a data set, in memory.

    Boxes without width or height and boxes of other classes are left out and counted; an image without boxes is kept
    as background. Raises InputError: no image left, none of the classes, one identity twice in an image.
    """
    labels = merge_annotations(parts)
    index_of_class = class_indices(labels.class_names, selection)
    if len(index_of_class) and (index_of_class < 0).all():
        shown = ", ".join(labels.class_names[:20])
        raise InputError(f"{name}: none of DATA.CLASSES ({', '.join(selection.classes)}) in it; it has {shown}")
    is_chosen = choose_images(selection.split, labels.sequence_of, labels.frames)
    is_chosen &= match_sequences(labels.sequences, selection.sequences, where=name)[labels.sequence_of]
    if not is_chosen.any():
        raise InputError(f"{name}: no image to train on")
    classes, image_of = index_of_class[labels.classes], labels.image_of
    in_split, other = is_chosen[image_of], classes < 0
    empty = ~(labels.boxes_tlwh[:, 2:] > 0).all(axis=1)
    rows = np.flatnonzero(in_split & ~other & ~empty)
    rows = rows[np.lexsort((labels.ids[rows], image_of[rows]))]
    _check_duplicates(labels, image_of, classes, rows)
    images = np.flatnonzero(is_chosen)
    names = [labels.images[image] for image in images]
    arrays, counts = _make_arrays(labels, classes, images, rows, selection)
    info = IndexInfo(
        name=name,
        image_root=image_root,
        is_normalised=is_normalised,
        is_clipped=selection.clip,
        classes=selection.classes,
        identity_counts=counts,
        sequences=labels.sequences,
        image_dirs=tuple(sorted({image.rpartition("/")[0] for image in names})),
        left_out=labels.left_out,
        other_classes=int((in_split & other).sum()),
        degenerate=int((in_split & ~other & empty).sum()),
    )
    return LabelIndex(arrays, info)


def class_indices(names: Sequence[str], selection: Selection) -> IntArray:
    """Return, for each of the labels' own class names, its index in `selection.classes`, -1 where it is not selected.

    Names are compared without case, and "person" equals "pedestrian"; a number is looked up in `numbers`.

    >>> class_indices(["Car", "person", "7"], Selection(("pedestrian", "car"), (1, 7))).tolist()
    [1, 0, 1]
    """
    by_name = {_canonical(name): index for index, name in enumerate(selection.classes)}
    by_number = {str(number): index for index, number in enumerate(selection.numbers)}
    return np.array([by_name.get(_canonical(name), by_number.get(name, -1)) for name in names], dtype=np.int64)


def _canonical(name: str) -> str:
    plain = name.strip().lower()
    return "pedestrian" if plain == "person" else plain


def _check_duplicates(labels: Annotations, image_of: IntArray, classes: IntArray, rows: IntArray) -> None:
    """Raise InputError where an identity is twice in an image; `rows` are sorted by image and id."""
    keys = np.stack([image_of[rows], labels.ids[rows], classes[rows]])
    is_repeated = (keys[:, 1:] == keys[:, :-1]).all(axis=0) & (keys[1, 1:] != UNKNOWN)
    if is_repeated.any():
        first = int(np.flatnonzero(is_repeated)[0])
        sources = (labels.source_of(int(row)) for row in rows[first : first + 2])
        before, after = sorted(sources, key=lambda text: (len(text), text))  # of one file: by line
        image, identity, _ = keys[:, first]
        raise InputError(f"{after}: identity {identity} twice in {labels.images[image]}, first at {before}")


def _make_arrays(
    labels: Annotations, classes: IntArray, images: IntArray, rows: IntArray, selection: Selection
) -> tuple[IndexArrays, tuple[int, ...]]:
    """Return the arrays of the chosen images and of their rows, and the number of identities of each class."""
    image_of = labels.image_of[rows]
    sequences, ids, classes = labels.sequence_of[image_of], labels.ids[rows], classes[rows]
    identities = np.full(len(rows), UNKNOWN, dtype=np.int64)
    has_identity = (ids != UNKNOWN) & (selection.identity == LABELS) | (selection.identity == BOX)
    firsts = []  # of each class: a row of each identity
    for class_index in range(len(selection.classes)):
        members = np.flatnonzero(has_identity & (classes == class_index))
        numbers, first = _number_identities(sequences[members], ids[members], is_box=selection.identity == BOX)
        identities[members] = numbers
        firsts.append(members[first])
    named = np.concatenate(firsts)
    name_bytes, name_ends = pack_names([labels.images[image] for image in images])
    arrays = IndexArrays(
        name_bytes=name_bytes,
        name_ends=name_ends,
        box_ends=np.searchsorted(image_of, images, side="right"),
        boxes_tlwh=labels.boxes_tlwh[rows],
        identities=identities.astype(np.int32),
        classes=classes.astype(np.int16),
        sequence_of=labels.sequence_of[images].astype(np.int32),
        frames=labels.frames[images].astype(np.int32),
        image_hw=labels.image_hw[images].astype(np.int32),
        own_ids=ids[named],
        own_sequences=sequences[named].astype(np.int32),
    )
    return arrays, tuple(map(len, firsts))


def _number_identities(sequences: IntArray, ids: IntArray, *, is_box: bool) -> tuple[IntArray, IntArray]:
    """Number (sequence, id) pairs by sequence and id; return the number of each row, and a row of each number.

    is_box: number the rows instead.
    """
    if is_box:
        return np.arange(len(ids)), np.arange(len(ids))
    order = np.lexsort((ids, sequences))
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (np.diff(sequences[order]) != 0) | (np.diff(ids[order]) != 0)
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.cumsum(is_new) - 1
    return numbers, order[is_new]

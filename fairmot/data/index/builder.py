"""From label blocks to an index: classes chosen, frames chosen, identities numbered.

Legend: F images, N boxes, S sequences, C classes, I identities over all classes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import NamedTuple

import numpy as np

from fairmot.data.index.label_index import IndexArrays, IndexInfo, LabelIndex, pack_names
from fairmot.data.index.splits import Split, choose_images
from fairmot.geometry.arrays import BoolArray, IntArray
from fairmot.structures.annotations import UNKNOWN, Annotations
from fairmot.utils.errors import InputError

LABELS, BOX, NONE = "labels", "box", "none"


@dataclass(frozen=True)
class Selection:
    """What of a data set trains, and how.

    classes: C names of the classes to tell apart.
    numbers: C numbers that stand for them in labels whose classes have numbers in the place of names.
    identity: what makes an identity: labels (the labels' own) | box (each box is its own, for still images) | none.
    clip: cut boxes at the image's border.
    sequences: patterns of the names of sequences to take, as in `fnmatch`; empty for all.
    """

    classes: tuple[str, ...]
    numbers: tuple[int, ...]
    split: Split = field(default_factory=Split)
    identity: str = LABELS
    clip: bool = False
    sequences: tuple[str, ...] = ()


class _Merged(NamedTuple):
    """Blocks put together; class and sequence places are those of the whole set."""

    images: list[str]
    counts: IntArray
    boxes_tlwh: np.ndarray
    ids: IntArray
    classes: IntArray
    sequence_of: IntArray
    frames: IntArray
    image_hw: IntArray


def build_index(
    blocks: Sequence[Annotations], selection: Selection, *, name: str, image_root: str, is_normalised: bool
) -> LabelIndex:
    """Return the index of a data set, in memory.

    Boxes without width or height and boxes of other classes are left out and counted; an image without boxes stays in
    as background. Raises InputError: no image left, none of the classes, one identity twice in an image.
    """
    sequences = _places(sequence for block in blocks for sequence in block.sequences)
    merged = _merge(blocks, selection, sequences)
    _require_classes(blocks, selection, name)
    chosen = choose_images(selection.split, merged.sequence_of, merged.frames)
    chosen &= _is_named(sequences, selection, name)[merged.sequence_of]
    if not chosen.any():
        raise InputError(f"{name}: no image to train on")
    image_of = np.repeat(np.arange(len(merged.images)), merged.counts)
    in_split, other = chosen[image_of], merged.classes < 0
    empty = ~(merged.boxes_tlwh[:, 2:] > 0).all(axis=1)
    rows = np.flatnonzero(in_split & ~other & ~empty)
    rows = rows[np.lexsort((merged.ids[rows], image_of[rows]))]
    _refuse_duplicates(blocks, merged, image_of, rows)
    arrays, counts = _pick(merged, np.flatnonzero(chosen), image_of, rows, selection)
    info = IndexInfo(
        name=name,
        image_root=image_root,
        is_normalised=is_normalised,
        is_clipped=selection.clip,
        classes=selection.classes,
        identity_counts=counts,
        sequences=tuple(sequences),
        image_dirs=tuple(sorted({merged.images[image].rpartition("/")[0] for image in np.flatnonzero(chosen)})),
        left_out=sum(block.left_out for block in blocks),
        other_classes=int((in_split & other).sum()),
        degenerate=int((in_split & ~other & empty).sum()),
    )
    return LabelIndex(arrays, info)


def _pick(
    merged: _Merged, images: IntArray, image_of: IntArray, rows: IntArray, selection: Selection
) -> tuple[IndexArrays, tuple[int, ...]]:
    """Return the arrays of the chosen images and of their rows, and how many identities each class has."""
    identities, counts, own = _number(merged, image_of, rows, selection)
    name_bytes, name_ends = pack_names([merged.images[image] for image in images])
    arrays = IndexArrays(
        name_bytes=name_bytes,
        name_ends=name_ends,
        box_ends=np.searchsorted(image_of[rows], images, side="right"),
        boxes_tlwh=merged.boxes_tlwh[rows],
        identities=identities.astype(np.int32),
        classes=merged.classes[rows].astype(np.int16),
        sequence_of=merged.sequence_of[images].astype(np.int32),
        frames=merged.frames[images].astype(np.int32),
        image_hw=merged.image_hw[images].astype(np.int32),
        own_ids=own[0],
        own_sequences=own[1].astype(np.int32),
    )
    return arrays, counts


def _is_named(sequences: Iterable[str], selection: Selection, name: str) -> BoolArray:
    """Return (S,) whether each sequence is wanted; InputError where patterns fit none."""
    patterns = selection.sequences
    named = np.array([not patterns or any(fnmatch(text, pattern) for pattern in patterns) for text in sequences])
    if len(named) and not named.any():
        raise InputError(f"{name}: no sequence is called {' or '.join(patterns)}")
    return named.astype(np.bool_)


def class_places(names: Sequence[str], selection: Selection) -> IntArray:
    """Return, for each of the labels' own class names, its place in `selection.classes`, -1 where it is not wanted.

    A name is taken whatever its case, and "person" and "pedestrian" are one; a number is looked up in `numbers`.

    >>> class_places(["Car", "person", "7"], Selection(("pedestrian", "car"), (1, 7))).tolist()
    [1, 0, 1]
    """
    by_name = {_canonical(name): place for place, name in enumerate(selection.classes)}
    by_number = {str(number): place for place, number in enumerate(selection.numbers)}
    return np.array([by_name.get(_canonical(name), by_number.get(name, -1)) for name in names], dtype=np.int64)


def _canonical(name: str) -> str:
    plain = name.strip().lower()
    return "pedestrian" if plain == "person" else plain


def _places(names: Iterable[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for name in names:
        places.setdefault(name, len(places))
    return places


def _merge(blocks: Sequence[Annotations], selection: Selection, sequences: dict[str, int]) -> _Merged:
    def joined(parts: list[np.ndarray], like: np.ndarray) -> np.ndarray:
        return np.concatenate(parts) if parts else like

    none = np.zeros(0, dtype=np.int64)
    classes = [_take(class_places(block.class_names, selection), block.classes) for block in blocks]
    sequence_of = [
        _take(np.array([sequences[name] for name in block.sequences], dtype=np.int64), block.sequence_of)
        for block in blocks
    ]
    return _Merged(
        images=[image for block in blocks for image in block.images],
        counts=joined([block.counts for block in blocks], none),
        boxes_tlwh=joined([block.boxes_tlwh for block in blocks], np.zeros((0, 4), dtype=np.float32)),
        ids=joined([block.ids for block in blocks], none),
        classes=joined(classes, none),
        sequence_of=joined(sequence_of, none),
        frames=joined([block.frames for block in blocks], none),
        image_hw=joined([block.image_hw for block in blocks], np.zeros((0, 2), dtype=np.int64)),
    )


def _take(table: IntArray, places: IntArray) -> IntArray:
    return table[places] if len(table) else np.zeros(len(places), dtype=np.int64)


def _require_classes(blocks: Sequence[Annotations], selection: Selection, name: str) -> None:
    own = list(_places(kind for block in blocks for kind in block.class_names))
    if own and (class_places(own, selection) < 0).all():
        shown = ", ".join(own[:20])
        raise InputError(f"{name}: none of DATA.CLASSES ({', '.join(selection.classes)}) in it; it has {shown}")


def _refuse_duplicates(blocks: Sequence[Annotations], merged: _Merged, image_of: IntArray, rows: IntArray) -> None:
    """`rows` are sorted by image and own id."""
    ids, images, classes = merged.ids[rows], image_of[rows], merged.classes[rows]
    same = (ids[1:] == ids[:-1]) & (images[1:] == images[:-1]) & (ids[1:] != UNKNOWN)
    for place in np.flatnonzero(same):
        if classes[place] == classes[place + 1]:
            sources = (_source(blocks, int(rows[place + step])) for step in (0, 1))
            first, second = sorted(sources, key=lambda text: (len(text), text))  # of one file: by line
            image = merged.images[images[place]]
            raise InputError(f"{second}: identity {ids[place]} twice in {image}, first at {first}")


def _source(blocks: Sequence[Annotations], row: int) -> str:
    for block in blocks:
        if row < len(block.ids):
            return block.source_of(row)
        row -= len(block.ids)
    raise IndexError(row)


def _number(
    merged: _Merged, image_of: IntArray, rows: IntArray, selection: Selection
) -> tuple[IntArray, tuple[int, ...], tuple[IntArray, IntArray]]:
    """Return the identities of `rows`, how many each class has, and own ids and sequences by class and identity."""
    sequences, ids, classes = merged.sequence_of[image_of[rows]], merged.ids[rows], merged.classes[rows]
    identities = np.full(len(rows), UNKNOWN, dtype=np.int64)
    counts, own_ids, own_sequences = [], [], []
    for kind in range(len(selection.classes)):
        members = np.flatnonzero(_has_identity(ids, classes == kind, selection.identity))
        numbers, firsts = _dense(sequences[members], ids[members], is_box=selection.identity == BOX)
        identities[members] = numbers
        counts.append(len(firsts))
        own_ids.append(ids[members[firsts]])
        own_sequences.append(sequences[members[firsts]])
    return identities, tuple(counts), (np.concatenate(own_ids), np.concatenate(own_sequences))


def _has_identity(ids: IntArray, is_kind: BoolArray, identity: str) -> BoolArray:
    if identity == NONE:
        return np.zeros(len(ids), dtype=np.bool_)
    return is_kind if identity == BOX else is_kind & (ids != UNKNOWN)


def _dense(sequences: IntArray, ids: IntArray, *, is_box: bool) -> tuple[IntArray, IntArray]:
    """Number (sequence, id) pairs by sequence and id; return the number of each row, and a row of each number.

    is_box: number the rows themselves.
    """
    if is_box:
        return np.arange(len(ids)), np.arange(len(ids))
    order = np.lexsort((ids, sequences))
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(sequences[order]) != 0) | (np.diff(ids[order]) != 0)
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = np.cumsum(new) - 1
    return numbers, order[new]

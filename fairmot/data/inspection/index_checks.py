"""What can be found wrong with an index at the start of a training: no image and no label file is opened."""

from collections.abc import Sequence

import numpy as np

from fairmot.data.index.label_index import LabelIndex
from fairmot.data.inspection.findings import ERROR, EXPLOSION, LEAK, NO_BOXES, UNKNOWN_ONLY, WARNING, Finding
from fairmot.data.inspection.identity_continuity import (
    Boxes,
    FrameList,
    has_identity_explosion,
    sequences_by_folder,
    sequences_by_frame,
)
from fairmot.data.samples import find_common_image
from fairmot.geometry.arrays import IntArray
from fairmot.structures.annotations import UNKNOWN

SHORT = 5  # boxes of an identity: where there are more on average, identities have not exploded


def check_index(index: LabelIndex) -> tuple[Finding, ...]:
    """Return what is wrong with a data set as it would train: no boxes, no identities, identities that exploded.

    Takes well below a second for ten million boxes. Identities made of single boxes (IDENTITY box) are not looked at.
    """
    name = index.info.name
    if not index.num_boxes:
        return (Finding(ERROR, NO_BOXES, name, f"{len(index)} images, none has a box that trains"),)
    if not sum(index.info.identity_counts):
        return (
            Finding(WARNING, UNKNOWN_ONLY, name, f"none of {index.num_boxes} boxes has an identity", index.num_boxes),
        )
    if (index.arrays.own_ids == UNKNOWN).any():  # IDENTITY box: each box was made an identity
        return ()
    lists = _suspects(index)
    if not lists or _is_identity_of_boxes(index):
        return ()
    arrays = index.arrays
    known = arrays.identities != UNKNOWN
    ids = np.where(known, arrays.identities.astype(np.int64) * len(index.info.classes) + arrays.classes, UNKNOWN)
    found = has_identity_explosion(Boxes(arrays.box_ends, arrays.boxes_tlwh, ids), lists)
    return tuple(
        Finding(
            ERROR,
            EXPLOSION,
            f"{name} {frames.name}".strip(),
            f"of {seen.going_on} boxes that go on in the next frame {seen.kept} keep their identity",
            seen.going_on - seen.kept,
        )
        for frames, seen in found
    )


def check_leak(train: Sequence[LabelIndex], val: Sequence[LabelIndex]) -> tuple[Finding, ...]:
    """Return which data sets to validate on share image files with those to train on, by path."""
    pairs = ((one, other, find_common_image(one, other)) for one in train for other in val)
    return tuple(
        Finding(ERROR, LEAK, str(shared), f"in {one.info.name} to train on and in {other.info.name} to validate on")
        for one, other, shared in pairs
        if shared is not None
    )


def _suspects(index: LabelIndex) -> list[FrameList]:
    """Return the sequences whose identities are few boxes long."""
    arrays, info = index.arrays, index.info
    lists: list[FrameList] = []
    if (arrays.frames > 0).any():
        sequences = np.asarray(arrays.sequence_of)
        boxes = np.bincount(sequences, weights=np.diff(arrays.box_ends, prepend=0), minlength=len(info.sequences))
        identities = np.bincount(arrays.own_sequences, minlength=len(info.sequences))
        short = np.flatnonzero((identities > 0) & (boxes < SHORT * identities))
        chosen = np.where(np.isin(sequences, short), arrays.frames, 0)
        lists += sequences_by_frame(info.sequences, sequences, chosen)
    stills = np.flatnonzero(arrays.frames == 0)
    if len(stills) and index.num_boxes < SHORT * sum(info.identity_counts):
        lists += _folders(index, stills)
    return lists


def _folders(index: LabelIndex, stills: IntArray) -> list[FrameList]:
    data, ends = bytes(index.arrays.name_bytes), index.arrays.name_ends.tolist()
    starts = [0, *ends[:-1]]
    names = [data[start:end].decode("utf-8", "surrogateescape") for start, end in zip(starts, ends, strict=True)]
    return sequences_by_folder(names, stills)


def _is_identity_of_boxes(index: LabelIndex) -> bool:
    """Whether each box was made an identity: then two have the same id in the labels."""
    own, sequences = np.asarray(index.arrays.own_ids), np.asarray(index.arrays.own_sequences)
    first = index.info.identity_counts[0]
    order = np.lexsort((own[:first], sequences[:first]))
    same = (np.diff(own[:first][order]) == 0) & (np.diff(sequences[:first][order]) == 0)
    return bool(same.any())

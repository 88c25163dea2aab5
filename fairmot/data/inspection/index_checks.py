"""Checks of a label index at the start of training, without opening image or label files."""

from collections.abc import Sequence

import numpy as np

from fairmot.data.index.label_index import LabelIndex
from fairmot.data.inspection.findings import ERROR, WARNING, Check, Finding
from fairmot.data.inspection.identity_continuity import (
    FrameList,
    ImageBoxes,
    find_identity_explosions,
    sequences_by_folder,
    sequences_by_frame,
)
from fairmot.data.samples import find_common_image
from fairmot.structures.annotations import UNKNOWN

MIN_MEAN_LENGTH = 5  # boxes per identity; sequences with more on average are not checked for identity explosion


def check_index(index: LabelIndex) -> tuple[Finding, ...]:
    """Return missing boxes, missing identities and identity explosions of a data set as it is trained on.

    Takes well below a second for ten million boxes. Identities made from single boxes (IDENTITY box) are not checked.
    """
    name, arrays = index.info.name, index.arrays
    if not index.num_boxes:
        return (Finding(ERROR, Check.NO_BOXES, name, f"none of {len(index)} images has a box to train on"),)
    if not sum(index.info.identity_counts):
        message = f"none of {index.num_boxes} boxes has an identity"
        return (Finding(WARNING, Check.NO_IDENTITIES, name, message, index.num_boxes),)
    suspects = [] if (arrays.own_ids == UNKNOWN).any() else _suspects(index)
    if not suspects or _has_box_identities(index):
        return ()
    known = arrays.identities != UNKNOWN
    ids = np.where(known, arrays.identities.astype(np.int64) * len(index.info.classes) + arrays.classes, UNKNOWN)
    found = find_identity_explosions(ImageBoxes(arrays.box_ends, arrays.boxes_tlwh, ids), suspects)
    return tuple(
        Finding(
            ERROR,
            Check.IDENTITY_EXPLOSION,
            f"{name} {frames.name}".strip(),
            f"of {result.matched} boxes that continue in the next frame, {result.kept} keep their identity",
            result.matched - result.kept,
        )
        for frames, result in found
    )


def check_leak(train: Sequence[LabelIndex], val: Sequence[LabelIndex]) -> tuple[Finding, ...]:
    """Return the validation data sets that share image files, by path, with training data sets."""
    pairs = ((one, other, find_common_image(one, other)) for one in train for other in val)
    return tuple(
        Finding(ERROR, Check.LEAK, str(shared), f"in {one.info.name} (training) and in {other.info.name} (validation)")
        for one, other, shared in pairs
        if shared is not None
    )


def _suspects(index: LabelIndex) -> list[FrameList]:
    """Return the sequences and folders with fewer than MIN_MEAN_LENGTH boxes per identity."""
    arrays, info = index.arrays, index.info
    suspects: list[FrameList] = []
    if (arrays.frames > 0).any():
        sequences = np.asarray(arrays.sequence_of)
        boxes = np.bincount(sequences, weights=np.diff(arrays.box_ends, prepend=0), minlength=len(info.sequences))
        identities = np.bincount(arrays.own_sequences, minlength=len(info.sequences))
        short = np.flatnonzero((identities > 0) & (boxes < MIN_MEAN_LENGTH * identities))
        frames = np.where(np.isin(sequences, short), arrays.frames, 0)
        suspects += sequences_by_frame(info.sequences, sequences, frames)
    unnumbered = np.flatnonzero(arrays.frames == 0)
    if len(unnumbered) and index.num_boxes < MIN_MEAN_LENGTH * sum(info.identity_counts):
        data, ends = bytes(arrays.name_bytes), arrays.name_ends.tolist()
        spans = zip([0, *ends[:-1]], ends, strict=True)
        names = [data[start:end].decode("utf-8", "surrogateescape") for start, end in spans]
        suspects += sequences_by_folder(names, unnumbered)
    return suspects


def _has_box_identities(index: LabelIndex) -> bool:
    """Whether each box was made an identity, so that two identities of a sequence have the same id in the labels."""
    first = index.info.identity_counts[0]
    own, sequences = (np.asarray(ids)[:first] for ids in (index.arrays.own_ids, index.arrays.own_sequences))
    order = np.lexsort((own, sequences))
    return bool(((np.diff(own[order]) == 0) & (np.diff(sequences[order]) == 0)).any())

"""Whether people keep their identities from frame to frame: finds labels whose identities exploded.

A well-known converter gives a new identity at each change of id from row to row. Where the truth is sorted by frame,
that is at each row: 300 identities for 3 people in 100 frames. The sign of it: boxes that go on in the next frame (the
best partners of each other, IoU above 0.5), while their identity is nowhere in it.

Legend: F images, N boxes.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.annotations import UNKNOWN

GOES_ON = 0.5  # IoU
KEPT = 0.5  # share of the boxes going on whose identity goes on; below it identities have exploded
MIN_GOING_ON = 6  # boxes
SHARE_GOING_ON = 0.3  # of the boxes, in frames that are numbered: less is no video
SHARE_IN_FOLDERS = 0.6  # and where images merely lie in one folder
MIN_PER_IMAGE = 1.5  # boxes an image in such a folder: portraits overlap too
LOOKS = 64  # pairs of frames looked at in each sequence, evenly spread
ALL_LOOKS = 4000


class Boxes(NamedTuple):
    """Box_ends (F,): where the boxes of each image end; boxes_tlwh (N, 4); ids (N,), -1 unknown."""

    box_ends: IntArray
    boxes_tlwh: FloatArray
    ids: IntArray

    def of(self, image: int) -> tuple[FloatArray, IntArray]:
        """Return the boxes (n, 4) xyxy of an image whose identities are known, and these."""
        rows = slice(int(self.box_ends[image - 1]) if image else 0, int(self.box_ends[image]))
        known = self.ids[rows] != UNKNOWN
        return tlwh_to_xyxy(np.asarray(self.boxes_tlwh[rows][known], dtype=np.float64)), self.ids[rows][known]


class FrameList(NamedTuple):
    """Images of one sequence or folder by their places, in order; `is_numbered` where the labels have frame numbers."""

    name: str
    images: IntArray
    is_numbered: bool


class Continuity(NamedTuple):
    """Of the boxes looked at, how many go on in the next frame, and for how many of those their identity does too."""

    frames: int
    boxes: int
    going_on: int
    kept: int

    def has_identity_explosion(self, *, is_numbered: bool) -> bool:
        """Whether identities end although people stay."""
        share = SHARE_GOING_ON if is_numbered else SHARE_IN_FOLDERS
        is_video = self.going_on >= max(MIN_GOING_ON, share * self.boxes)
        has_people = is_numbered or self.boxes >= MIN_PER_IMAGE * self.frames
        return is_video and has_people and self.kept < KEPT * self.going_on


def has_identity_explosion(boxes: Boxes, sequences: Iterable[FrameList]) -> list[tuple[FrameList, Continuity]]:
    """Return the sequences whose identities exploded."""
    several = [sequence for sequence in sequences if len(sequence.images) > 1]
    looks = max(8, min(LOOKS, ALL_LOOKS // max(len(several), 1)))
    measured = ((sequence, measure(boxes, sequence.images, looks=looks)) for sequence in several)
    return [
        (sequence, seen) for sequence, seen in measured if seen.has_identity_explosion(is_numbered=sequence.is_numbered)
    ]


def measure(boxes: Boxes, images: IntArray, *, looks: int = LOOKS) -> Continuity:
    """Look at up to `looks` pairs of consecutive images."""
    places = np.unique(np.linspace(0, len(images) - 2, min(looks, len(images) - 1)).round().astype(np.int64))
    seen = [_compare(boxes.of(int(images[at])), boxes.of(int(images[at + 1]))) for at in places]
    return Continuity(len(places), *(sum(part[n] for part in seen) for n in range(3)))


def _compare(before: tuple[FloatArray, IntArray], after: tuple[FloatArray, IntArray]) -> tuple[int, int, int]:
    if not len(before[1]) or not len(after[1]):
        return len(before[1]), 0, 0
    iou = pairwise_iou(before[0], after[0])
    best = iou.argmax(axis=1)
    mutual = iou.argmax(axis=0)[best] == np.arange(len(best))
    goes_on = mutual & (iou.max(axis=1) > GOES_ON)
    kept = goes_on & np.isin(before[1], after[1])
    return len(best), int(goes_on.sum()), int(kept.sum())


def sequences_by_frame(names: Sequence[str], sequence_of: IntArray, frames: IntArray) -> list[FrameList]:
    """Return the sequences of images that have frame numbers, each in their order."""
    numbered = np.flatnonzero(frames > 0)
    order = numbered[np.lexsort((frames[numbered], sequence_of[numbered]))]
    cuts = np.flatnonzero(np.diff(sequence_of[order])) + 1
    parts = np.split(order, cuts) if len(order) else []
    return [FrameList(names[int(sequence_of[part[0]])], part, is_numbered=True) for part in parts]


def sequences_by_folder(images: Sequence[str], places: IntArray) -> list[FrameList]:
    """Return the folders that the images at `places` lie in, each by name: what may be videos without numbers."""
    folders: dict[str, list[int]] = {}
    for place in sorted(places.tolist(), key=lambda at: images[at]):
        folders.setdefault(images[place].rpartition("/")[0], []).append(place)
    return [FrameList(name, np.array(inside), is_numbered=False) for name, inside in folders.items()]

"""Identity continuity between consecutive frames: detects sequences whose identities exploded.

A common converter error assigns a new identity whenever the id changes from one row to the next. In ground truth sorted
by frame this happens at each row: 300 identities for 3 people in 100 frames. It is recognised by boxes that match a box
of the next frame (mutually best IoU, above 0.5) although that frame does not contain their identity.

Legend: F images, N boxes.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.annotations import UNKNOWN

MATCH_IOU = 0.5
MIN_KEPT = 0.5  # fraction of the matched boxes that keep their identity; below it identities have exploded
MIN_MATCHED_BOXES = 6
MIN_MATCHED = 0.3  # fraction of the boxes, with frame numbers; below it the images are no video
MIN_MATCHED_IN_FOLDER = 0.6  # the same for images without frame numbers in one folder
MIN_BOXES_PER_IMAGE = 1.5  # in such a folder, since portraits overlap too
MAX_PAIRS = 64  # evenly spaced pairs of consecutive frames that are compared in each sequence
MAX_TOTAL_PAIRS = 4000


class ImageBoxes(NamedTuple):
    """box_ends (F,): end of each image's boxes; boxes_tlwh (N, 4); ids (N,), -1 unknown."""

    box_ends: IntArray
    boxes_tlwh: FloatArray
    ids: IntArray

    def known(self, image: int) -> tuple[FloatArray, IntArray]:
        """Return the boxes (n, 4) xyxy of an image that have an identity, and the identities."""
        rows = slice(int(self.box_ends[image - 1]) if image else 0, int(self.box_ends[image]))
        is_known = self.ids[rows] != UNKNOWN
        return tlwh_to_xyxy(np.asarray(self.boxes_tlwh[rows][is_known], dtype=np.float64)), self.ids[rows][is_known]


class FrameList(NamedTuple):
    """Image indices of one sequence or folder, in order; `is_numbered`: the labels state frame numbers."""

    name: str
    images: IntArray
    is_numbered: bool


class Continuity(NamedTuple):
    """Numbers of compared frame pairs, their boxes, boxes matched in the next frame, and matched boxes with the same
    identity.
    """

    pairs: int
    boxes: int
    matched: int
    kept: int

    def is_explosion(self, *, is_numbered: bool) -> bool:
        """Whether identities end although the objects continue."""
        fraction = MIN_MATCHED if is_numbered else MIN_MATCHED_IN_FOLDER
        is_video = self.matched >= max(MIN_MATCHED_BOXES, fraction * self.boxes)
        is_crowded = is_numbered or self.boxes >= MIN_BOXES_PER_IMAGE * self.pairs
        return is_video and is_crowded and self.kept < MIN_KEPT * self.matched


def find_identity_explosions(boxes: ImageBoxes, sequences: Iterable[FrameList]) -> list[tuple[FrameList, Continuity]]:
    """Return the sequences whose identities exploded."""
    several = [sequence for sequence in sequences if len(sequence.images) > 1]
    max_pairs = max(8, min(MAX_PAIRS, MAX_TOTAL_PAIRS // max(len(several), 1)))
    measured = ((sequence, measure_continuity(boxes, sequence.images, max_pairs=max_pairs)) for sequence in several)
    return [
        (sequence, result) for sequence, result in measured if result.is_explosion(is_numbered=sequence.is_numbered)
    ]


def measure_continuity(boxes: ImageBoxes, images: IntArray, *, max_pairs: int) -> Continuity:
    """Compare up to `max_pairs` pairs of consecutive images."""
    count = len(images) - 1
    starts = np.unique(np.linspace(0, count - 1, min(max_pairs, count)).round().astype(np.int64))
    counts = [_compare(boxes.known(int(images[n])), boxes.known(int(images[n + 1]))) for n in starts]
    return Continuity(len(starts), *(sum(column) for column in zip(*counts, strict=True)))


def _compare(before: tuple[FloatArray, IntArray], after: tuple[FloatArray, IntArray]) -> tuple[int, int, int]:
    """Return the numbers of boxes of the first image, of those matched, and of those that keep their identity."""
    if not len(before[1]) or not len(after[1]):
        return len(before[1]), 0, 0
    iou = pairwise_iou(before[0], after[0])
    best = iou.argmax(axis=1)
    is_mutual = iou.argmax(axis=0)[best] == np.arange(len(best))
    is_matched = is_mutual & (iou.max(axis=1) > MATCH_IOU)
    is_kept = is_matched & np.isin(before[1], after[1])
    return len(best), int(is_matched.sum()), int(is_kept.sum())


def sequences_by_frame(names: Sequence[str], sequence_of: IntArray, frames: IntArray) -> list[FrameList]:
    """Return the sequences of the images with frame numbers, each ordered by them."""
    numbered = np.flatnonzero(frames > 0)
    order = numbered[np.lexsort((frames[numbered], sequence_of[numbered]))]
    cuts = np.flatnonzero(np.diff(sequence_of[order])) + 1
    parts = np.split(order, cuts) if len(order) else []
    return [FrameList(names[int(sequence_of[part[0]])], part, is_numbered=True) for part in parts]


def sequences_by_folder(files: Sequence[str], images: IntArray) -> list[FrameList]:
    """Return the folders of `images` (indices into `files`), each ordered by name: possible videos without numbers."""
    folders: dict[str, list[int]] = {}
    for image in sorted(images.tolist(), key=lambda image: files[image]):
        folders.setdefault(files[image].rpartition("/")[0], []).append(image)
    return [FrameList(name, np.array(members), is_numbered=False) for name, members in folders.items()]

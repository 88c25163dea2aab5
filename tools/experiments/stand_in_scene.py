"""What of a sequence's truth a detector may see, and what stands in front of whom.

Legend: N boxes, F frames, P objects (people, and what looks like them).
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import areas, intersection_areas, tlwh_to_xyxy
from fairmot.structures.sequence import BoxTable, SequenceInfo

PERSON = 1
SEEN_SHARE = {2: 0.6, 7: 0.7, 8: 0.4, 12: 0.3}  # of a class that is not scored: riders, static people, dolls, mirrors
UNMARKED_SHARE = 0.7  # of people whom the truth does not score
SOLID = (1, 2, 3, 4, 5, 6, 7, 8)  # classes that hide what is behind them


@dataclass(frozen=True)
class Scene:
    """N boxes of P objects that a detector may see, by frame.

    frames: (N,) place of the frame, from 0. objects: (N,) index of the object, 0 to P - 1.
    boxes_xyxy: (N, 4) pixels. visibilities: (N,) in [0, 1].
    coverers: (N,) index of the object in front that hides most of the box; -1 where none hides half of what is hidden.
    length: F. image_hw: pixels.
    """

    frames: IntArray
    objects: IntArray
    boxes_xyxy: FloatArray
    visibilities: FloatArray
    coverers: IntArray
    count: int
    length: int
    frame_rate: float
    image_hw: tuple[int, int]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def sides(self) -> tuple[FloatArray, FloatArray]:
        """(N,) widths and (N,) heights in pixels, 1 at least."""
        sides = np.maximum(self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2], 1.0)
        return sides[:, 0], sides[:, 1]

    def spread(self, values: FloatArray, *, fill: float) -> FloatArray:
        """(N,) values of boxes -> (F, P), `fill` where an object has no box."""
        grid = np.full((self.length, self.count), fill)
        grid[self.frames, self.objects] = values
        return grid


def read_scene(info: SequenceInfo, truth: BoxTable, rng: np.random.Generator) -> Scene:
    """Return what a detector may see of `truth`: the scored people, and a drawn part of what looks like people.

    The truth tells how much of a person is visible; of the other classes the boxes in front of them tell it.
    """
    truth = truth[np.lexsort((truth.ids, truth.frames))]
    boxes = tlwh_to_xyxy(truth.boxes_tlwh)
    height, width = info.image_hw
    inside = (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    if width and height:
        inside &= (boxes[:, 0] < width) & (boxes[:, 1] < height)
    share, front = measure_cover(truth, boxes)
    scored = (truth.classes == PERSON) & (truth.confidences > 0)
    visible = np.where(truth.classes == PERSON, truth.visibilities, 1 - share)
    front = np.where(2 * share >= 1 - visible, front, -1)
    kept = np.flatnonzero(inside & (scored | _noticed(truth, rng)))
    identities, objects = np.unique(truth.ids[kept], return_inverse=True)
    index = {identity: place for place, identity in enumerate(identities.tolist())}
    coverers = [index.get(int(truth.ids[row]), -1) if row >= 0 else -1 for row in front[kept]]
    return Scene(
        frames=truth.frames[kept] - 1,
        objects=objects,
        boxes_xyxy=boxes[kept],
        visibilities=np.clip(visible[kept], 0.0, 1.0),
        coverers=np.array(coverers, dtype=np.int64),
        count=len(identities),
        length=info.length,
        frame_rate=info.frame_rate,
        image_hw=info.image_hw,
    )


def _noticed(truth: BoxTable, rng: np.random.Generator) -> BoolArray:
    """(N,) rows whose identity a detector takes for a person, though it is not scored: drawn once an identity."""
    identities, rows = np.unique(truth.ids, return_inverse=True)
    shares = np.zeros(len(truth))
    for kind, share in {**SEEN_SHARE, PERSON: UNMARKED_SHARE}.items():
        shares[truth.classes == kind] = share
    return np.asarray(rng.random(len(identities))[rows] < shares)


def measure_cover(truth: BoxTable, boxes_xyxy: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return for each box the largest share of it that one solid box in front covers, and that box's row, or -1.

    truth: rows by frame. What reaches further down the image is in front.
    """
    share, front = np.zeros(len(truth)), np.full(len(truth), -1, dtype=np.int64)
    solid = np.isin(truth.classes, SOLID)
    for rows in np.split(np.arange(len(truth)), np.flatnonzero(np.diff(truth.frames)) + 1):
        boxes = boxes_xyxy[rows]
        covered = intersection_areas(boxes, boxes) / np.maximum(areas(boxes)[:, None], 1e-9)
        covered[:, ~solid[rows]] = 0
        covered[boxes[:, None, 3] >= boxes[None, :, 3]] = 0
        if len(rows):
            best = covered.argmax(axis=1)
            share[rows] = covered[np.arange(len(rows)), best]
            front[rows] = np.where(share[rows] > 0, rows[best], -1)
    return np.clip(share, 0, 1), front

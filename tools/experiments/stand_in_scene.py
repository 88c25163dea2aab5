"""Scene of the simulated detector: detectable ground-truth boxes, their visibilities and occluders.

Legend: N boxes, F frames, P objects (persons and person-like objects).
"""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import areas, intersection_areas, tlwh_to_xyxy
from fairmot.structures.sequence import BoxTable, SequenceInfo

PERSON = 1
# Fraction of the identities of an ignored class that are detected: riders, static persons, distractors, reflections.
DETECTED_FRACTION = {2: 0.6, 7: 0.7, 8: 0.4, 12: 0.3}
IGNORED_PERSON_FRACTION = 0.7  # of persons whose consider flag is 0
OCCLUDER_CLASSES = (1, 2, 3, 4, 5, 6, 7, 8)


@dataclass(frozen=True)
class Scene:
    """N detectable boxes of P objects, by frame.

    frames: (N,) index of the frame, from 0. objects: (N,) index of the object, 0 to P - 1.
    boxes_xyxy: (N, 4) pixels. visibilities: (N,) in [0, 1].
    occluders: (N,) index of the main occluding object; -1 where none covers half of the occluded part.
    length: F. image_hw: pixels.
    """

    frames: IntArray
    objects: IntArray
    boxes_xyxy: FloatArray
    visibilities: FloatArray
    occluders: IntArray
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


def build_scene(info: SequenceInfo, ground_truth: BoxTable, rng: np.random.Generator) -> Scene:
    """Return the scored persons of the ground truth, and a random subset of the person-like objects.

    Visibilities of persons are those of the ground truth; those of other classes follow from the boxes in front.
    """
    ground_truth = ground_truth[np.lexsort((ground_truth.ids, ground_truth.frames))]
    boxes = tlwh_to_xyxy(ground_truth.boxes_tlwh)
    height, width = info.image_hw
    inside = (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    if width and height:
        inside &= (boxes[:, 0] < width) & (boxes[:, 1] < height)
    fraction, front = measure_occlusion(ground_truth, boxes)
    scored = (ground_truth.classes == PERSON) & (ground_truth.confidences > 0)
    visible = np.where(ground_truth.classes == PERSON, ground_truth.visibilities, 1 - fraction)
    front = np.where(2 * fraction >= 1 - visible, front, -1)
    kept = np.flatnonzero(inside & (scored | _is_detected(ground_truth, rng)))
    identities, objects = np.unique(ground_truth.ids[kept], return_inverse=True)
    index_of = {identity: index for index, identity in enumerate(identities.tolist())}
    occluders = [index_of.get(int(ground_truth.ids[row]), -1) if row >= 0 else -1 for row in front[kept]]
    return Scene(
        frames=ground_truth.frames[kept] - 1,
        objects=objects,
        boxes_xyxy=boxes[kept],
        visibilities=np.clip(visible[kept], 0.0, 1.0),
        occluders=np.array(occluders, dtype=np.int64),
        count=len(identities),
        length=info.length,
        frame_rate=info.frame_rate,
        image_hw=info.image_hw,
    )


def _is_detected(ground_truth: BoxTable, rng: np.random.Generator) -> BoolArray:
    """(N,) rows of ignored identities that are detected as persons; drawn once per identity."""
    identities, rows = np.unique(ground_truth.ids, return_inverse=True)
    fractions = np.zeros(len(ground_truth))
    for kind, fraction in {**DETECTED_FRACTION, PERSON: IGNORED_PERSON_FRACTION}.items():
        fractions[ground_truth.classes == kind] = fraction
    return np.asarray(rng.random(len(identities))[rows] < fractions)


def measure_occlusion(ground_truth: BoxTable, boxes_xyxy: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the largest fraction of each box that one occluder covers, and that occluder's row, or -1.

    ground_truth: rows by frame. A box with a lower bottom edge in the image is in front.
    """
    fraction, front = np.zeros(len(ground_truth)), np.full(len(ground_truth), -1, dtype=np.int64)
    is_occluder = np.isin(ground_truth.classes, OCCLUDER_CLASSES)
    for rows in np.split(np.arange(len(ground_truth)), np.flatnonzero(np.diff(ground_truth.frames)) + 1):
        boxes = boxes_xyxy[rows]
        covered = intersection_areas(boxes, boxes) / np.maximum(areas(boxes)[:, None], 1e-9)
        covered[:, ~is_occluder[rows]] = 0
        covered[boxes[:, None, 3] >= boxes[None, :, 3]] = 0
        if len(rows):
            best = covered.argmax(axis=1)
            fraction[rows] = covered[np.arange(len(rows)), best]
            front[rows] = np.where(fraction[rows] > 0, rows[best], -1)
    return np.clip(fraction, 0, 1), front

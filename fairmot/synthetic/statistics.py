"""How hard a sequence is: who crosses whom, who is hidden for how long."""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.arrays import IntArray
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.sequence import BoxTable

CROSSING_IOU = 0.3
HIDDEN_VISIBILITY = 0.2
HIDDEN_FRAMES = 10
MOSTLY_HIDDEN = 0.25


@dataclass(frozen=True)
class WorldStatistics:
    """Of the scored people (class 1, mark 1) of one sequence.

    people, boxes: how many. crossings: pairs whose boxes reach an IoU above 0.3 in some frame.
    occlusions: runs of 10 frames and more at visibility below 0.2, of boxes at least half inside the image.
    hidden_share: share of the boxes with visibility below 0.25.
    """

    people: int
    boxes: int
    crossings: int
    occlusions: int
    hidden_share: float


def measure(truth: BoxTable, image_hw: tuple[int, int]) -> WorldStatistics:
    """Count crossings and occlusions of a ground truth; `image_hw` is the image's height and width in pixels."""
    scored = truth[(truth.classes == 1) & (truth.confidences == 1)]
    hidden = scored.visibilities < MOSTLY_HIDDEN
    return WorldStatistics(
        people=len(np.unique(scored.ids)),
        boxes=len(scored),
        crossings=len(crossing_pairs(scored)),
        occlusions=len(occlusion_runs(scored, image_hw)),
        hidden_share=float(hidden.mean()) if len(scored) else 0.0,
    )


def crossing_pairs(table: BoxTable) -> set[tuple[int, int]]:
    """Distinct pairs of identities whose boxes reach an IoU above 0.3 in some frame."""
    pairs: set[tuple[int, int]] = set()
    order = np.argsort(table.frames, kind="stable")
    _, starts = np.unique(table.frames[order], return_index=True)
    for rows in np.split(order, starts[1:]):
        boxes = tlwh_to_xyxy(table.boxes_tlwh[rows])
        first, second = np.nonzero(np.triu(pairwise_iou(boxes, boxes) > CROSSING_IOU, k=1))
        ids = np.sort(np.column_stack([table.ids[rows][first], table.ids[rows][second]]), axis=1)
        pairs.update((int(one), int(other)) for one, other in ids)
    return pairs


def occlusion_runs(
    table: BoxTable, image_hw: tuple[int, int], *, below: float = HIDDEN_VISIBILITY, frames_least: int = HIDDEN_FRAMES
) -> list[tuple[int, int, int]]:
    """Runs (identity, first frame, frames) of `frames_least` and more at visibility below `below`, inside the image."""
    middle = table.boxes_tlwh[:, 0] + table.boxes_tlwh[:, 2] / 2
    hidden = (table.visibilities < below) & (middle >= 0) & (middle <= image_hw[1])
    runs: list[tuple[int, int, int]] = []
    for identity in np.unique(table.ids[hidden]):
        frames = np.sort(table.frames[hidden & (table.ids == identity)])
        for run in _consecutive(frames):
            if len(run) >= frames_least:
                runs.append((int(identity), int(run[0]), len(run)))
    return runs


def _consecutive(frames: IntArray) -> list[IntArray]:
    return list(np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1))

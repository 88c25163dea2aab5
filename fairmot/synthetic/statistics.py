"""Occlusion statistics of a sequence: crossings of people and periods of occlusion."""

from dataclasses import dataclass

import numpy as np

from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.structures.sequence import BoxTable

CROSSING_IOU = 0.3
OCCLUDED_VISIBILITY = 0.2
OCCLUSION_FRAMES = 10
HIDDEN_VISIBILITY = 0.25


@dataclass(frozen=True)
class OcclusionStatistics:
    """Statistics of the scored people (class 1, consider flag 1) of one sequence.

    crossings: pairs of people whose boxes reach an IoU above 0.3 in some frame.
    occlusions: runs of 10 frames or more at visibility below 0.2, of boxes at least half inside the image.
    hidden_fraction: fraction of the boxes with visibility below 0.25.
    """

    people: int
    boxes: int
    crossings: int
    occlusions: int
    hidden_fraction: float


def measure_occlusion(ground_truth: BoxTable, image_hw: tuple[int, int]) -> OcclusionStatistics:
    """Return the statistics of a ground truth; `image_hw` is the image's height and width in pixels."""
    scored = ground_truth[(ground_truth.classes == 1) & (ground_truth.confidences == 1)]
    is_hidden = scored.visibilities < HIDDEN_VISIBILITY
    return OcclusionStatistics(
        people=len(np.unique(scored.ids)),
        boxes=len(scored),
        crossings=len(find_crossings(scored)),
        occlusions=len(find_occlusions(scored, image_hw)),
        hidden_fraction=float(is_hidden.mean()) if len(scored) else 0.0,
    )


def find_crossings(table: BoxTable) -> set[tuple[int, int]]:
    """Return the pairs of identities whose boxes reach an IoU above 0.3 in some frame."""
    pairs: set[tuple[int, int]] = set()
    order = np.argsort(table.frames, kind="stable")
    _, starts = np.unique(table.frames[order], return_index=True)
    for rows in np.split(order, starts[1:]):
        boxes = tlwh_to_xyxy(table.boxes_tlwh[rows])
        first, second = np.nonzero(np.triu(pairwise_iou(boxes, boxes) > CROSSING_IOU, k=1))
        ids = np.sort(np.column_stack([table.ids[rows][first], table.ids[rows][second]]), axis=1)
        pairs.update((int(one), int(other)) for one, other in ids)
    return pairs


def find_occlusions(
    table: BoxTable,
    image_hw: tuple[int, int],
    *,
    below: float = OCCLUDED_VISIBILITY,
    min_frames: int = OCCLUSION_FRAMES,
) -> list[tuple[int, int, int]]:
    """Return runs (identity, first frame, frames) of `min_frames` or more at visibility below `below`."""
    centre_x = table.boxes_tlwh[:, 0] + table.boxes_tlwh[:, 2] / 2
    is_occluded = (table.visibilities < below) & (centre_x >= 0) & (centre_x <= image_hw[1])
    runs: list[tuple[int, int, int]] = []
    for identity in np.unique(table.ids[is_occluded]):
        frames = np.sort(table.frames[is_occluded & (table.ids == identity)])
        for run in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1):
            if len(run) >= min_frames:
                runs.append((int(identity), int(run[0]), len(run)))
    return runs

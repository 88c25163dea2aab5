"""Small worlds to tune on: people who walk, a noisy detector, MOTChallenge truth."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fairmot.formats.detection_cache import DetectionCache, write_cache
from fairmot.formats.motchallenge import write_ground_truth, write_sequence_info
from fairmot.structures.detections import Detections
from fairmot.structures.sequence import BoxTable, SequenceInfo

PEOPLE = 4


def write_world(folder: Path, names: Sequence[str] = ("A",), *, frames: int = 30, with_camera: bool = False) -> None:
    """Write `folder/gt/<name>` and `folder/caches/<name>.npz` for each name; a name always gives the same files."""
    for name in names:
        rng = np.random.default_rng(list(name.encode()))
        boxes_FP4 = _walk(rng, frames)
        seen = [_detect(rng, boxes_P4) for boxes_P4 in boxes_FP4]
        cache = DetectionCache.from_frames(seen, frame_rate=30.0)
        if with_camera:
            motion = np.tile(np.eye(2, 3), (frames, 1, 1))
            object.__setattr__(cache, "camera_motion", motion)
        write_cache(folder / "caches" / f"{name}.npz", cache)
        _write_truth(folder / "gt" / name, boxes_FP4)


def _walk(rng, frames):
    starts, speeds = rng.uniform(50, 500, (PEOPLE, 2)), rng.normal(0, 3, (PEOPLE, 2))
    corners = starts + speeds * np.arange(frames)[:, None, None] + rng.normal(0, 1, (frames, PEOPLE, 2))
    return np.concatenate([corners, np.broadcast_to([40.0, 100.0], (frames, PEOPLE, 2))], axis=2)


def _detect(rng, boxes_P4):
    """Four people of five are found, and a false alarm in half of the frames."""
    found = np.flatnonzero(rng.random(PEOPLE) < 0.8)
    looks = np.eye(PEOPLE + 1, 8)[found] + rng.normal(0, 0.15, (len(found), 8))
    corners = boxes_P4[found, :2] + rng.normal(0, 3, (len(found), 2))
    scores = rng.uniform(0.35, 0.95, len(found))
    if rng.random() < 0.5:
        looks, scores = np.vstack([looks, rng.normal(0, 1, 8)]), np.append(scores, rng.uniform(0.2, 0.6))
        corners = np.vstack([corners, rng.uniform(0, 600, 2)])
    boxes = np.concatenate([corners, corners + np.array([40.0, 100.0])], axis=1)
    return Detections(boxes, scores, looks / np.linalg.norm(looks, axis=1, keepdims=True))


def _write_truth(folder, boxes_FP4):
    frames, people = boxes_FP4.shape[:2]
    count = frames * people
    table = BoxTable(
        frames=np.repeat(np.arange(1, frames + 1), people),
        ids=np.tile(np.arange(1, people + 1), frames),
        boxes_tlwh=boxes_FP4.reshape(count, 4),
        confidences=np.ones(count),
        classes=np.ones(count, dtype=np.int64),
        visibilities=np.ones(count),
    )
    write_ground_truth(folder / "gt" / "gt.txt", table)
    write_sequence_info(SequenceInfo(folder.name, folder, 30.0, frames, (720, 1280)))

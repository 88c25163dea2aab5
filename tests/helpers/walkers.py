"""Detections of people for tracker tests, and option sets that switch on every part of a tracker."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairmot.structures.detections import Detections
from fairmot.structures.tracks import Tracks
from fairmot.tracking.options import EmbeddingOptions, GalleryOptions, MotionOptions, SecondAssociation
from fairmot.tracking.tracker import JointTracker

BOX = (100.0, 100.0, 140.0, 200.0)
EMPTY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))

OPTION_SETS: list[dict[str, Any]] = [
    {
        "second": SecondAssociation(0.1, 0.5),
        "ocr_threshold": 0.7,
        "motion": MotionOptions("xyah", "nsa", oru=True),
        "embedding": EmbeddingOptions(by_score=True),
        "gallery": GalleryOptions(20, 0.3),
    },
    {
        "metric": "euclidean",
        "overlap_weight": 0.3,
        "fuse_score": True,
        "initiation_threshold": 0.5,
        "ocr_threshold": 0.7,
        "motion": MotionOptions("xywh", kalman_rate=60.0, oru=True),
    },
    {"use_motion": False, "second": SecondAssociation(0.2, 0.6)},
    {"use_overlap": False, "gallery": GalleryOptions(5)},
    {"use_appearance": False, "use_motion": False},
]


def detect(
    *people: tuple[int, float], classes: Sequence[int] | None = None, box: tuple[float, ...] = BOX, score: float = 0.9
) -> Detections:
    """Return detections of people (number, shift to the right in px); the number selects an orthogonal embedding."""
    boxes = [np.array(box) + np.array([shift, 0, shift, 0]) for _, shift in people]
    return Detections(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.full(len(people), score, np.float32),
        np.eye(8, dtype=np.float32)[[number for number, _ in people]],
        None if classes is None else np.array(classes),
    )


def concat(*groups: Detections) -> Detections:
    """Return the detections of all groups."""
    names = ("boxes_xyxy", "scores", "embeddings", "class_index")
    return Detections(*(np.concatenate([getattr(group, name) for group in groups]) for name in names))


def run(tracker: JointTracker, frames: Sequence[Detections]) -> list[list[int]]:
    """Return the identities of each frame."""
    return [tracker.update(frame).ids.tolist() for frame in frames]


def random_frames(seed: int, count: int, people: int = 6) -> list[Detections]:
    """Return frames of people with noisy embeddings, misses and false alarms."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(people, 16))
    positions, velocities = rng.uniform(0, 800, (people, 2)), rng.normal(0, 4, (people, 2))
    frames = []
    for _ in range(count):
        positions = positions + velocities
        found = np.flatnonzero(rng.random(people) < 0.85)
        corners = np.concatenate([positions[found], rng.uniform(0, 800, (1, 2))])
        corners += rng.normal(0, 1, (len(found) + 1, 2))
        embeddings = np.concatenate([means[found] + rng.normal(0, 0.2, (len(found), 16)), rng.normal(size=(1, 16))])
        frames.append(
            Detections(
                np.concatenate([corners, corners + np.array([40, 100])], axis=1).astype(np.float32),
                rng.uniform(0.3, 1, len(corners)).astype(np.float32),
                (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32),
            )
        )
    return frames


def assert_same(left: Sequence[Tracks], right: Sequence[Tracks]) -> None:
    for one, other in zip(left, right, strict=True):
        for name in ("ids", "boxes_tlwh", "scores", "classes", "detection_index"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))

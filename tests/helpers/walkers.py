"""People for trackers to follow, and sets of options that switch every part of a tracker on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairmot.structures.detections import Detections
from fairmot.structures.tracks import Tracks
from fairmot.tracking.options import EmbeddingOptions, GalleryOptions, MotionOptions, SecondAssociation
from fairmot.tracking.tracker import JointTracker

BOX = (100.0, 100.0, 140.0, 200.0)
NOBODY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))

PARTS: list[dict[str, Any]] = [
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


def see(
    *people: tuple[int, float], classes: Sequence[int] | None = None, box: tuple[float, ...] = BOX, score: float = 0.9
) -> Detections:
    """People as (who, shift to the right in px): `who` chooses one of eight orthogonal embeddings."""
    boxes = [np.array(box) + np.array([shift, 0, shift, 0]) for _, shift in people]
    return Detections(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.full(len(people), score, np.float32),
        np.eye(8, dtype=np.float32)[[who for who, _ in people]],
        None if classes is None else np.array(classes),
    )


def run(tracker: JointTracker, frames: Sequence[Detections]) -> list[list[int]]:
    return [tracker.update(frame).ids.tolist() for frame in frames]


def random_frames(seed: int, count: int, people: int = 6) -> list[Detections]:
    """Wandering people with noisy embeddings, drop-outs and false alarms."""
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(people, 16))
    places, speeds = rng.uniform(0, 800, (people, 2)), rng.normal(0, 4, (people, 2))
    frames = []
    for _ in range(count):
        places = places + speeds
        seen = np.flatnonzero(rng.random(people) < 0.85)
        corners = np.concatenate([places[seen], rng.uniform(0, 800, (1, 2))]) + rng.normal(0, 1, (len(seen) + 1, 2))
        embeddings = np.concatenate([looks[seen] + rng.normal(0, 0.2, (len(seen), 16)), rng.normal(size=(1, 16))])
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

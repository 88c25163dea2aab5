"""Long-run test of the tracker: bounded memory and correct identities over many frames.

People visit lanes that are far apart. In even lanes the same person returns each time, in odd lanes a new one. A person
who is away for less than the buffer is recovered from a lost track, others only from the gallery.
"""

import gc
import pickle
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fairmot.structures.detections import Detections
from fairmot.structures.tracks import Tracks
from fairmot.tracking.options import GalleryOptions, SecondAssociation, TrackerOptions
from fairmot.tracking.tracker import JointTracker
from fairmot.utils.seed import make_rng

STATUS = Path("/proc/self/status")
LANES, STAY, DIMENSIONS = 6, 40, 64
HALF = np.array([20.0, 50.0])  # of a box, px
AWAY = (10, 45, 60, 60, 75, 50)  # frames, by lane
BUFFER, GALLERY_AGE = 30, 100  # frames
PLAIN = TrackerOptions(max_lost=BUFFER)
FULL = TrackerOptions(
    max_lost=BUFFER,
    second=SecondAssociation(),
    ocr_threshold=0.7,
    gallery=GalleryOptions(max_age=GALLERY_AGE, threshold=0.25),
)
MAX_TRACKS = 2 * LANES + 2  # all lanes, lost tracks of earlier visits, false alarms of two frames
MAX_TRACED, MAX_RESIDENT = 64 * 1024, 8 * 2**20  # bytes of growth


class LabelledFrame(NamedTuple):
    """N detections of a frame, (N,) their lanes or -1 for false alarms, (N,) the numbers of the visits."""

    detections: Detections
    lanes: np.ndarray
    visits: np.ndarray


def render(seed: int, *, low_scores: float) -> Iterator[LabelledFrame]:
    """Yield frames without end; `low_scores` is the fraction of detections of a low score."""
    rng = make_rng(seed)
    lanes, stay = np.arange(LANES), np.full(LANES, STAY)
    periods = stay + np.array(AWAY)
    vectors = units(rng.normal(size=(LANES, DIMENSIONS)))
    frame = 0
    while True:
        visits, since = np.divmod(frame + 7 * lanes, periods)
        newcomers = (since == 0) & (lanes % 2 == 1)
        vectors[newcomers] = units(rng.normal(size=(int(newcomers.sum()), DIMENSIONS)))
        present = np.flatnonzero(since < stay)
        centres = np.array([200.0, 300.0]) + np.outer(present, [300, 0]) + rng.normal(size=(len(present), 2))
        embeddings = vectors[present]
        scores = np.where((rng.random(len(present)) < low_scores) & (since[present] > 1), 0.2, 0.8)
        if frame and rng.random() < 0.2:  # never twice at one position, hence no track
            centres = np.concatenate([centres, [[3000 + 100 * (frame % 40), 300]]])
            embeddings = np.concatenate([embeddings, units(rng.normal(size=(1, DIMENSIONS)))])
            scores, present = np.append(scores, 0.6), np.append(present, -1)
        boxes_xyxy = np.concatenate([centres - HALF, centres + HALF], axis=1)
        yield LabelledFrame(Detections(boxes_xyxy, scores, embeddings), present, visits[present])
        frame += 1


def units(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@dataclass
class IdentityChecker:
    """Checks the identities of tracks against the lanes and visits, with one entry per lane."""

    has_gallery: bool
    identities: dict[int, int] = field(default_factory=dict)
    visits: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: -1))
    newest: int = 0
    count: int = 0

    def check(self, frame: LabelledFrame, tracks: Tracks) -> None:
        """Raise AssertionError where a person's identity changes, or was another person's."""
        lanes, visits = frame.lanes[tracks.detection_index].tolist(), frame.visits[tracks.detection_index].tolist()
        assert len(set(lanes)) == len(lanes)
        assert -1 not in lanes, "a false alarm has become a track"
        for identity, lane, visit in zip(tracks.ids.tolist(), lanes, visits, strict=True):
            self.count += 1
            if self.is_same_person(lane, visit):
                assert identity == self.identities[lane], f"lane {lane}, visit {visit}: {self.identities[lane]} before"
            else:
                assert identity > self.newest, f"lane {lane}, visit {visit}: {identity} was another person"
            self.newest = max(self.newest, identity)
            self.identities[lane], self.visits[lane] = identity, visit

    def is_same_person(self, lane: int, visit: int) -> bool:
        """Whether a lane's person has the identity of the last match."""
        if lane not in self.identities:
            return False
        returns = lane % 2 == 0 and (self.has_gallery or AWAY[lane] < BUFFER)
        return visit == self.visits[lane] or returns


def resident_bytes() -> int:
    """Return the resident memory of the process; 0 where it is unknown."""
    gc.collect()
    if not STATUS.is_file():
        return 0
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) * 1024


def run(tracker: JointTracker, checker: IdentityChecker, frames_of: Iterator[LabelledFrame], frames: int) -> int:
    """Track and check `frames` frames; return the largest pickled size of the tracker."""
    most = 0
    for number in range(frames):
        frame = next(frames_of)
        checker.check(frame, tracker.update(frame.detections))
        assert tracker.num_tracks <= MAX_TRACKS
        if number % 100 == 0:
            most = max(most, len(pickle.dumps(tracker)))
    return most


def traced_growth(
    tracker: JointTracker, checker: IdentityChecker, frames_of: Iterator[LabelledFrame], frames: int
) -> int:
    """Track `frames` frames; return the growth of allocated bytes."""
    tracemalloc.start()
    try:
        run(tracker, checker, frames_of, 10)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run(tracker, checker, frames_of, frames)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("settled", "traced", "more"), [(300, 100, 200), pytest.param(10_000, 10_000, 80_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("options", [PLAIN, FULL], ids=["plain", "full"])
def test_memory_is_bounded_and_identities_are_correct(
    options: TrackerOptions, settled: int, traced: int, more: int
) -> None:
    tracker, checker, sights = (
        JointTracker(options),
        IdentityChecker(has_gallery=options.gallery is not None),
        render(5, low_scores=0.05),
    )
    early = run(tracker, checker, sights, settled)
    resident = resident_bytes()
    assert traced_growth(tracker, checker, sights, traced) < MAX_TRACED
    late = run(tracker, checker, sights, more)
    assert resident_bytes() - resident < MAX_RESIDENT
    assert late < 1.2 * early
    assert checker.count > (settled + traced + more) * LANES / 4


@pytest.mark.parametrize("frames", [200, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", [PLAIN, FULL], ids=["plain", "full"])
def test_many_empty_frames_free_all_state(options: TrackerOptions, frames: int) -> None:
    tracker, sights = JointTracker(options), render(6, low_scores=0)
    before = [tracker.update(next(sights).detections) for _ in range(20)][-1]
    empty = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, DIMENSIONS)))
    sizes = []
    for number in range(1, frames + 1):
        assert len(tracker.update(empty)) == 0
        if number > BUFFER + 1:
            assert tracker.num_tracks == 0
        if number > GALLERY_AGE + 1:
            sizes.append(len(pickle.dumps(tracker)))
    assert max(sizes) - min(sizes) < 64
    after = [tracker.update(next(sights).detections) for _ in range(3)][-1]
    assert len(after)
    assert after.ids.min() > before.ids.max()


class LeakingTracker(JointTracker):
    """Tracker with a memory leak: it keeps the tracks of every frame."""

    def __init__(self) -> None:
        super().__init__(PLAIN)
        self.kept: list[Tracks] = []

    def update(self, detections: Detections, **facts: Any) -> Tracks:
        tracks = super().update(detections, **facts)
        self.kept.append(tracks)
        return tracks


def test_memory_meters_detect_a_leak() -> None:
    tracker, checker, sights = LeakingTracker(), IdentityChecker(has_gallery=False), render(5, low_scores=0.05)
    early = run(tracker, checker, sights, 400)
    assert traced_growth(tracker, checker, sights, 100) > MAX_TRACED
    assert run(tracker, checker, sights, 200) > 1.2 * early


def test_identity_checker_detects_errors() -> None:
    """A tracker with too short a buffer gives new identities to returning people."""
    sights = render(5, low_scores=0.05)
    with pytest.raises(AssertionError, match="lane 0"):
        run(JointTracker(TrackerOptions(max_lost=1)), IdentityChecker(has_gallery=False), sights, 200)
    with pytest.raises(AssertionError, match="before"):
        run(JointTracker(PLAIN), IdentityChecker(has_gallery=True), render(5, low_scores=0.05), 300)

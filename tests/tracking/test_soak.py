"""A tracker that never stops: memory stays flat and identities stay right, frame after frame.

People come and go in lanes that are far apart. In even lanes the same person comes back each time, in odd lanes
somebody new. Who is away for less than the buffer comes back as a lost track, others only where faces are remembered.
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
BUFFER, REMEMBERED = 30, 100  # frames
PLAIN = TrackerOptions(max_lost=BUFFER)
FULL = TrackerOptions(
    max_lost=BUFFER,
    second=SecondAssociation(),
    ocr_threshold=0.7,
    gallery=GalleryOptions(max_age=REMEMBERED, threshold=0.25),
)
MOST_HELD = 2 * LANES + 2  # all lanes, the lost of the visits before, false alarms of two frames
MOST_TRACED, MOST_RESIDENT = 64 * 1024, 8 * 2**20  # bytes that may come on top in all


class Sight(NamedTuple):
    """A frame: N detections, (N,) the lane of each or -1 for a false alarm, (N,) the number of the visit there."""

    detections: Detections
    lanes: np.ndarray
    visits: np.ndarray


def watch(seed: int, *, shy: float) -> Iterator[Sight]:
    """Yield frames without end; `shy` is the share of detections of a low score."""
    rng = make_rng(seed)
    lanes, stay = np.arange(LANES), np.full(LANES, STAY)
    periods = stay + np.array(AWAY)
    looks = units(rng.normal(size=(LANES, DIMENSIONS)))
    frame = 0
    while True:
        visits, since = np.divmod(frame + 7 * lanes, periods)
        strangers = (since == 0) & (lanes % 2 == 1)
        looks[strangers] = units(rng.normal(size=(int(strangers.sum()), DIMENSIONS)))
        here = np.flatnonzero(since < stay)
        centres = np.array([200.0, 300.0]) + np.outer(here, [300, 0]) + rng.normal(size=(len(here), 2))
        embeddings = looks[here]
        scores = np.where((rng.random(len(here)) < shy) & (since[here] > 1), 0.2, 0.8)
        if frame and rng.random() < 0.2:  # never twice in one place, hence no track
            centres = np.concatenate([centres, [[3000 + 100 * (frame % 40), 300]]])
            embeddings = np.concatenate([embeddings, units(rng.normal(size=(1, DIMENSIONS)))])
            scores, here = np.append(scores, 0.6), np.append(here, -1)
        boxes_xyxy = np.concatenate([centres - HALF, centres + HALF], axis=1)
        yield Sight(Detections(boxes_xyxy, scores, embeddings), here, visits[here])
        frame += 1


def units(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@dataclass
class Judge:
    """Knows who each track ought to be, and remembers no more than a line a lane."""

    knows_faces: bool
    identities: dict[int, int] = field(default_factory=dict)
    visits: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: -1))
    newest: int = 0
    seen: int = 0

    def check(self, sight: Sight, tracks: Tracks) -> None:
        """Raise AssertionError where a person's identity changes, or is somebody else's."""
        lanes, visits = sight.lanes[tracks.detection_index].tolist(), sight.visits[tracks.detection_index].tolist()
        assert len(set(lanes)) == len(lanes)
        assert -1 not in lanes, "a false alarm has become a track"
        for identity, lane, visit in zip(tracks.ids.tolist(), lanes, visits, strict=True):
            self.seen += 1
            if self.stays(lane, visit):
                assert identity == self.identities[lane], f"lane {lane}, visit {visit}: {self.identities[lane]} before"
            else:
                assert identity > self.newest, f"lane {lane}, visit {visit}: {identity} was somebody else"
            self.newest = max(self.newest, identity)
            self.identities[lane], self.visits[lane] = identity, visit

    def stays(self, lane: int, visit: int) -> bool:
        """Whether a lane's person is the one of the last sight, as far as a tracker can tell."""
        if lane not in self.identities:
            return False
        comes_back = lane % 2 == 0 and (self.knows_faces or AWAY[lane] < BUFFER)
        return visit == self.visits[lane] or comes_back


def resident_bytes() -> int:
    """What the process has in memory; 0 where the system does not tell."""
    gc.collect()
    if not STATUS.is_file():
        return 0
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) * 1024


def run(tracker: JointTracker, judge: Judge, sights: Iterator[Sight], frames: int) -> int:
    """Track and judge `frames` frames; return the most bytes that the tracker took when written out."""
    most = 0
    for number in range(frames):
        sight = next(sights)
        judge.check(sight, tracker.update(sight.detections))
        assert tracker.num_tracks <= MOST_HELD
        if number % 100 == 0:
            most = max(most, len(pickle.dumps(tracker)))
    return most


def traced_growth(tracker: JointTracker, judge: Judge, sights: Iterator[Sight], frames: int) -> int:
    """Track `frames` frames; return how many bytes more are allocated after them than before."""
    tracemalloc.start()
    try:
        run(tracker, judge, sights, 10)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        run(tracker, judge, sights, frames)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("settled", "traced", "more"), [(300, 100, 200), pytest.param(10_000, 10_000, 80_000, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("options", [PLAIN, FULL], ids=["plain", "full"])
def test_memory_is_flat_and_identities_stay_right(
    options: TrackerOptions, settled: int, traced: int, more: int
) -> None:
    tracker, judge, sights = JointTracker(options), Judge(knows_faces=options.gallery is not None), watch(5, shy=0.05)
    early = run(tracker, judge, sights, settled)
    resident = resident_bytes()
    assert traced_growth(tracker, judge, sights, traced) < MOST_TRACED
    late = run(tracker, judge, sights, more)
    assert resident_bytes() - resident < MOST_RESIDENT
    assert late < 1.2 * early
    assert judge.seen > (settled + traced + more) * LANES / 4


@pytest.mark.parametrize("frames", [200, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("options", [PLAIN, FULL], ids=["plain", "full"])
def test_nobody_for_long_leaves_nothing_behind(options: TrackerOptions, frames: int) -> None:
    tracker, sights = JointTracker(options), watch(6, shy=0)
    before = [tracker.update(next(sights).detections) for _ in range(20)][-1]
    nobody = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, DIMENSIONS)))
    sizes = []
    for number in range(1, frames + 1):
        assert len(tracker.update(nobody)) == 0
        if number > BUFFER + 1:
            assert tracker.num_tracks == 0
        if number > REMEMBERED + 1:
            sizes.append(len(pickle.dumps(tracker)))
    assert max(sizes) - min(sizes) < 64
    after = [tracker.update(next(sights).detections) for _ in range(3)][-1]
    assert len(after)
    assert after.ids.min() > before.ids.max()


class Hoarder(JointTracker):
    """A tracker with a leak: it keeps what it said of every frame."""

    def __init__(self) -> None:
        super().__init__(PLAIN)
        self.said: list[Tracks] = []

    def update(self, detections: Detections, **facts: Any) -> Tracks:
        tracks = super().update(detections, **facts)
        self.said.append(tracks)
        return tracks


def test_the_meters_see_a_leak() -> None:
    tracker, judge, sights = Hoarder(), Judge(knows_faces=False), watch(5, shy=0.05)
    early = run(tracker, judge, sights, 400)
    assert traced_growth(tracker, judge, sights, 100) > MOST_TRACED
    assert run(tracker, judge, sights, 200) > 1.2 * early


def test_the_judge_sees_what_is_wrong() -> None:
    """A tracker whose buffer is too short gives new identities to people who come back, and is found out."""
    sights = watch(5, shy=0.05)
    with pytest.raises(AssertionError, match="lane 0"):
        run(JointTracker(TrackerOptions(max_lost=1)), Judge(knows_faces=False), sights, 200)
    with pytest.raises(AssertionError, match="before"):
        run(JointTracker(PLAIN), Judge(knows_faces=True), watch(5, shy=0.05), 300)

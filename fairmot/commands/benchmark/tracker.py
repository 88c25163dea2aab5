"""Tracker benchmark: speed against the reference tracker, and milliseconds per stage."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median

import numpy as np

from fairmot.commands.benchmark.reference.tracker import ReferenceTracker, ReportedTrack
from fairmot.commands.benchmark.scenes import SYNTHETIC, Scene, make_scene, read_scene
from fairmot.commands.benchmark.timing import BenchmarkRow, TimedRun, compare, time_alternately
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.structures.tracks import Tracks
from fairmot.tracking.options import TrackerOptions
from fairmot.tracking.tracker import JointTracker, Timer
from fairmot.utils.errors import InputError

OURS, REFERENCE = "ours", "reference"
TOLERANCE = 1e-3  # px: largest difference of boxes


class StageStopwatch:
    """Stopwatch that sums the seconds of each stage over many updates."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = 0.0

    def start(self) -> None:
        """Start an update."""
        self._last = time.perf_counter()

    def stop(self, stage: str) -> None:
        """Count the time since the last call for this stage."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


def benchmark_tracker(cfg: CfgNode, *, scenes: Path | None, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield one row per scene: milliseconds per frame, our stages, and mean numbers of tracks and detections.

    scenes: folder of street.npz, crowd.npz and noisy.npz, detection caches with `conf_threshold` and `track_buffer`;
        None for synthetic scenes of these names. stream300 is always synthetic.

    Raises InputError for a TRACKER key that is not the default, and for a scene that cannot be read. Raises
    AssertionError where the two trackers differ.
    """
    defaults = cfg_to_dict(load_cfg())["TRACKER"]
    changed = [key for key, value in cfg_to_dict(cfg)["TRACKER"].items() if value != defaults[key]]
    if changed:
        raise InputError(f"TRACKER.{changed[0]}: the tracker benchmark uses the default options; leave the key out")
    made = tuple(SYNTHETIC) if scenes is None else ("stream300",)
    read = [read_scene(scenes / f"{name}.npz") for name in SYNTHETIC if scenes and name not in made]
    for scene in [*read, *(make_scene(name, seed=cfg.SEED) for name in made)]:
        check_equal(scene, run_ours(scene), run_reference(scene))
        yield time_scene(scene, repeats=repeats)


def run_reference(scene: Scene) -> list[list[ReportedTrack]]:
    """Return the reference tracker's tracks of each frame."""
    tracker = ReferenceTracker(conf_threshold=scene.conf_threshold, max_lost=scene.max_lost)
    return [tracker.update(detections) for detections in scene.frames]


def run_ours(scene: Scene) -> list[Tracks]:
    """Return our tracks of each frame."""
    tracker = build_ours(scene)
    return [tracker.update(detections) for detections in scene.frames]


def build_ours(scene: Scene, timer: Timer | None = None) -> JointTracker:
    """Return our tracker with the scene's threshold and buffer."""
    options = TrackerOptions(conf_threshold=scene.conf_threshold, max_lost=scene.max_lost)
    return JointTracker(options, timer=timer)


def check_equal(scene: Scene, ours: Sequence[Tracks], reference: Sequence[Sequence[ReportedTrack]]) -> None:
    """Raise AssertionError naming the first frame where identities, their order or boxes differ."""
    for number, (tracks, reported) in enumerate(zip(ours, reference, strict=True), 1):
        identities = [track.identity for track in reported]
        if tracks.ids.tolist() != identities:
            raise AssertionError(f"{scene.name}, frame {number}: our ids {tracks.ids.tolist()}, reference {identities}")
        boxes_tlwh = np.array([track.box_tlwh for track in reported]).reshape(-1, 4)
        difference = float(np.abs(tracks.boxes_tlwh - boxes_tlwh).max(initial=0))
        if not difference <= TOLERANCE:
            raise AssertionError(f"{scene.name}, frame {number}: boxes differ by {difference:g} px")


def time_scene(scene: Scene, *, repeats: int) -> BenchmarkRow:
    """Return the row of a scene."""
    runs: dict[str, TimedRun] = {OURS: partial(run_ours, scene), REFERENCE: partial(run_reference, scene)}
    seconds = time_alternately(runs, repeats=repeats)
    frames = len(scene.frames)
    stages, held = time_stages(scene, repeats=repeats)
    extra = {f"ms_{name}": 1000 * value / frames for name, value in stages.items()}
    extra |= {"held": held, "detections": fmean(len(detections) for detections in scene.frames)}
    return compare(
        scene.name, seconds[OURS], seconds[REFERENCE], unit="ms", convert=lambda s: 1000 * s / frames, extra=extra
    )


def time_stages(scene: Scene, *, repeats: int) -> tuple[Mapping[str, float], float]:
    """Return the median seconds of each stage over a scene, and the mean number of tracks in the table."""
    rounds: list[Mapping[str, float]] = []
    held: list[int] = []
    for _ in range(repeats + 1):
        timer = StageStopwatch()
        tracker = build_ours(scene, timer.stop)
        for detections in scene.frames:
            timer.start()
            tracker.update(detections)
            held.append(tracker.num_tracks)
        rounds.append(timer.seconds)
    counted = rounds[1:]  # the first is a warm-up
    return {name: median(one.get(name, 0.0) for one in counted) for name in counted[0]}, fmean(held)

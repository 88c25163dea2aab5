"""The tracker's speed: ours beside a plain reading of the published algorithm, and milliseconds by stage."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median

import numpy as np

from fairmot.commands.benchmark.reference.tracker import PlainOptions, Reported, replay_plainly
from fairmot.commands.benchmark.scenes import MADE_UP, Scene, open_scene
from fairmot.commands.benchmark.timing import BenchmarkRow, TimedRun, compare, time_alternately
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.config.node import CfgNode
from fairmot.structures.tracks import Tracks
from fairmot.tracking.build import build_tracker
from fairmot.utils.errors import InputError

OURS, PLAIN = "ours", "plain"
TOLERANCE = 1e-3  # px: how far boxes of ours and the reference may be apart


class StageLapTimer:
    """A stopwatch that adds up the seconds of each stage of many updates."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = 0.0

    def start(self) -> None:
        """Begin an update."""
        self._last = time.perf_counter()

    def stop(self, stage: str) -> None:
        """End a stage; the next one begins."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


def benchmark_tracker(cfg: CfgNode, *, scenes: Path | None, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield a row a scene: milliseconds a frame, ours' stages, held tracks and detections a frame.

    scenes: a folder of street.npz, crowd.npz and noisy.npz, detection caches with `conf_threshold` and `track_buffer`;
        None for made-up scenes of these names. stream300 is always made up.

    Raises InputError: a TRACKER key that is not the published one, which the reference does not know, or a scene that
    cannot be read. Raises AssertionError where ours and the reference differ.
    """
    require_published(cfg)
    for scene in [open_scene(name, scenes, seed=cfg.SEED) for name in MADE_UP]:
        check_equal(scene, replay_ours(scene), replay_plainly(scene.frames, plain_options(scene)))
        yield time_scene(scene, repeats=repeats)


def require_published(cfg: CfgNode) -> None:
    """Raise InputError naming a TRACKER key that has not its default: the scenes set threshold and buffer."""
    published = cfg_to_dict(load_cfg())["TRACKER"]
    changed = [key for key, value in cfg_to_dict(cfg)["TRACKER"].items() if value != published[key]]
    if changed:
        raise InputError(f"TRACKER.{changed[0]}: the tracker's benchmark has the published options; leave the key out")


def plain_options(scene: Scene) -> PlainOptions:
    """Return the reference's options for a scene."""
    return PlainOptions(scene.conf_threshold, int(scene.frame_rate / 30 * scene.buffer))


def replay_ours(scene: Scene) -> list[Tracks]:
    """Return our tracks of each frame."""
    tracker = build_tracker(scene_cfg(scene), frame_rate=scene.frame_rate)
    return [tracker.update(detections) for detections in scene.frames]


def scene_cfg(scene: Scene) -> CfgNode:
    """Return the published configuration with the scene's threshold and buffer."""
    keys = {"TRACKER.CONF_THRESHOLD": scene.conf_threshold, "TRACKER.BUFFER": scene.buffer}
    return load_cfg(None, [str(word) for pair in keys.items() for word in pair])


def check_equal(scene: Scene, ours: Sequence[Tracks], plain: Sequence[Sequence[Reported]]) -> None:
    """Raise AssertionError naming the first frame where identities, their order or boxes differ."""
    for number, (tracks, reported) in enumerate(zip(ours, plain, strict=True), 1):
        identities = [one.identity for one in reported]
        if tracks.ids.tolist() != identities:
            raise AssertionError(f"{scene.name}, frame {number}: ours has {tracks.ids.tolist()}, plain {identities}")
        boxes_tlwh = np.array([one.box_tlwh for one in reported]).reshape(-1, 4)
        apart = float(np.abs(tracks.boxes_tlwh - boxes_tlwh).max(initial=0))
        if not apart <= TOLERANCE:
            raise AssertionError(f"{scene.name}, frame {number}: boxes are {apart:g} px apart")


def time_scene(scene: Scene, *, repeats: int) -> BenchmarkRow:
    """Return the row of a scene."""
    cfg, plain = scene_cfg(scene), plain_options(scene)

    def run_ours() -> None:
        tracker = build_tracker(cfg, frame_rate=scene.frame_rate)
        for detections in scene.frames:
            tracker.update(detections)

    runs: dict[str, TimedRun] = {OURS: run_ours, PLAIN: partial(replay_plainly, scene.frames, plain)}
    seconds = time_alternately(runs, repeats=repeats)
    frames = len(scene.frames)
    stages, held = time_stages(scene, cfg, repeats=repeats)
    return compare(
        scene.name,
        seconds[OURS],
        seconds[PLAIN],
        unit="ms",
        convert=lambda duration: 1000 * duration / frames,
        extra={f"ms_{name}": 1000 * value / frames for name, value in stages.items()}
        | {"held": held, "detections": fmean(len(detections) for detections in scene.frames)},
    )


def time_stages(scene: Scene, cfg: CfgNode, *, repeats: int) -> tuple[Mapping[str, float], float]:
    """Return the median seconds of each stage of our updates over a scene, and the mean number of held tracks."""
    rounds: list[Mapping[str, float]] = []
    held: list[int] = []
    for _ in range(repeats + 1):
        laps = StageLapTimer()
        tracker = build_tracker(cfg, frame_rate=scene.frame_rate, timer=laps)
        for detections in scene.frames:
            laps.start()
            tracker.update(detections)
            held.append(tracker.num_tracks)
        rounds.append(laps.seconds)
    counted = rounds[1:]
    return {name: median(one.get(name, 0.0) for one in counted) for name in counted[0]}, fmean(held)

"""Scenes for the tracker's benchmark: read from detection caches, or made up from a seed."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from fairmot.formats.detection_cache import read_cache
from fairmot.geometry.arrays import BoolArray, FloatArray
from fairmot.structures.detections import Detections
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng


@dataclass(frozen=True)
class Scene:
    """The detections of a sequence, and the tracker's options that go with them.

    conf_threshold: TRACKER.CONF_THRESHOLD; buffer: TRACKER.BUFFER, frames at 30 a second; frame_rate: frames a second.
    """

    name: str
    frames: tuple[Detections, ...]
    conf_threshold: float = 0.4
    buffer: int = 30
    frame_rate: float = 30.0


@dataclass(frozen=True)
class Crowd:
    """What people do in a made-up scene, and how well they are seen. They cross each other, leave, and others come.

    people: how many are in view at any time.
    view_hw: height and width of the view, px.
    heights: shortest and tallest person, px.
    speed: standard deviation of a step along each axis, in heights a frame.
    missed: share of sights that are missed one by one; hidden: share of people that start to hide in a frame, for up to
        `hides` frames.
    false_alarms: detections of nobody, a frame, on average.
    box_noise: standard deviation of each side of a box, in heights.
    look_noise: length of what is added to an embedding; look_length: numbers in it.
    """

    people: int
    view_hw: tuple[int, int] = (1080, 1920)
    heights: tuple[float, float] = (80.0, 300.0)
    speed: float = 0.01
    missed: float = 0.06
    hidden: float = 0.002
    hides: int = 45
    false_alarms: float = 1.0
    box_noise: float = 0.015
    look_noise: float = 0.5
    look_length: int = 64


@dataclass(frozen=True)
class MadeUp:
    """A made-up scene's people, length in frames, and score that a detection needs."""

    crowd: Crowd
    length: int
    conf_threshold: float = 0.4


MADE_UP = {
    "street": MadeUp(Crowd(people=14), 300),
    "crowd": MadeUp(Crowd(people=68, heights=(60.0, 220.0), hidden=0.006), 200),
    "noisy": MadeUp(Crowd(people=10, view_hw=(480, 640), missed=0.2, false_alarms=14.0, box_noise=0.04), 200, 0.3),
    "stream300": MadeUp(Crowd(people=330, view_hw=(2160, 3840), heights=(60.0, 240.0), false_alarms=10.0), 100),
}
ALWAYS_MADE_UP = ("stream300",)


def open_scene(name: str, folder: Path | None, *, seed: int) -> Scene:
    """Return the scene `name` of MADE_UP, read from `folder`/`name`.npz where a folder is given and it has such scenes.

    Raises InputError naming the file and what it lacks.
    """
    if folder is None or name in ALWAYS_MADE_UP:
        return make_scene(name, seed=seed)
    return read_scene(folder / f"{name}.npz")


def read_scene(path: Path) -> Scene:
    """Return the scene of a detection cache that has `conf_threshold` and `track_buffer` beside its arrays."""
    cache = read_cache(path)
    with np.load(path, allow_pickle=False) as file:
        try:
            threshold, buffer = float(file["conf_threshold"]), int(file["track_buffer"])
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: conf_threshold and track_buffer, one number each, are wanted: {reason}"
            ) from None
    return Scene(path.stem, tuple(cache.frames()), threshold, buffer, cache.frame_rate)


def make_scene(name: str, *, seed: int) -> Scene:
    """Return the made-up scene `name`, the same for a seed everywhere."""
    wanted = MADE_UP[name]
    number = list(MADE_UP).index(name)
    walkers = Walkers(wanted.crowd, make_rng(seed, number))
    return Scene(name, tuple(islice(walkers.watch(), wanted.length)), wanted.conf_threshold)


class Walkers:
    """The P people in view; who leaves makes room for somebody new.

    centres, steps: (P, 2) px, px a frame; heights: (P,) px; looks: (P, D) unit length; hidden: (P,) frames that each
    stays hidden. rng is drawn from as frames pass.
    """

    def __init__(self, crowd: Crowd, rng: np.random.Generator) -> None:
        self.crowd = crowd
        self.centres, self.steps = np.zeros((crowd.people, 2)), np.zeros((crowd.people, 2))
        self.heights, self.looks = np.zeros(crowd.people), np.zeros((crowd.people, crowd.look_length))
        self.hidden = np.zeros(crowd.people, dtype=np.int64)
        self._rng = rng
        self._replace(np.ones(crowd.people, dtype=np.bool_))

    def watch(self) -> Iterator[Detections]:
        """Yield what is seen of them, frame after frame, without end."""
        while True:
            yield self._look()
            self._step()

    def _step(self) -> None:
        """Let a frame pass."""
        self.centres += self.steps
        starts = self._rng.random(len(self.hidden)) < self.crowd.hidden
        self.hidden = np.maximum(self.hidden - 1, 0)
        self.hidden[starts] = self._rng.integers(1, self.crowd.hides + 1, int(starts.sum()))
        height, width = self.crowd.view_hw
        x, y = self.centres.T
        self._replace((x < 0) | (x > width) | (y < 0) | (y > height))

    def _replace(self, gone: BoolArray) -> None:
        """Put new people, anywhere in view, in the rows of those who are gone."""
        count, crowd, rng = int(gone.sum()), self.crowd, self._rng
        height, width = crowd.view_hw
        self.centres[gone] = rng.uniform((0, 0), (width, height), (count, 2))
        self.heights[gone] = rng.uniform(*crowd.heights, count)
        self.steps[gone] = crowd.speed * self.heights[gone, None] * rng.normal(size=(count, 2))
        self.looks[gone] = units(rng.normal(size=(count, crowd.look_length)))
        self.hidden[gone] = 0

    def _look(self) -> Detections:
        """Return what a detector makes of them: noise, misses, and false alarms."""
        crowd, rng = self.crowd, self._rng
        seen = (self.hidden == 0) & (rng.random(crowd.people) >= crowd.missed)
        count, alarms = int(seen.sum()), int(rng.poisson(crowd.false_alarms))
        centres = np.concatenate([self.centres[seen], rng.uniform((0, 0), crowd.view_hw[::-1], (alarms, 2))])
        heights = np.concatenate([self.heights[seen], rng.uniform(*crowd.heights, alarms)])[:, None]
        halves = heights * np.array([0.2, 0.5])
        boxes_xyxy = np.concatenate([centres - halves, centres + halves], axis=1)
        boxes_xyxy += crowd.box_noise * heights * rng.normal(size=boxes_xyxy.shape)
        noise = crowd.look_noise * units(rng.normal(size=(count, crowd.look_length)))
        looks = np.concatenate([units(self.looks[seen] + noise), units(rng.normal(size=(alarms, crowd.look_length)))])
        scores = np.concatenate([rng.normal(0.75, 0.12, count), rng.uniform(0.2, 0.75, alarms)]).clip(0.1, 0.99)
        return Detections(boxes_xyxy.astype(np.float32), scores.astype(np.float32), looks.astype(np.float32))


def units(rows: FloatArray) -> FloatArray:
    """(N, D) -> (N, D) at unit length; no row may be zero."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

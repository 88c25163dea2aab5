"""Scenes of the tracker benchmark: detection caches, or synthetic crowds from a seed."""

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
    """Detections of a sequence and the tracker options that belong to them; see `TrackerOptions`."""

    name: str
    frames: tuple[Detections, ...]
    conf_threshold: float = 0.4
    max_lost: int = 30


@dataclass(frozen=True)
class CrowdOptions:
    """Options of a synthetic scene: people who cross each other and are replaced when they leave the image.

    people: number of people at any time. length: frames. conf_threshold: of the tracker.
    image_hw: height and width of the image, px.
    heights: smallest and largest height of a person, px.
    speed: standard deviation of a step along each axis, in heights per frame.
    missed: fraction of detections that are missed at random; hidden: fraction of people that become occluded in a
        frame, for up to `max_hidden` frames.
    false_alarms: mean number of false detections per frame.
    box_noise: standard deviation of each side of a box, in heights.
    embedding_noise: norm of the noise of an embedding; embedding_dim: its dimension.
    """

    people: int
    length: int = 200
    conf_threshold: float = 0.4
    image_hw: tuple[int, int] = (1080, 1920)
    heights: tuple[float, float] = (80.0, 300.0)
    speed: float = 0.01
    missed: float = 0.06
    hidden: float = 0.002
    max_hidden: int = 45
    false_alarms: float = 1.0
    box_noise: float = 0.015
    embedding_noise: float = 0.5
    embedding_dim: int = 64


SYNTHETIC = {
    "street": CrowdOptions(people=14, length=300),
    "crowd": CrowdOptions(people=68, heights=(60.0, 220.0), hidden=0.006),
    "noisy": CrowdOptions(
        people=10, conf_threshold=0.3, image_hw=(480, 640), missed=0.2, false_alarms=14.0, box_noise=0.04
    ),
    "stream300": CrowdOptions(people=330, length=100, image_hw=(2160, 3840), heights=(60.0, 240.0), false_alarms=10.0),
}


def read_scene(path: Path) -> Scene:
    """Return the scene of a detection cache with the additional entries `conf_threshold` and `track_buffer`.

    track_buffer: frames at 30 fps, as TRACKER.BUFFER. Raises InputError naming the file and the missing entry.
    """
    cache = read_cache(path)
    with np.load(path, allow_pickle=False) as file:
        try:
            threshold, buffer = float(file["conf_threshold"]), int(file["track_buffer"])
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: expected one number each in conf_threshold and track_buffer: {reason}") from None
    return Scene(path.stem, tuple(cache.frames()), threshold, max_lost=int(cache.frame_rate / 30 * buffer))


def make_scene(name: str, *, seed: int) -> Scene:
    """Return the synthetic scene `name`, reproducible from the seed."""
    options = SYNTHETIC[name]
    crowd = Crowd(options, make_rng(seed, list(SYNTHETIC).index(name)))
    return Scene(name, tuple(islice(crowd.frames(), options.length)), options.conf_threshold)


class Crowd:
    """P people in the image.

    centres, velocities: (P, 2) px, px per frame; heights: (P,) px; embeddings: (P, D) unit length; hidden: (P,) frames
    of occlusion left. Random numbers are drawn from `rng` frame by frame.
    """

    def __init__(self, options: CrowdOptions, rng: np.random.Generator) -> None:
        self.options = options
        self.centres, self.velocities = np.zeros((options.people, 2)), np.zeros((options.people, 2))
        self.heights, self.embeddings = np.zeros(options.people), np.zeros((options.people, options.embedding_dim))
        self.hidden = np.zeros(options.people, dtype=np.int64)
        self._rng = rng
        self._replace(np.ones(options.people, dtype=np.bool_))

    def frames(self) -> Iterator[Detections]:
        """Yield the detections of each frame, without end."""
        while True:
            yield self._detect()
            self._step()

    def _step(self) -> None:
        """Advance by one frame."""
        self.centres += self.velocities
        starts = self._rng.random(len(self.hidden)) < self.options.hidden
        self.hidden = np.maximum(self.hidden - 1, 0)
        self.hidden[starts] = self._rng.integers(1, self.options.max_hidden + 1, int(starts.sum()))
        height, width = self.options.image_hw
        x, y = self.centres.T
        self._replace((x < 0) | (x > width) | (y < 0) | (y > height))

    def _replace(self, left: BoolArray) -> None:
        """Replace the people of the mask `left` by new ones at random positions."""
        count, options, rng = int(left.sum()), self.options, self._rng
        height, width = options.image_hw
        self.centres[left] = rng.uniform((0, 0), (width, height), (count, 2))
        self.heights[left] = rng.uniform(*options.heights, count)
        self.velocities[left] = options.speed * self.heights[left, None] * rng.normal(size=(count, 2))
        self.embeddings[left] = normalise_rows(rng.normal(size=(count, options.embedding_dim)))
        self.hidden[left] = 0

    def _detect(self) -> Detections:
        """Return noisy detections with misses and false alarms."""
        options, rng = self.options, self._rng
        found = (self.hidden == 0) & (rng.random(options.people) >= options.missed)
        count, alarms = int(found.sum()), int(rng.poisson(options.false_alarms))
        centres = np.concatenate([self.centres[found], rng.uniform((0, 0), options.image_hw[::-1], (alarms, 2))])
        heights = np.concatenate([self.heights[found], rng.uniform(*options.heights, alarms)])[:, None]
        halves = heights * np.array([0.2, 0.5])
        boxes_xyxy = np.concatenate([centres - halves, centres + halves], axis=1)
        boxes_xyxy += options.box_noise * heights * rng.normal(size=boxes_xyxy.shape)
        noise = options.embedding_noise * normalise_rows(rng.normal(size=(count, options.embedding_dim)))
        of_alarms = normalise_rows(rng.normal(size=(alarms, options.embedding_dim)))
        embeddings = np.concatenate([normalise_rows(self.embeddings[found] + noise), of_alarms])
        scores = np.concatenate([rng.normal(0.75, 0.12, count), rng.uniform(0.2, 0.75, alarms)]).clip(0.1, 0.99)
        return Detections(boxes_xyxy.astype(np.float32), scores.astype(np.float32), embeddings.astype(np.float32))


def normalise_rows(rows: FloatArray) -> FloatArray:
    """(N, D) -> (N, D) of unit length; no row may be zero."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

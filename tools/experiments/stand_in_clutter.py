"""Detections of nobody: places in the background that last some frames, second boxes of people, specks.

Legend: N true boxes, M false ones, F frames, K places, D dimensions.
"""

from dataclasses import dataclass

import numpy as np
from stand_in_looks import LooksOptions, draw_looks, vary
from stand_in_noise import drifting, in_runs, kept_share, sigmoid
from stand_in_scene import Scene

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import areas, cxcywh_to_xyxy, intersection_areas, xyxy_to_cxcywh


@dataclass(frozen=True)
class ClutterOptions:
    """Numbers of the stand-in for false detections; scores are made as logits.

    places: places in the background for each object that is there at a time. seen, gone: mean seconds that one is
        taken for a person, and that it is not. place, place_spread, place_moment: mean logit, its standard deviation
        between places, and over time. hidden: share of a place that one true box may cover before it is not seen.
    doubles: second boxes a second for each true box in sight. double_seconds: their mean length. double: what they have
        less of the logit than the first one. double_shift: how far off they are, in sides of the box.
    specks: false detections of single frames for each object that is there at a time. speck, speck_spread: the mean of
        their logits, and its standard deviation.
    """

    places: float = 0.7
    seen: float = 0.6
    gone: float = 2.5
    place: float = -0.35
    place_spread: float = 0.7
    place_moment: float = 0.5
    hidden: float = 0.3
    doubles: float = 0.12
    double_seconds: float = 0.2
    double: float = 1.0
    double_shift: float = 0.25
    specks: float = 0.03
    speck: float = -1.5
    speck_spread: float = 0.6


@dataclass(frozen=True)
class Spots:
    """M detections: frames (M,) from 0, boxes_xyxy (M, 4) pixels, scores (M,), embeddings (M, D) unit."""

    frames: IntArray
    boxes_xyxy: FloatArray
    scores: FloatArray
    embeddings: FloatArray


def find_places(scene: Scene, options: ClutterOptions, looks: LooksOptions, rng: np.random.Generator) -> Spots:
    """Return what is seen at places of the image that hold nobody; each has a look, a size and times of its own."""
    count = round(options.places * len(scene) / max(scene.length, 1))
    if not count:
        return _nothing(looks.dims)
    boxes_K4 = _place_boxes(scene, count, rng)
    leave = min(1.0, 1 / (options.seen * scene.frame_rate))
    onset_FK = np.full((scene.length, count), min(1.0, 1 / (options.gone * scene.frame_rate)))
    frames, places = np.nonzero(in_runs(rng, onset_FK, leave=leave) & ~_is_covered(scene, boxes_K4, options.hidden))
    keep = kept_share(0.4, frame_rate=scene.frame_rate)
    logits_FK = options.place + options.place_spread * rng.standard_normal(count)
    logits_FK = logits_FK + options.place_moment * drifting(rng, (scene.length, count), keep=keep)
    wobble_FK4 = drifting(rng, (scene.length, count, 4), keep=keep)
    embeddings = vary(draw_looks(count, looks, rng)[places], looks.noise, rng)
    boxes = _moved(boxes_K4[places], 0.04 * wobble_FK4[frames, places])
    return Spots(frames, boxes, sigmoid(logits_FK[frames, places]), embeddings)


def find_doubles(scene: Scene, people: Spots, options: ClutterOptions, rng: np.random.Generator) -> Spots:
    """Return second boxes of true objects, beside the first and with a lower score; `people` are the first ones."""
    onset = min(1.0, options.doubles / scene.frame_rate)
    leave = min(1.0, 1 / (options.double_seconds * scene.frame_rate))
    shape = (scene.length, scene.count)
    doubled_FP = in_runs(rng, np.full(shape, onset), leave=leave)
    keep = kept_share(options.double_seconds, frame_rate=scene.frame_rate)
    shifts_FP4 = options.double_shift * drifting(rng, (*shape, 4), keep=keep)
    rows = np.flatnonzero(doubled_FP[scene.frames, scene.objects])
    frames, objects = scene.frames[rows], scene.objects[rows]
    scores = people.scores[rows]
    logits = np.log(scores / (1 - scores)) - options.double
    boxes = _moved(people.boxes_xyxy[rows], shifts_FP4[frames, objects])
    return Spots(frames, boxes, sigmoid(logits), vary(people.embeddings[rows], 0.4, rng))


def find_specks(scene: Scene, options: ClutterOptions, looks: LooksOptions, rng: np.random.Generator) -> Spots:
    """Return false detections of single frames, anywhere, mostly weak."""
    mean = options.specks * len(scene) / max(scene.length, 1)
    frames = np.repeat(np.arange(scene.length), rng.poisson(mean, scene.length))
    if not len(scene) or not len(frames):
        return _nothing(looks.dims)
    logits = options.speck + options.speck_spread * rng.standard_normal(len(frames))
    return Spots(frames, _place_boxes(scene, len(frames), rng), sigmoid(logits), draw_looks(len(frames), looks, rng))


def _place_boxes(scene: Scene, count: int, rng: np.random.Generator) -> FloatArray:
    """Boxes as tall, and as far down the image, as true ones are, anywhere from left to right."""
    boxes = scene.boxes_xyxy[rng.integers(len(scene), size=count)].copy()
    width = scene.image_hw[1] or float(scene.boxes_xyxy[:, 2].max())
    shifts = rng.uniform(0, width, count) - boxes[:, [0, 2]].mean(axis=1)
    boxes[:, [0, 2]] += shifts[:, None]
    return _moved(boxes, 0.15 * rng.standard_normal((count, 4)))


def _is_covered(scene: Scene, boxes_K4: FloatArray, limit: float) -> BoolArray:
    """(F, K) whether a true box covers more than `limit` of a place."""
    covered = np.zeros((scene.length, len(boxes_K4)), dtype=np.bool_)
    shares_KN = intersection_areas(boxes_K4, scene.boxes_xyxy) / np.maximum(areas(boxes_K4)[:, None], 1e-9)
    places, rows = np.nonzero(shares_KN > limit)
    covered[scene.frames[rows], places] = True
    return covered


def _moved(boxes_xyxy: FloatArray, shifts_M4: FloatArray) -> FloatArray:
    """Boxes shifted by shares of their sides, and scaled by the exponentials of half of these."""
    boxes = xyxy_to_cxcywh(boxes_xyxy)
    boxes[:, :2] += shifts_M4[:, :2] * boxes[:, 2:]
    boxes[:, 2:] *= np.exp(0.5 * shifts_M4[:, 2:])
    return cxcywh_to_xyxy(boxes)


def _nothing(dims: int) -> Spots:
    return Spots(np.zeros(0, dtype=np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros((0, dims)))

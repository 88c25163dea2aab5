"""False positives of the simulated detector: static ones, duplicates, and those of single frames.

Legend: N ground-truth boxes, M false positives, F frames, K positions, D dimensions.
"""

from dataclasses import dataclass

import numpy as np
from stand_in_embeddings import AppearanceNoise, perturb, sample_appearances
from stand_in_noise import autocorrelated_noise, decay_per_frame, sample_markov_states, sigmoid
from stand_in_scene import Scene

from fairmot.geometry.arrays import BoolArray, FloatArray, IntArray
from fairmot.geometry.boxes import areas, cxcywh_to_xyxy, intersection_areas, xyxy_to_cxcywh


@dataclass(frozen=True)
class ClutterOptions:
    """Parameters of the false positives; scores are generated as logits.

    static: positions in the background per object in a frame. static_on, static_off: mean seconds for which a position
        is detected, and is not. static_logit, static_spread, static_noise: mean logit, its standard deviation
        between positions, and over time. max_cover: largest fraction of a position that one ground-truth box may cover.
    duplicates: rate (1/s) per ground-truth box. duplicate_seconds: mean duration. duplicate_loss: logit below that of
        the first box. duplicate_shift: standard deviation of the offset, relative to the box size.
    single: false positives of single frames per object in a frame. single_logit, single_spread: mean and standard
        deviation of their logits.
    """

    static: float = 0.7
    static_on: float = 0.6
    static_off: float = 2.5
    static_logit: float = -0.35
    static_spread: float = 0.7
    static_noise: float = 0.5
    max_cover: float = 0.3
    duplicates: float = 0.12
    duplicate_seconds: float = 0.2
    duplicate_loss: float = 1.0
    duplicate_shift: float = 0.25
    single: float = 0.03
    single_logit: float = -1.5
    single_spread: float = 0.6


@dataclass(frozen=True)
class SimulatedBoxes:
    """M detections: frames (M,) from 0, boxes_xyxy (M, 4) pixels, scores (M,), embeddings (M, D) unit."""

    frames: IntArray
    boxes_xyxy: FloatArray
    scores: FloatArray
    embeddings: FloatArray


def static_false_positives(
    scene: Scene, options: ClutterOptions, embedding: AppearanceNoise, rng: np.random.Generator
) -> SimulatedBoxes:
    """Return intermittent false positives at fixed image positions, each with its own size and appearance."""
    count = round(options.static * len(scene) / max(scene.length, 1))
    if not count:
        return _empty(embedding.dims)
    boxes_K4 = _sample_boxes(scene, count, rng)
    offset = min(1.0, 1 / (options.static_on * scene.frame_rate))
    onset_FK = np.full((scene.length, count), min(1.0, 1 / (options.static_off * scene.frame_rate)))
    active_FK = sample_markov_states(rng, onset_FK, offset=offset) & ~_is_covered(scene, boxes_K4, options.max_cover)
    frames, positions = np.nonzero(active_FK)
    correlation = decay_per_frame(0.4, frame_rate=scene.frame_rate)
    logits_K = options.static_logit + options.static_spread * rng.standard_normal(count)
    noise_FK = autocorrelated_noise(rng, (scene.length, count), correlation=correlation)
    logits_FK = logits_K + options.static_noise * noise_FK
    jitter_FK4 = autocorrelated_noise(rng, (scene.length, count, 4), correlation=correlation)
    embeddings = perturb(sample_appearances(count, embedding, rng)[positions], embedding.noise, rng)
    boxes = _jitter(boxes_K4[positions], 0.04 * jitter_FK4[frames, positions])
    return SimulatedBoxes(frames, boxes, sigmoid(logits_FK[frames, positions]), embeddings)


def duplicate_detections(
    scene: Scene, people: SimulatedBoxes, options: ClutterOptions, rng: np.random.Generator
) -> SimulatedBoxes:
    """Return duplicates of `people`, the detections of the ground-truth boxes: shifted, with lower scores."""
    onset = min(1.0, options.duplicates / scene.frame_rate)
    offset = min(1.0, 1 / (options.duplicate_seconds * scene.frame_rate))
    shape = (scene.length, scene.count)
    active_FP = sample_markov_states(rng, np.full(shape, onset), offset=offset)
    correlation = decay_per_frame(options.duplicate_seconds, frame_rate=scene.frame_rate)
    shifts_FP4 = options.duplicate_shift * autocorrelated_noise(rng, (*shape, 4), correlation=correlation)
    rows = np.flatnonzero(active_FP[scene.frames, scene.objects])
    frames, objects = scene.frames[rows], scene.objects[rows]
    scores = people.scores[rows]
    logits = np.log(scores / (1 - scores)) - options.duplicate_loss
    boxes = _jitter(people.boxes_xyxy[rows], shifts_FP4[frames, objects])
    return SimulatedBoxes(frames, boxes, sigmoid(logits), perturb(people.embeddings[rows], 0.4, rng))


def single_frame_false_positives(
    scene: Scene, options: ClutterOptions, embedding: AppearanceNoise, rng: np.random.Generator
) -> SimulatedBoxes:
    """Return false positives of single frames at random positions, mostly of low score."""
    mean = options.single * len(scene) / max(scene.length, 1)
    frames = np.repeat(np.arange(scene.length), rng.poisson(mean, scene.length))
    if not len(scene) or not len(frames):
        return _empty(embedding.dims)
    scores = sigmoid(options.single_logit + options.single_spread * rng.standard_normal(len(frames)))
    boxes = _sample_boxes(scene, len(frames), rng)
    return SimulatedBoxes(frames, boxes, scores, sample_appearances(len(frames), embedding, rng))


def _sample_boxes(scene: Scene, count: int, rng: np.random.Generator) -> FloatArray:
    """Boxes with the heights and vertical positions of ground-truth boxes, at uniform horizontal positions."""
    boxes = scene.boxes_xyxy[rng.integers(len(scene), size=count)].copy()
    width = scene.image_hw[1] or float(scene.boxes_xyxy[:, 2].max())
    shifts = rng.uniform(0, width, count) - boxes[:, [0, 2]].mean(axis=1)
    boxes[:, [0, 2]] += shifts[:, None]
    return _jitter(boxes, 0.15 * rng.standard_normal((count, 4)))


def _is_covered(scene: Scene, boxes_K4: FloatArray, limit: float) -> BoolArray:
    """(F, K) whether one ground-truth box covers more than the fraction `limit` of a position."""
    covered = np.zeros((scene.length, len(boxes_K4)), dtype=np.bool_)
    fractions_KN = intersection_areas(boxes_K4, scene.boxes_xyxy) / np.maximum(areas(boxes_K4)[:, None], 1e-9)
    positions, rows = np.nonzero(fractions_KN > limit)
    covered[scene.frames[rows], positions] = True
    return covered


def _jitter(boxes_xyxy: FloatArray, shifts_M4: FloatArray) -> FloatArray:
    """Boxes shifted by fractions of their size, and scaled by exp(shift / 2)."""
    boxes = xyxy_to_cxcywh(boxes_xyxy)
    boxes[:, :2] += shifts_M4[:, :2] * boxes[:, 2:]
    boxes[:, 2:] *= np.exp(0.5 * shifts_M4[:, 2:])
    return cxcywh_to_xyxy(boxes)


def _empty(dims: int) -> SimulatedBoxes:
    return SimulatedBoxes(np.zeros(0, dtype=np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros((0, dims)))

"""Boxes and scores that a detector would give true objects.

Misses come in runs, jitter has a memory, and scores tell how much is seen.

Legend: N true boxes, F frames, P objects.
"""

from dataclasses import dataclass

import numpy as np
from stand_in_noise import drifting, in_runs, kept_share, sigmoid
from stand_in_scene import Scene

from fairmot.geometry.arrays import FloatArray
from fairmot.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


@dataclass(frozen=True)
class PeopleOptions:
    """Numbers of the stand-in for true objects; scores are made as logits.

    clear: logit of a whole person; hidden, power: what is taken from it is hidden * (1 - visibility) ** power.
    small, small_height: taken from objects lower than this share of the image's height, in proportion.
    person, moment, frame: standard deviations of logits between objects, over `memory` seconds, of single frames.
    onset, onset_hidden: dropouts a second of a whole person, and added for a hidden one; their mean length in seconds,
        and the mean and standard deviation of what one takes from the logit.
    shift, scale: standard deviations of a box's centre (in heights) and of the logarithms of its sides, at full
        visibility; they grow by `loose` times the hidden share.
    frame_share: share of the jitter's variance that has no memory.
    """

    clear: float = 2.1
    hidden: float = 3.2
    power: float = 1.5
    small: float = 0.4
    small_height: float = 0.12
    person: float = 0.35
    moment: float = 0.45
    frame: float = 0.2
    memory: float = 0.4
    onset: float = 0.12
    onset_hidden: float = 1.2
    dropout_seconds: float = 0.3
    depth: float = 2.6
    depth_spread: float = 0.9
    shift: float = 0.016
    scale: float = 0.045
    loose: float = 2.0
    frame_share: float = 0.2


def score_people(scene: Scene, options: PeopleOptions, rng: np.random.Generator) -> FloatArray:
    """Return (N,) scores in (0, 1)."""
    shape = (scene.length, scene.count)
    keep = kept_share(options.memory, frame_rate=scene.frame_rate)
    noise_FP = options.person * rng.standard_normal(scene.count) + options.moment * drifting(rng, shape, keep=keep)
    noise_FP += options.frame * rng.standard_normal(shape) - _dropouts(scene, options, rng)
    hidden = options.hidden * (1 - scene.visibilities) ** options.power
    return sigmoid(options.clear - hidden - _smallness(scene, options) + noise_FP[scene.frames, scene.objects])


def _smallness(scene: Scene, options: PeopleOptions) -> FloatArray:
    """(N,) what low objects lose of their logit."""
    limit = options.small_height * max(scene.image_hw[0], 1)
    return np.asarray(options.small * np.clip(1 - scene.sides[1] / limit, 0, 1))


def _dropouts(scene: Scene, options: PeopleOptions, rng: np.random.Generator) -> FloatArray:
    """(F, P) what dropouts take from logits, 0 outside of them; one amount for each run."""
    hidden_FP = 1 - scene.spread(scene.visibilities, fill=1.0)
    onset_FP = (options.onset + options.onset_hidden * hidden_FP**2) / scene.frame_rate
    leave = min(1.0, 1 / (options.dropout_seconds * scene.frame_rate))
    missed_FP = in_runs(rng, np.clip(onset_FP, 0, 1), leave=leave)
    depths_FP = np.maximum(options.depth + options.depth_spread * rng.standard_normal(missed_FP.shape), 0)
    for frame in range(1, scene.length):
        depths_FP[frame] = np.where(missed_FP[frame - 1], depths_FP[frame - 1], depths_FP[frame])
    return np.asarray(np.where(missed_FP, depths_FP, 0.0))


def jitter_boxes(scene: Scene, options: PeopleOptions, rng: np.random.Generator) -> FloatArray:
    """Return (N, 4) xyxy boxes beside the true ones, further off where less is seen."""
    shape = (scene.length, scene.count, 4)
    keep = kept_share(options.memory, frame_rate=scene.frame_rate)
    fresh = options.frame_share
    noise_FP4 = np.sqrt(1 - fresh) * drifting(rng, shape, keep=keep) + np.sqrt(fresh) * rng.standard_normal(shape)
    noise_N4 = noise_FP4[scene.frames, scene.objects] * (1 + options.loose * (1 - scene.visibilities))[:, None]
    boxes = xyxy_to_cxcywh(scene.boxes_xyxy)
    boxes[:, :2] += options.shift * scene.sides[1][:, None] * noise_N4[:, :2]
    boxes[:, 2:] *= np.exp(options.scale * noise_N4[:, 2:])
    return cxcywh_to_xyxy(boxes)

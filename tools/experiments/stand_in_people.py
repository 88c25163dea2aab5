"""Boxes and scores of the simulated detector: scores by visibility, missed detections, autocorrelated box jitter.

Legend: N ground-truth boxes, F frames, P objects.
"""

from dataclasses import dataclass

import numpy as np
from stand_in_noise import autocorrelated_noise, decay_per_frame, sample_markov_states, sigmoid
from stand_in_scene import Scene

from fairmot.geometry.arrays import FloatArray
from fairmot.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


@dataclass(frozen=True)
class TruePositiveOptions:
    """Parameters of the detections of ground-truth objects; scores are generated as logits.

    clear: logit at full visibility; occlusion reduces it by hidden * (1 - visibility) ** power.
    small, small_height: largest reduction for small objects, below this fraction of the image height.
    person, moment, frame: standard deviations of logits between objects, over time (decay time `memory`, in seconds),
        and between frames.
    onset, onset_hidden: dropout rate (1/s) at full visibility, and its increase at full occlusion.
    dropout_seconds: mean duration. depth, depth_spread: mean and standard deviation of a dropout's logit reduction.
    shift, scale: standard deviations of a box centre (in heights) and of the log sizes, at full visibility; they grow
        by `loose` times the occluded fraction.
    fresh: fraction of the jitter's variance that is uncorrelated over time.
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
    fresh: float = 0.2


def score_people(scene: Scene, options: TruePositiveOptions, rng: np.random.Generator) -> FloatArray:
    """Return (N,) scores in (0, 1)."""
    shape = (scene.length, scene.count)
    correlation = decay_per_frame(options.memory, frame_rate=scene.frame_rate)
    noise_FP = options.person * rng.standard_normal(scene.count)
    noise_FP = noise_FP + options.moment * autocorrelated_noise(rng, shape, correlation=correlation)
    noise_FP += options.frame * rng.standard_normal(shape) - _dropouts(scene, options, rng)
    hidden = options.hidden * (1 - scene.visibilities) ** options.power
    return sigmoid(options.clear - hidden - _smallness(scene, options) + noise_FP[scene.frames, scene.objects])


def _smallness(scene: Scene, options: TruePositiveOptions) -> FloatArray:
    """(N,) logit reduction of small objects."""
    limit = options.small_height * max(scene.image_hw[0], 1)
    return np.asarray(options.small * np.clip(1 - scene.sides[1] / limit, 0, 1))


def _dropouts(scene: Scene, options: TruePositiveOptions, rng: np.random.Generator) -> FloatArray:
    """(F, P) logit reduction by dropouts, constant within each; 0 elsewhere."""
    hidden_FP = 1 - scene.spread(scene.visibilities, fill=1.0)
    onset_FP = (options.onset + options.onset_hidden * hidden_FP**2) / scene.frame_rate
    offset = min(1.0, 1 / (options.dropout_seconds * scene.frame_rate))
    missed_FP = sample_markov_states(rng, np.clip(onset_FP, 0, 1), offset=offset)
    depths_FP = np.maximum(options.depth + options.depth_spread * rng.standard_normal(missed_FP.shape), 0)
    for frame in range(1, scene.length):
        depths_FP[frame] = np.where(missed_FP[frame - 1], depths_FP[frame - 1], depths_FP[frame])
    return np.asarray(np.where(missed_FP, depths_FP, 0.0))


def jitter_boxes(scene: Scene, options: TruePositiveOptions, rng: np.random.Generator) -> FloatArray:
    """Return (N, 4) xyxy boxes with noise that grows with occlusion."""
    shape = (scene.length, scene.count, 4)
    correlation = decay_per_frame(options.memory, frame_rate=scene.frame_rate)
    noise_FP4 = np.sqrt(1 - options.fresh) * autocorrelated_noise(rng, shape, correlation=correlation)
    noise_FP4 += np.sqrt(options.fresh) * rng.standard_normal(shape)
    noise_N4 = noise_FP4[scene.frames, scene.objects] * (1 + options.loose * (1 - scene.visibilities))[:, None]
    boxes = xyxy_to_cxcywh(scene.boxes_xyxy)
    boxes[:, :2] += options.shift * scene.sides[1][:, None] * noise_N4[:, :2]
    boxes[:, 2:] *= np.exp(options.scale * noise_N4[:, 2:])
    return cxcywh_to_xyxy(boxes)

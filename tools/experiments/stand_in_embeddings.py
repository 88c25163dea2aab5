"""Embeddings of the simulated detector: noise, occlusion mixing, slow drift, and groups of similar appearance.

Legend: N ground-truth boxes, F frames, P objects, D dimensions.
"""

from dataclasses import dataclass

import numpy as np
from stand_in_noise import autocorrelated_noise, decay_per_frame
from stand_in_scene import Scene

from fairmot.geometry.arrays import FloatArray


@dataclass(frozen=True)
class AppearanceNoise:
    """Parameters of the embeddings. Noise and drift are relative to the unit length of an appearance vector.

    dims: D. common: mean cosine similarity of two persons. alike: persons in a group of similar clothes; 1 = no groups.
    alike_fraction: fraction of persons in such groups. alike_similarity: cosine similarity within a group.
    noise, noise_hidden: length of the noise at full visibility, and its increase at full occlusion.
    memory: decay time (s) of the noise. fresh: fraction of its variance that is uncorrelated over time.
    drift, drift_seconds: length of the slow drift, and its decay time (s).
    mixing: weight of the occluder in the embedding of a fully occluded box.
    """

    dims: int = 64
    common: float = 0.2
    alike: int = 2
    alike_fraction: float = 0.25
    alike_similarity: float = 0.8
    noise: float = 0.5
    noise_hidden: float = 0.7
    memory: float = 0.3
    fresh: float = 0.4
    drift: float = 0.45
    drift_seconds: float = 4.0
    mixing: float = 0.7


def sample_appearances(count: int, options: AppearanceNoise, rng: np.random.Generator) -> FloatArray:
    """Return (count, D) unit vectors with one component common to all and one common to each group."""
    dims = options.dims
    own = _unit(rng.standard_normal((count, dims)))
    order = rng.permutation(count)[: round(count * options.alike_fraction)] if options.alike > 1 else np.zeros(0, int)
    within = max(0.0, (options.alike_similarity - options.common) / max(1 - options.common, 1e-9))
    for start in range(0, len(order), max(options.alike, 1)):
        group = order[start : start + options.alike]
        group_mean = _unit(rng.standard_normal((1, dims)))
        own[group] = np.sqrt(within) * group_mean + np.sqrt(1 - within) * own[group]
    mean = _unit(rng.standard_normal((1, dims)))
    return _unit(np.sqrt(options.common) * mean + np.sqrt(1 - options.common) * own)


def simulate_embeddings(scene: Scene, options: AppearanceNoise, rng: np.random.Generator) -> FloatArray:
    """Return (N, D) unit embeddings of the ground-truth boxes."""
    appearances_PD = sample_appearances(scene.count + 1, options, rng)  # the last: occluders that are no object
    shape = (scene.length, scene.count + 1, options.dims)
    size = 1 / np.sqrt(options.dims)
    slow = decay_per_frame(options.drift_seconds, frame_rate=scene.frame_rate)
    appearances_FPD = appearances_PD + options.drift * size * autocorrelated_noise(rng, shape, correlation=slow)
    hidden_N1 = (1 - scene.visibilities)[:, None]
    mixed_N1 = options.mixing * hidden_N1
    own_ND = appearances_FPD[scene.frames, scene.objects]
    occluder_ND = appearances_FPD[scene.frames, scene.occluders]
    lengths_N1 = options.noise + options.noise_hidden * hidden_N1
    noise_ND = _noise(scene, options, rng)
    return _unit((1 - mixed_N1) * own_ND + mixed_N1 * occluder_ND + lengths_N1 * size * noise_ND)


def _noise(scene: Scene, options: AppearanceNoise, rng: np.random.Generator) -> FloatArray:
    """(N, D) noise of variance 1, partly autocorrelated."""
    shape = (scene.length, scene.count, options.dims)
    correlation = decay_per_frame(options.memory, frame_rate=scene.frame_rate)
    noise_FPD = np.sqrt(1 - options.fresh) * autocorrelated_noise(rng, shape, correlation=correlation)
    noise_FPD += np.sqrt(options.fresh) * rng.standard_normal(shape)
    return np.asarray(noise_FPD[scene.frames, scene.objects])


def perturb(embeddings_ND: FloatArray, length: float, rng: np.random.Generator) -> FloatArray:
    """Return (N, D) unit vectors: the embeddings plus Gaussian noise of this expected length."""
    return _unit(embeddings_ND + length / np.sqrt(embeddings_ND.shape[1]) * rng.standard_normal(embeddings_ND.shape))


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))

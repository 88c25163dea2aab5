"""Embeddings as a trained network would give them: like one another, noisy, mixed with what stands in front, drifting.

Legend: N true boxes, F frames, P objects, D dimensions.
"""

from dataclasses import dataclass

import numpy as np
from stand_in_noise import drifting, kept_share
from stand_in_scene import Scene

from fairmot.geometry.arrays import FloatArray


@dataclass(frozen=True)
class LooksOptions:
    """Numbers of the stand-in for embeddings.

    dims: D. common: cosine similarity of any two people, on average. alike: how many dress alike; 1 = nobody.
    alike_share: share of the people who dress like somebody. alike_similarity: cosine similarity among those.
    noise, noise_hidden: length of the noise beside the look's 1, of a whole person, and added for a hidden one.
    memory: seconds over which noise fades. fresh: share of its variance that has no memory.
    drift, drift_seconds: length of the slow drift beside the look's 1, and the seconds over which it fades.
    mixing: how much of a hidden box's embedding is the coverer's.
    """

    dims: int = 64
    common: float = 0.2
    alike: int = 2
    alike_share: float = 0.25
    alike_similarity: float = 0.8
    noise: float = 0.5
    noise_hidden: float = 0.7
    memory: float = 0.3
    fresh: float = 0.4
    drift: float = 0.45
    drift_seconds: float = 4.0
    mixing: float = 0.7


def draw_looks(count: int, options: LooksOptions, rng: np.random.Generator) -> FloatArray:
    """Return (count, D) unit vectors: everybody shares a part, those who dress alike share more."""
    dims = options.dims
    own = _unit(rng.standard_normal((count, dims)))
    order = rng.permutation(count)[: round(count * options.alike_share)] if options.alike > 1 else np.zeros(0, int)
    within = max(0.0, (options.alike_similarity - options.common) / max(1 - options.common, 1e-9))
    for start in range(0, len(order), max(options.alike, 1)):
        group = order[start : start + options.alike]
        outfit = _unit(rng.standard_normal((1, dims)))
        own[group] = np.sqrt(within) * outfit + np.sqrt(1 - within) * own[group]
    everybody = _unit(rng.standard_normal((1, dims)))
    return _unit(np.sqrt(options.common) * everybody + np.sqrt(1 - options.common) * own)


def embed_people(scene: Scene, options: LooksOptions, rng: np.random.Generator) -> FloatArray:
    """Return (N, D) unit embeddings of the true boxes."""
    looks_PD = draw_looks(scene.count + 1, options, rng)  # the last is of things, not people
    shape = (scene.length, scene.count + 1, options.dims)
    size = 1 / np.sqrt(options.dims)
    slow = kept_share(options.drift_seconds, frame_rate=scene.frame_rate)
    looks_FPD = looks_PD + options.drift * size * drifting(rng, shape, keep=slow)
    hidden_N1 = (1 - scene.visibilities)[:, None]
    mixed_N1 = options.mixing * hidden_N1
    own_ND = looks_FPD[scene.frames, scene.objects]
    front_ND = looks_FPD[scene.frames, scene.coverers]
    lengths_N1 = options.noise + options.noise_hidden * hidden_N1
    noise_ND = _noise(scene, options, rng)
    return _unit((1 - mixed_N1) * own_ND + mixed_N1 * front_ND + lengths_N1 * size * noise_ND)


def _noise(scene: Scene, options: LooksOptions, rng: np.random.Generator) -> FloatArray:
    """(N, D) noise of variance 1, in part with a memory."""
    shape = (scene.length, scene.count, options.dims)
    keep = kept_share(options.memory, frame_rate=scene.frame_rate)
    noise_FPD = np.sqrt(1 - options.fresh) * drifting(rng, shape, keep=keep)
    noise_FPD += np.sqrt(options.fresh) * rng.standard_normal(shape)
    return np.asarray(noise_FPD[scene.frames, scene.objects])


def vary(looks_ND: FloatArray, length: float, rng: np.random.Generator) -> FloatArray:
    """Return (N, D) unit vectors beside `looks_ND`, by noise of this length."""
    return _unit(looks_ND + length / np.sqrt(looks_ND.shape[1]) * rng.standard_normal(looks_ND.shape))


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))

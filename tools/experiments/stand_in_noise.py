"""Autocorrelated random processes of the simulated detector.

Legend: F frames, P objects (or false positives).
"""

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray


def decay_per_frame(seconds: float, *, frame_rate: float) -> float:
    """Return the lag-1 autocorrelation of a process that decays as exp(-t / seconds).

    >>> round(decay_per_frame(0.5, frame_rate=2.0), 3)
    0.368
    """
    return float(np.exp(-1.0 / (seconds * frame_rate)))


def autocorrelated_noise(rng: np.random.Generator, shape: tuple[int, ...], *, correlation: float) -> FloatArray:
    """Return a stationary AR(1) process of variance 1 along the first axis (frames), with this lag-1 correlation.

    Raises ValueError for a `correlation` outside [0, 1].
    """
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation: {correlation} is not between 0 and 1")
    noise = rng.standard_normal(shape)
    innovation = np.sqrt(1 - correlation**2)
    for frame in range(1, shape[0]):
        noise[frame] = correlation * noise[frame - 1] + innovation * noise[frame]
    return noise


def sample_markov_states(rng: np.random.Generator, onset_FP: FloatArray, *, offset: float) -> BoolArray:
    """Return (F, P) states of two-state Markov chains: off to on with `onset_FP`, on to off with probability `offset`.

    The first frame has the stationary distribution of its onsets. States stay on for 1 / `offset` frames on average.
    Raises ValueError for an `offset` outside (0, 1].
    """
    if not 0 < offset <= 1:
        raise ValueError(f"offset: {offset} is not above 0 and at most 1")
    draws = rng.random(onset_FP.shape)
    on = np.zeros(onset_FP.shape, dtype=np.bool_)
    for frame, onset in enumerate(onset_FP):
        probability = np.where(on[frame - 1], 1 - offset, onset) if frame else onset / (onset + offset)
        on[frame] = draws[frame] < probability
    return on


def sigmoid(values: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-x)), element by element."""
    return np.asarray(1.0 / (1.0 + np.exp(-values)))

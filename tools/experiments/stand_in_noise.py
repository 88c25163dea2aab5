"""Randomness with a memory, for the detector stand-in: what is wrong in one frame is much the same in the next.

Legend: F frames, P people (or places).
"""

import numpy as np

from fairmot.geometry.arrays import BoolArray, FloatArray


def kept_share(seconds: float, *, frame_rate: float) -> float:
    """Return the share of a deviation that is left after one frame, when it fades as exp(-t / seconds).

    >>> round(kept_share(0.5, frame_rate=2.0), 3)
    0.368
    """
    return float(np.exp(-1.0 / (seconds * frame_rate)))


def drifting(rng: np.random.Generator, shape: tuple[int, ...], *, keep: float) -> FloatArray:
    """Return normal noise of variance 1 whose neighbours along the first axis (frames) correlate by `keep`.

    A stationary autoregressive process of order 1. Raises ValueError for a `keep` outside [0, 1].
    """
    if not 0 <= keep <= 1:
        raise ValueError(f"keep: {keep} is not between 0 and 1")
    noise = rng.standard_normal(shape)
    fresh = np.sqrt(1 - keep**2)
    for frame in range(1, shape[0]):
        noise[frame] = keep * noise[frame - 1] + fresh * noise[frame]
    return noise


def in_runs(rng: np.random.Generator, onset_FP: FloatArray, *, leave: float) -> BoolArray:
    """Return (F, P) states that switch on with probability `onset_FP` in a frame, and off with `leave`.

    The first frame's states are drawn as if their onsets had been so for long; runs last 1 / `leave` frames on average.
    Raises ValueError for a `leave` outside (0, 1].
    """
    if not 0 < leave <= 1:
        raise ValueError(f"leave: {leave} is not above 0 and at most 1")
    draws = rng.random(onset_FP.shape)
    on = np.zeros(onset_FP.shape, dtype=np.bool_)
    for frame, onset in enumerate(onset_FP):
        chance = np.where(on[frame - 1], 1 - leave, onset) if frame else onset / (onset + leave)
        on[frame] = draws[frame] < chance
    return on


def sigmoid(values: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-x)), element by element."""
    return np.asarray(1.0 / (1.0 + np.exp(-values)))

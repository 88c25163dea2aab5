"""Seeded random generators: each random draw takes one whose seed is all that the draw depends on."""

import numpy as np


def make_rng(*keys: int) -> np.random.Generator:
    """Return a generator seeded by `keys`, e.g. (SEED, epoch, sample index).

    >>> float(make_rng(1, 2).random()) == float(make_rng(1, 2).random())
    True
    >>> float(make_rng(1, 2).random()) == float(make_rng(2, 1).random())
    False
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(keys))))

"""Learning rates as pure functions of the full rate and of the optimiser steps done."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

Rate = Callable[[float, int], float]
"""The full rate and the optimiser steps done (0 before the first) -> the next step's rate."""


def step_rate(full: float, step: int, *, milestones: Sequence[int], gamma: float) -> float:
    """Return `full`, multiplied by `gamma` at each of the `milestones` (in steps) that has been reached.

    It multiplies one milestone after another, so each rate is the very float of `torch.optim.lr_scheduler.MultiStepLR`;
    a milestone named twice counts twice. Source: the schedule of the published FairMOT.

    >>> [step_rate(0.5, step, milestones=(2, 3), gamma=0.5) for step in range(5)]
    [0.5, 0.5, 0.25, 0.125, 0.125]
    """
    rate = full
    for milestone, times in sorted(Counter(milestones).items()):
        if milestone <= step:
            rate *= gamma**times
    return rate


def cosine_rate(full: float, step: int, *, steps: int, final: float) -> float:
    """Return the rate on half a cosine from `full` at step 0 to `final` times it at `steps`, and that from there on.

    Source: Loshchilov & Hutter, SGDR, ICLR 2017, equation 5, without restarts.

    >>> [round(cosine_rate(1.0, step, steps=4, final=0.1), 3) for step in range(6)]
    [1.0, 0.868, 0.55, 0.232, 0.1, 0.1]
    """
    share = (1 + math.cos(math.pi * min(step, steps) / steps)) / 2
    return full * (final + (1 - final) * share)


def warmed_up(full: float, step: int, *, rate: Rate, warmup: int, power: float) -> float:
    """Return what `rate` says, over the first `warmup` steps times ((step + 1) / warmup) ** power; 0 = no warm-up.

    Source: power 4 is the burn-in in the published code of Wang et al., Towards Real-Time Multi-Object Tracking (JDE),
    ECCV 2020.

    >>> [warmed_up(1.0, step, rate=lambda full, step: full, warmup=4, power=2.0) for step in range(5)]
    [0.0625, 0.25, 0.5625, 1.0, 1.0]
    """
    if step >= warmup:
        return rate(full, step)
    return rate(full, step) * math.pow((step + 1) / warmup, power)

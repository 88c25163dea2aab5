"""Learning rates as pure functions of the full rate and of the optimiser steps done."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

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


class ClosedFormSchedule(LRScheduler):
    """Set each group's rate to `rate(its full rate, optimiser steps done)`; call `step` once an optimiser step.

    Unlike torch's LambdaLR it can give the floats of MultiStepLR, which no factor of the full rate does, and its state
    is the step alone: whoever loads it follows the schedule at hand (another number of epochs, say) from that step on.
    """

    def __init__(self, optimizer: Optimizer, rate: Rate) -> None:
        self.rate = rate
        super().__init__(optimizer)
        self._step_count += 1  # torch warns of a first step without an update, which fp16's scaler may well leave out

    def get_lr(self) -> list[float | Tensor]:
        """Return the groups' rates for the next optimiser step."""
        return [self.rate(float(full), self.last_epoch) for full in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Return the optimiser steps done: {"step": int}."""
        return {"step": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to a saved step and set the optimiser's rates to what this schedule says there.

        Load the optimiser first: it brings the rates of its own file. Raises ValueError for another scheduler's state.
        """
        if state_dict.keys() != {"step"}:
            raise ValueError(f"the schedule's state holds {', '.join(sorted(state_dict))}; expected step alone")
        self.last_epoch = int(state_dict["step"])
        self._step_count = self.last_epoch + 2
        self._last_lr = self.get_lr()
        for group, value in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = value

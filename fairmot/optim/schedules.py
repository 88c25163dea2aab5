"""Learning rate schedules as pure functions of the base rate and the number of optimizer steps."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

Rate = Callable[[float, int], float]
"""Base rate and optimizer steps done (0 before the first) -> rate of the next step."""


def step_rate(full: float, step: int, *, milestones: Sequence[int], gamma: float) -> float:
    """Return `full`, multiplied by `gamma` at each of the `milestones` (in steps) that has been reached.

    It multiplies at one milestone after another, so the rates equal those of `torch.optim.lr_scheduler.MultiStepLR`
    bit for bit; a repeated milestone counts again. Source: schedule of the reference implementation.

    >>> [step_rate(0.5, step, milestones=(2, 3), gamma=0.5) for step in range(5)]
    [0.5, 0.5, 0.25, 0.125, 0.125]
    """
    rate = full
    for milestone, times in sorted(Counter(milestones).items()):
        if milestone <= step:
            rate *= gamma**times
    return rate


def cosine_rate(full: float, step: int, *, steps: int, final: float) -> float:
    """Return the rate on half a cosine from `full` at step 0 to `final * full` at `steps`, constant afterwards.

    Source: Loshchilov & Hutter, SGDR, ICLR 2017, equation 5, without restarts.

    >>> [round(cosine_rate(1.0, step, steps=4, final=0.1), 3) for step in range(6)]
    [1.0, 0.868, 0.55, 0.232, 0.1, 0.1]
    """
    weight = (1 + math.cos(math.pi * min(step, steps) / steps)) / 2
    return full * (final + (1 - final) * weight)


def warmed_up(full: float, step: int, *, rate: Rate, warmup: int, power: float) -> float:
    """Return `rate(full, step)`, during the first `warmup` steps times ((step + 1) / warmup) ** power.

    Source: power 4 is the burn-in of the code of Wang et al., Towards Real-Time Multi-Object Tracking (JDE), ECCV 2020.

    >>> [warmed_up(1.0, step, rate=lambda full, step: full, warmup=4, power=2.0) for step in range(5)]
    [0.0625, 0.25, 0.5625, 1.0, 1.0]
    """
    if step >= warmup:
        return rate(full, step)
    return rate(full, step) * math.pow((step + 1) / warmup, power)


class ClosedFormSchedule(LRScheduler):
    """Schedule that sets each group's rate to `rate(base rate, optimizer steps done)`; step it once an optimizer step.

    Unlike LambdaLR it can reproduce the floats of MultiStepLR, which are not products of the base rate with a factor.
    Its state is the step alone, so a resumed run may follow another schedule (more epochs, for example) from there.
    """

    def __init__(self, optimizer: Optimizer, rate: Rate) -> None:
        self.rate = rate
        super().__init__(optimizer)
        self._step_count += 1  # no warning when the gradient scaler skips the first update

    def get_lr(self) -> list[float | Tensor]:
        """Return the rates of the groups for the next optimizer step."""
        return [self.rate(float(full), self.last_epoch) for full in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Return the number of optimizer steps: {"step": int}."""
        return {"step": self.last_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved step and set the optimizer's rates; ValueError for another scheduler's state.

        Load the optimizer first, since its state contains rates too.
        """
        if state_dict.keys() != {"step"}:
            raise ValueError(f"the schedule's state holds {', '.join(sorted(state_dict))}; expected step alone")
        self.last_epoch = int(state_dict["step"])
        self._step_count = self.last_epoch + 2
        self._last_lr = self.get_lr()
        for group, value in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = value

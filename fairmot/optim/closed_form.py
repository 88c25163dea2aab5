"""A torch scheduler over a pure function of the step."""

from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fairmot.optim.schedules import Rate


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

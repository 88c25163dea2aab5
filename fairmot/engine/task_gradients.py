"""Each task's own gradients, over the parts and processes of a step, before they are made one."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from fairmot.utils.distributed import Distributed

Join = Callable[[list[torch.Tensor], list[torch.Tensor]], list[torch.Tensor]]


class TaskGradients:
    """Gradients of two losses by `parameters`, those that all processes have alike.

    They take the memory of the parameters twice. Other parameters' gradients (rows of a split table) add up as ever.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], world: Distributed) -> None:
        self.parameters = list(parameters)
        self.world = world
        self._sums: tuple[dict[int, torch.Tensor], dict[int, torch.Tensor]] = ({}, {})

    def add(self, losses: Sequence[torch.Tensor]) -> None:
        """Go back from each loss alone and add what it gives to its own sums."""
        for number, (loss, sums) in enumerate(zip(losses, self._sums, strict=True)):
            torch.autograd.backward(loss, retain_graph=number == 0)
            for place, parameter in enumerate(self.parameters):
                if parameter.grad is not None:
                    sums[place] = sums[place] + parameter.grad if place in sums else parameter.grad
                    parameter.grad = None

    def join(self, join: Join) -> None:
        """Set the parameters' gradients: `join` of both tasks' where both reach them, else the one's that does.

        Each is the mean over the processes first.
        """
        first, second = (self._mean(sums) for sums in self._sums)
        shared = [place for place in first if place in second]
        joined = join([first[place] for place in shared], [second[place] for place in shared])
        for place, gradient in {**first, **second, **dict(zip(shared, joined, strict=True))}.items():
            self.parameters[place].grad = gradient

    def _mean(self, sums: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        if self.world.world_size == 1 or not sums:
            return sums
        flat = self.world.all_reduce(torch.cat([value.flatten() for value in sums.values()])) / self.world.world_size
        pieces = torch.split(flat, [value.numel() for value in sums.values()])
        # laid in memory as they were, like the weights: fused updates trust it
        return {
            place: torch.empty_like(sums[place]).copy_(piece.view_as(sums[place]))
            for piece, place in zip(pieces, sums, strict=True)
        }

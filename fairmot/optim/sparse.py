"""Optimisers of tables, of which a step's gradient has some rows only: what the dense ones do, for those rows alone.

The other rows stay, and so do their moments, without decay. A gradient that has all rows gives the dense optimiser's
step. Nothing but the moments takes memory: rows are worked on `CHUNK` at a time.

Legend: R rows of a table, K of them with a gradient.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch.optim import Optimizer

CHUNK = 1 << 14  # rows

Group = dict[str, Any]


class _RowUpdate(NamedTuple):
    """Some rows of a table, and their gradient, which may be overwritten."""

    table: torch.Tensor  # (R, ...)
    rows_K: torch.Tensor
    gradient: torch.Tensor  # (K, ...)

    def take(self, values: torch.Tensor) -> torch.Tensor:
        """Return a copy of these rows of a tensor as long as the table."""
        return values.index_select(0, self.rows_K)

    def put(self, values: torch.Tensor, new: torch.Tensor) -> None:
        """Overwrite these rows of it."""
        values.index_copy_(0, self.rows_K, new)


class RowAdam(Optimizer):
    """Adam by rows; its step count, for the correction of bias, is the table's.

    decoupled: whether decay is taken from the weights beside the step (AdamW), or added to the gradient (Adam).
    Source: Kingma & Ba, Adam, ICLR 2015, algorithm 1, in the form of `torch.optim.Adam` (epsilon outside the root).
    """

    def __init__(
        self,
        groups: Iterable[Group],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        decoupled: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "decoupled": decoupled}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the rows that have a gradient."""
        loss = None if closure is None else closure()
        for group, table in _with_gradient(self):
            state = self.state[table]
            if not state:
                state.update(step=0, exp_avg=torch.zeros_like(table), exp_avg_sq=torch.zeros_like(table))
            state["step"] += 1
            for part in _cut(table):
                self._update(part, group, state)
        return loss

    def _update(self, part: _RowUpdate, group: Group, state: dict[str, Any]) -> None:
        rate, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        values, gradient = part.take(part.table), part.gradient
        if group["decoupled"]:
            values.mul_(1 - rate * decay)
        elif decay:
            gradient = gradient.add(values, alpha=decay)
        mean = part.take(state["exp_avg"]).lerp_(gradient, 1 - beta1)
        part.put(state["exp_avg"], mean)
        square = part.take(state["exp_avg_sq"]).mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        part.put(state["exp_avg_sq"], square)
        correction1, correction2 = (1 - beta ** state["step"] for beta in (beta1, beta2))
        root = square.sqrt_().div_(correction2**0.5).add_(group["eps"])
        part.put(part.table, values.addcdiv_(mean, root, value=-rate / correction1))


class RowSGD(Optimizer):
    """Gradient descent with plain momentum by rows; decay is added to the gradient, as in `torch.optim.SGD`."""

    def __init__(self, groups: Iterable[Group], *, lr: float, momentum: float = 0.0) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the rows that have a gradient."""
        loss = None if closure is None else closure()
        for group, table in _with_gradient(self):
            state = self.state[table]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(table)
            for part in _cut(table):
                values = part.take(table)
                buffer = part.take(state["momentum_buffer"]).mul_(group["momentum"])
                buffer.add_(part.gradient).add_(values, alpha=group["weight_decay"])
                part.put(state["momentum_buffer"], buffer)
                part.put(table, values.sub_(buffer, alpha=group["lr"]))
        return loss


def _with_gradient(optimizer: Optimizer) -> Iterator[tuple[Group, torch.Tensor]]:
    for group in optimizer.param_groups:
        for table in group["params"]:
            if table.grad is not None:
                yield group, table


def _cut(table: torch.Tensor) -> Iterator[_RowUpdate]:
    """Give the rows of a table that have a gradient, each once, some at a time."""
    gradient = table.grad
    assert gradient is not None
    rows_K, values = gradient._indices()[0], gradient._values()
    if not bool((rows_K[1:] > rows_K[:-1]).all()):  # several passes' gradients, one after another
        gradient = gradient.coalesce()
        rows_K, values = gradient.indices()[0], gradient.values()
    for first in range(0, len(rows_K), CHUNK):
        yield _RowUpdate(table, rows_K[first : first + CHUNK], values[first : first + CHUNK])


class JoinedOptimizer(Optimizer):
    """All parts' groups, one after another, and their states, which the parts go on working with.

    A schedule, a gradient scaler, or whoever saves and loads, sees one optimiser.
    """

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.parts = tuple(parts)
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Let each part make its step."""
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gave; ValueError where the groups are others."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Give the parts this one's groups and state, the very objects."""
        groups = iter(self.param_groups)
        for part in self.parts:
            own = list(islice(groups, len(part.param_groups)))
            part.__setstate__({"state": self.state, "param_groups": own})

"""Composite optimizer of dense parameters and of tables with row-sparse gradients.

Legend: R rows of a table, K of them with a gradient.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

CHUNK = 1 << 14  # rows updated at a time

Group = dict[str, Any]
MakeOptimizer = Callable[[Sequence[Group]], Optimizer]


class CompositeOptimizer(Optimizer):
    """One optimizer of dense parameters and of tables with sparse gradients: one list of groups, one state.

    Dense groups are updated by `make(groups)`, a torch optimizer. In a table the same update is applied to the rows
    with a gradient and to their part of the state; other rows do not change, weight decay included. A gradient of all
    rows gives the dense update. `torch.optim.SparseAdam` differs: it adds epsilon before the bias correction.
    """

    def __init__(self, make: MakeOptimizer, *, dense: Sequence[Group], tables: Sequence[Group]) -> None:
        self._make = make
        self._dense = make(dense)
        by_row = make([{**group, "foreach": False, "fused": False} for group in tables])
        super().__init__([*self._dense.param_groups, *by_row.param_groups], {})
        self._share_state()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the dense parameters, then the rows of tables that have a gradient."""
        loss = None if closure is None else closure()
        self._dense.step()
        for group in self.param_groups[len(self._dense.param_groups) :]:
            for table in group["params"]:
                if table.grad is not None:
                    self._update_rows(table, group)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the result of `state_dict`; ValueError for other groups."""
        super().load_state_dict(state_dict)
        self._share_state()

    def _share_state(self) -> None:
        """Let the dense optimizer work on the groups and the state of this one."""
        dense_groups = self.param_groups[: len(self._dense.param_groups)]
        self._dense.__setstate__({"state": self.state, "param_groups": dense_groups})

    def _update_rows(self, table: torch.Tensor, group: Group) -> None:
        """Update chunks of rows as parameters of their own and write rows and state back."""
        state = self.state[table]
        before = dict(state)  # each chunk starts from the same step count
        for rows_K, gradient in _gradient_rows(table):
            rows = table.index_select(0, rows_K)
            rows.grad = gradient
            optimizer = self._make([{**group, "params": [rows]}])
            for name, value in before.items():
                by_row = value.shape == table.shape
                optimizer.state[rows][name] = value.index_select(0, rows_K) if by_row else value.clone()
            optimizer.step()
            table.index_copy_(0, rows_K, rows)
            for name, value in optimizer.state[rows].items():
                if value.shape == rows.shape:
                    state.setdefault(name, torch.zeros_like(table)).index_copy_(0, rows_K, value)
                else:
                    state[name] = value


def _gradient_rows(table: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield chunks of (K,) unique row indices and (K, ...) gradients; one empty chunk where no row has a gradient."""
    gradient = table.grad
    assert gradient is not None
    rows_K, values = gradient._indices()[0], gradient._values()
    if not bool((rows_K[1:] > rows_K[:-1]).all()):  # accumulated over several backward passes
        gradient = gradient.coalesce()
        rows_K, values = gradient.indices()[0], gradient.values()
    for first in range(0, max(1, len(rows_K)), CHUNK):
        yield rows_K[first : first + CHUNK], values[first : first + CHUNK]

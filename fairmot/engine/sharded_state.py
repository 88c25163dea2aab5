"""State dicts of split parameters, each process with rows of its own, made whole for a checkpoint and cut for a load.

All processes must make the same calls. A whole is on the first process; what the others get has none of the rows.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from fairmot.utils.distributed import Distributed, gather_shards, is_sharded, shard_range

State = dict[str, Any]


def gather_state(module: nn.Module, world: Distributed) -> State:
    """Return the module's state with whole tables."""
    state: State = module.state_dict()
    for name in _split_names(module):
        state[name] = gather_shards(world, state[name])
    return state


def shard_state(module: nn.Module, whole: Mapping[str, Any], world: Distributed) -> State:
    """Return the whole state with this process's rows alone; ValueError where it has another number of rows."""
    state, tables = dict(whole), dict(module.named_parameters())
    for name in _split_names(module):
        if name in state:
            state[name] = _own_rows(tables[name], state[name], world, name)
    return state


def gather_optimizer_state(optimizer: Optimizer, world: Distributed) -> State:
    """Return the optimiser's state with the whole tables' moments."""
    state: State = optimizer.state_dict()
    for place, table in _split_places(optimizer):
        values = state["state"].get(place, {})
        state["state"][place] = {
            name: gather_shards(world, value) if _is_by_row(value, table) else value for name, value in values.items()
        }
    return state


def shard_optimizer_state(optimizer: Optimizer, whole: Mapping[str, Any], world: Distributed) -> State:
    """Return the whole state with the moments of this process's rows alone."""
    states = dict(whole["state"])
    for place, table in _split_places(optimizer):
        if place in states:
            states[place] = {
                name: _own_rows(table, value, world, name) if isinstance(value, torch.Tensor) and value.ndim else value
                for name, value in states[place].items()
            }
    return {**whole, "state": states}


def _split_names(module: nn.Module) -> list[str]:
    return [name for name, value in module.named_parameters() if is_sharded(value)]


def _split_places(optimizer: Optimizer) -> list[tuple[int, nn.Parameter]]:
    """Return each split parameter and its key in the optimiser's state dict."""
    values = [value for group in optimizer.param_groups for value in group["params"]]
    return [(place, value) for place, value in enumerate(values) if is_sharded(value)]


def _is_by_row(value: object, table: torch.Tensor) -> bool:
    return isinstance(value, torch.Tensor) and value.shape == table.shape


def _own_rows(table: torch.Tensor, whole: torch.Tensor, world: Distributed, name: str) -> torch.Tensor:
    total = int(world.all_reduce(torch.tensor(len(table))))
    if len(whole) != total:
        raise ValueError(f"{name} has {len(whole)} rows, here it has {total}")
    own = shard_range(world, total)
    return whole[own.start : own.stop]

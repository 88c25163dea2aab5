"""State dicts of sharded parameters (rows on each rank): gathered for a checkpoint, sharded when one is loaded.

All ranks must make the same calls. The full tables are on the main process; other ranks get tables without rows.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from fairmot.utils.distributed import Distributed, gather_shards, is_sharded, shard_range

State = dict[str, Any]


def gather_state(module: nn.Module, world: Distributed) -> State:
    """Return the module's state dict with full tables."""
    state: State = module.state_dict()
    state.update({name: gather_shards(world, state[name]) for name in _tables(module)})
    return state


def shard_state(module: nn.Module, full: Mapping[str, Any], world: Distributed) -> State:
    """Return the full state with this rank's rows of the tables; ValueError for another total number of rows."""
    tables = _tables(module)
    shards = {name: _shard_of(full[name], tables[name], world, name) for name in full if name in tables}
    return {**full, **shards}


def gather_optimizer_state(optimizer: Optimizer, world: Distributed) -> State:
    """Return the optimizer's state dict with the moments of full tables."""
    state: State = optimizer.state_dict()
    for key, table in _sharded_keys(optimizer):
        values = state["state"].get(key, {})
        state["state"][key] = {
            name: gather_shards(world, value) if value.shape == table.shape else value for name, value in values.items()
        }
    return state


def shard_optimizer_state(optimizer: Optimizer, full: Mapping[str, Any], world: Distributed) -> State:
    """Return the full state with the moments of this rank's rows."""
    states = dict(full["state"])
    for key, table in _sharded_keys(optimizer):
        if key in states:
            states[key] = {
                name: _shard_of(value, table, world, name) if value.ndim else value
                for name, value in states[key].items()
            }
    return {**full, "state": states}


def _tables(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: value for name, value in module.named_parameters() if is_sharded(value)}


def _sharded_keys(optimizer: Optimizer) -> Iterator[tuple[int, nn.Parameter]]:
    """Yield each sharded parameter with its key in the optimizer's state dict."""
    values = (value for group in optimizer.param_groups for value in group["params"])
    return ((key, value) for key, value in enumerate(values) if is_sharded(value))


def _shard_of(full: torch.Tensor, table: torch.Tensor, world: Distributed, name: str) -> torch.Tensor:
    """Return this rank's rows of a full table, `table` being the shard to fill."""
    total = int(world.all_reduce(torch.tensor(len(table))))
    if len(full) != total:
        raise ValueError(f"{name} has {len(full)} rows, expected {total}")
    rows = shard_range(world, total)
    return full[rows.start : rows.stop]

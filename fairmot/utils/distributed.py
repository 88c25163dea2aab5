"""Distributed training: rank of this process, collectives, sharded tables and the process group."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from socket import gethostname
from typing import Any

import torch
from torch import distributed, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from fairmot.utils.errors import InputError
from fairmot.utils.rendezvous import rendezvous

CONNECTION_ERRORS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/transport")
JOIN_TIMEOUT = timedelta(minutes=10)  # for all ranks to start
COLLECTIVE_TIMEOUT = timedelta(hours=1)  # the other ranks wait while rank 0 reads labels or scores


@dataclass(frozen=True)
class Distributed:
    """Rank of this process among those started by `torchrun`, with collectives; a single process without it.

    rank: from 0; rank 0 writes files and logs. local_rank: on this machine. world_size, local_world_size: number of
    processes, and of those on this machine. restarts: number of restarts by torchrun after a failure. launch:
    identifies the torchrun.

    All ranks must make the same calls in the same order. A call raises RuntimeError if another rank has exited.
    """

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    restarts: int = 0
    launch: str = ""

    @property
    def is_main_process(self) -> bool:
        """Whether this is rank 0, which writes files and logs."""
        return self.rank == 0

    def all_reduce(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of `values` over all ranks; `values` itself with one process."""
        if self.world_size == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total

    def all_gather_object(self, value: Any) -> list[Any]:
        """Return the (picklable) values of all ranks, in their order."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        distributed.all_gather_object(values, value)
        return values

    def broadcast_object(self, value: Any = None) -> Any:
        """Return the (picklable) `value` of rank 0 on every rank."""
        if self.world_size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]

    def broadcast_module(self, module: nn.Module) -> None:
        """Copy parameters and buffers of rank 0, among them batch norm statistics, to every rank."""
        if self.world_size > 1:
            for tensor in (*module.parameters(), *module.buffers()):
                distributed.broadcast(tensor.detach(), src=0)

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Run the block on rank 0 before the other ranks; InputError on these if it fails there."""
        if self.is_main_process:
            is_done = False
            try:
                yield
                is_done = True
            finally:
                self.broadcast_object(is_done)
        else:
            if not self.broadcast_object():
                raise InputError(f"rank {self.rank}: stopped because rank 0 failed; see its message")
            yield


def is_sharded(parameter: nn.Parameter) -> bool:
    """Whether each rank holds its own rows of a table, whose values and gradients must not be reduced."""
    return bool(getattr(parameter, "is_sharded", False))


def shard_range(world: Distributed, total: int) -> range:
    """Return the contiguous rows of this rank's shard of a table of `total` rows; shards differ by at most one row.

    >>> [shard_range(Distributed(rank=rank, world_size=3), 10) for rank in range(3)]
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    return range(total * world.rank // world.world_size, total * (world.rank + 1) // world.world_size)


def all_gather_stacked(world: Distributed, values: torch.Tensor) -> torch.Tensor:
    """Return the `values` (...) of all ranks, of equal shape, as (world_size, ...)."""
    if world.world_size == 1:
        return values[None]
    gathered = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(world.world_size)]
    distributed.all_gather(gathered, values.contiguous())
    return torch.stack(gathered)


def all_gather_concatenated(world: Distributed, values: torch.Tensor) -> list[torch.Tensor]:
    """Return the `values` (N, ...) of all ranks; N may differ between ranks and may be 0."""
    if world.world_size == 1:
        return [values]
    lengths = all_gather_stacked(world, torch.tensor(len(values), device=values.device)).tolist()
    if not max(lengths):
        return [values] * world.world_size
    padded = values.new_zeros((max(lengths), *values.shape[1:]))
    padded[: len(values)] = values
    return [rows[:length] for rows, length in zip(all_gather_stacked(world, padded), lengths, strict=True)]


def gather_shards(world: Distributed, own: torch.Tensor) -> torch.Tensor:
    """Return the full table of the shards made by `shard_range`, on the CPU of rank 0; on other ranks no rows.

    Shards are received in place, so that rank 0 needs no second copy. With one process returns `own` itself.
    """
    if world.world_size == 1:
        return own
    own = own.detach().cpu().contiguous()
    total = int(world.all_reduce(torch.tensor(len(own))))
    if not world.is_main_process:
        if own.numel():
            distributed.send(own, dst=0)
        return own[:0]
    table = own.new_empty((total, *own.shape[1:]))
    table[: len(own)] = own
    for rank in range(1, world.world_size):
        rows = shard_range(Distributed(rank=rank, world_size=world.world_size), total)
        if table[rows.start : rows.stop].numel():
            distributed.recv(table[rows.start : rows.stop], src=rank)
    return table


def distributed_from_env(environment: Mapping[str, str] = os.environ) -> Distributed:
    """Return the rank given by torchrun's environment variables; InputError where one is missing or no number."""
    names = {
        "rank": "RANK",
        "local_rank": "LOCAL_RANK",
        "world_size": "WORLD_SIZE",
        "local_world_size": "LOCAL_WORLD_SIZE",
        "restarts": "TORCHELASTIC_RESTART_COUNT",
    }
    if names["world_size"] not in environment:
        return Distributed()
    values: dict[str, int] = {}
    for field, name in names.items():
        text = environment.get(name, "1" if field == "local_world_size" else "0")
        if not text.isdigit():
            raise InputError(f"environment variable {name} = {text!r} is not a number; start the ranks with torchrun")
        values[field] = int(text)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if values["world_size"] > 1 and name not in environment:
            raise InputError(f"environment variable {name} is missing; start the ranks with torchrun")
    launch = f"{environment.get('TORCHELASTIC_RUN_ID', '')} {gethostname()} {os.getppid()}"
    return Distributed(**values, launch=launch)


def is_connection_error(error: RuntimeError) -> bool:
    """Whether PyTorch raised `error` because a connection between ranks failed."""
    return isinstance(error, distributed.DistError) or any(sign in str(error) for sign in CONNECTION_ERRORS)


@contextmanager
def process_group(world: Distributed, device: torch.device) -> Iterator[None]:
    """Initialize the process group for the block: gloo, and NCCL on GPUs. No effect with one process."""
    if world.world_size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        agent_store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=JOIN_TIMEOUT)
        rank, size = world.rank, world.world_size
        store = rendezvous(agent_store, rank=rank, world_size=size, timeout=JOIN_TIMEOUT)
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=COLLECTIVE_TIMEOUT)
    else:
        distributed.init_process_group(backend, timeout=COLLECTIVE_TIMEOUT)
    try:
        yield
    except BaseException:
        if device.type == "cpu":  # NCCL would deadlock: the other ranks wait for this one
            distributed.destroy_process_group()
        raise
    distributed.destroy_process_group()


def balance_load(weights: Sequence[float], parts: int) -> list[list[int]]:
    """Return, for each of `parts`, the indices of the weights assigned to it: heaviest first, to the smallest load.

    >>> balance_load([3, 9, 4, 5], 2)
    [[0, 1], [2, 3]]
    """
    loads = [0.0] * parts
    assigned: list[list[int]] = [[] for _ in range(parts)]
    for index in sorted(range(len(weights)), key=lambda index: -weights[index]):
        lightest = loads.index(min(loads))
        loads[lightest] += weights[index]
        assigned[lightest].append(index)
    return [sorted(indices) for indices in assigned]

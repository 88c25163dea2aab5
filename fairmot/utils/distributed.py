"""Several processes that train one model: which one this is, and what they tell one another."""

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
JOIN_TIMEOUT = timedelta(minutes=10)  # for the others to start
COLLECTIVE_TIMEOUT = timedelta(hours=1)  # the others wait so long for one: the first reads labels, and scores, alone


@dataclass(frozen=True)
class Distributed:
    """This process among those that `torchrun` started; a process started without it is alone.

    rank: from 0, the first of which writes files and speaks; local_rank: on this machine; size: processes in all;
    local_world_size: on this machine; restarts: number of restarts by torchrun after a failure; launch: names
    that torchrun.

    All processes must make the same calls in the same order. A call raises RuntimeError when another one has ended.
    """

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    restarts: int = 0
    launch: str = ""

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.rank == 0

    def all_reduce(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of all processes' `values`, on every one; alone the tensor itself."""
        if self.world_size == 1:
            return values
        total = values.clone()
        distributed.all_reduce(total)
        return total

    def all_gather_object(self, value: Any) -> list[Any]:
        """Return all processes' values, which are pickled, by rank."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        distributed.all_gather_object(values, value)
        return values

    def broadcast_object(self, value: Any = None) -> Any:
        """Return the first process's `value`, which is pickled, on every one."""
        if self.world_size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]

    def broadcast_module(self, module: nn.Module) -> None:
        """Give `module` the first process's values: statistics of batch norms differ until then."""
        if self.world_size > 1:
            for tensor in (*module.parameters(), *module.buffers()):
                distributed.broadcast(tensor.detach(), src=0)

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Let the first process do the block before the others; where it fails there, all end."""
        if self.is_main_process:
            is_done = False
            try:
                yield
                is_done = True
            finally:
                self.broadcast_object(is_done)
        else:
            if not self.broadcast_object():
                raise InputError(f"process {self.rank}: ended with process 0, whose message tells why")
            yield


def is_sharded(parameter: nn.Parameter) -> bool:
    """Whether each process holds rows of its own of a table, so that its values and gradient are not to be joined."""
    return bool(getattr(parameter, "is_sharded", False))


def shard_range(world: Distributed, total: int) -> range:
    """Return the rows that this process holds of a table of `total` that all share: a run of its own, by rank.

    The runs are equally long, or differ by one row.

    >>> [shard_range(Distributed(rank=rank, world_size=3), 10) for rank in range(3)]
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    return range(total * world.rank // world.world_size, total * (world.rank + 1) // world.world_size)


def all_gather_stacked(world: Distributed, values: torch.Tensor) -> torch.Tensor:
    """Return all processes' `values`, which have one shape, with a first dimension more, by rank."""
    if world.world_size == 1:
        return values[None]
    everyone = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(world.world_size)]
    distributed.all_gather(everyone, values.contiguous())
    return torch.stack(everyone)


def all_gather_concatenated(world: Distributed, values: torch.Tensor) -> list[torch.Tensor]:
    """Return all processes' `values`, by rank: of one shape but for the first dimension, which may be 0."""
    if world.world_size == 1:
        return [values]
    lengths = all_gather_stacked(world, torch.tensor(len(values), device=values.device)).tolist()
    if not max(lengths):
        return [values] * world.world_size
    padded = values.new_zeros((max(lengths), *values.shape[1:]))
    padded[: len(values)] = values
    return [rows[:length] for rows, length in zip(all_gather_stacked(world, padded), lengths, strict=True)]


def gather_shards(world: Distributed, own: torch.Tensor) -> torch.Tensor:
    """Return the whole of a table split by `shard_range`, on the first process and on the CPU; elsewhere no row.

    Alone the tensor itself. Nobody needs memory for more than that: the rows are sent into their places.
    """
    if world.world_size == 1:
        return own
    own = own.detach().cpu().contiguous()
    total = int(world.all_reduce(torch.tensor(len(own))))
    if not world.is_main_process:
        if own.numel():
            distributed.send(own, dst=0)
        return own[:0]
    whole = own.new_empty((total, *own.shape[1:]))
    whole[: len(own)] = own
    for rank in range(1, world.world_size):
        run = shard_range(Distributed(rank=rank, world_size=world.world_size), total)
        if whole[run.start : run.stop].numel():
            distributed.recv(whole[run.start : run.stop], src=rank)
    return whole


def distributed_from_env(environment: Mapping[str, str] = os.environ) -> Distributed:
    """Return the place that torchrun's variables give this process; InputError where one of them is no number."""
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
            raise InputError(f"the environment's {name} = {text!r} is no number; start the processes with torchrun")
        values[field] = int(text)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if values["world_size"] > 1 and name not in environment:
            raise InputError(
                f"the environment has {names['world_size']} but no {name}; start the processes with torchrun"
            )
    launch = f"{environment.get('TORCHELASTIC_RUN_ID', '')} {gethostname()} {os.getppid()}"
    return Distributed(**values, launch=launch)


def is_connection_error(error: RuntimeError) -> bool:
    """Whether PyTorch raised `error` over the processes' connection."""
    return isinstance(error, distributed.DistError) or any(sign in str(error) for sign in CONNECTION_ERRORS)


@contextmanager
def process_group(world: Distributed, device: torch.device) -> Iterator[None]:
    """Connect the processes for the block: gloo, and NCCL beside it on GPUs. Alone nothing happens."""
    if world.world_size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        kept = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=JOIN_TIMEOUT)
        store = rendezvous(kept, rank=world.rank, size=world.world_size, patience=JOIN_TIMEOUT)
        distributed.init_process_group(
            backend, store=store, rank=world.rank, world_size=world.world_size, timeout=COLLECTIVE_TIMEOUT
        )
    else:
        distributed.init_process_group(backend, timeout=COLLECTIVE_TIMEOUT)
    try:
        yield
    except BaseException:
        if device.type == "cpu":  # NCCL would wait for those that wait for this one
            distributed.destroy_process_group()
        raise
    distributed.destroy_process_group()


def balance_load(weights: Sequence[float], parts: int) -> list[list[int]]:
    """Return which of the weighted things each of `parts` takes, by their places: heaviest first, to the least laden.

    >>> balance_load([3, 9, 4, 5], 2)
    [[0, 1], [2, 3]]
    """
    loads = [0.0] * parts
    shares: list[list[int]] = [[] for _ in range(parts)]
    for place in sorted(range(len(weights)), key=lambda place: -weights[place]):
        lightest = loads.index(min(loads))
        loads[lightest] += weights[place]
        shares[lightest].append(place)
    return [sorted(share) for share in shares]

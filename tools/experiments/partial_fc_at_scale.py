"""Benchmark of time and memory: Partial FC training steps with two million identities on two processes.

    python tools/experiments/partial_fc_at_scale.py [--identities 2000000] [--dims 128] [--rate 0.1] [--dense]

Each process builds the criterion, a one-layer network and the optimizer as `fairmot train` does, and runs some steps;
after ten steps at rate 0.1 nearly every page of Adam's moments is resident. Measured is the peak memory of each
process above that after imports and process-group setup. Exit code 0 if the sum of peaks is at most the classifier,
Adam's two moments of it and 1 GiB; 1 if it is more; 2 for invalid usage.
`--dense` also runs the full softmax in one process, for comparison (14 GB).
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import distributed, multiprocessing

from fairmot.commands.benchmark.timing import peak_memory
from fairmot.config.load import load_cfg
from fairmot.losses.build import build_criterion
from fairmot.optim.build import build_optimizer
from fairmot.structures.outputs import EmbeddingSamples
from fairmot.utils.distributed import Distributed

ALLOWANCE = 1024.0  # MiB, of all processes together
MIB = 2**20


class ProblemSize(NamedTuple):
    """Size of the classification problem."""

    identities: int = 2_000_000
    dims: int = 128
    rate: float = 0.1
    embeddings: int = 200  # per process
    steps: int = 10
    kind: str = "partial_fc"

    @property
    def mib(self) -> float:
        """Memory of the classifier and of its two Adam moments, over all processes."""
        return 3 * self.identities * (self.dims + 1) * 4 / MIB


class ProcessCost(NamedTuple):
    """Memory and time of one process."""

    peak: float  # MiB
    first: float  # seconds of the first step, which allocates the moments
    later: float  # median seconds of the other steps
    cpu: float  # median CPU seconds of the other steps


def train(size: ProblemSize, world: Distributed, times: list[tuple[float, float]]) -> None:
    """Run training steps as `fairmot train` does; append wall-clock and CPU seconds of each to `times`."""
    keys = ["MODEL.REID_DIM", str(size.dims), "LOSS.IDENTITY", size.kind, "LOSS.SAMPLE_RATE", str(size.rate)]
    cfg = load_cfg(None, keys)
    criterion = build_criterion(cfg, num_identities=size.identities, world=world, seed=cfg.SEED)
    torch.manual_seed(0)
    model = torch.nn.Linear(size.dims, size.dims)
    optimizer = build_optimizer(cfg, model=model, criterion=criterion)
    rng = torch.Generator().manual_seed(world.rank)
    known = torch.tensor(size.embeddings * world.world_size)
    for _ in range(size.steps):
        identities = torch.randint(size.identities, (size.embeddings,), generator=rng)
        inputs = torch.randn(size.embeddings, size.dims, generator=rng)
        start = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        loss = criterion.identity(EmbeddingSamples(model(inputs), identities, torch.zeros_like(identities)), known)
        (loss * world.world_size).backward()
        optimizer.step()
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))


def measure(rank: int, count: int, rendezvous: str, size: ProblemSize, results: Any) -> None:
    """Run one process; put (rank, cost) into `results`."""
    torch.set_num_threads(1)
    if count > 1:
        distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=count)
        distributed.barrier()
    times: list[tuple[float, float]] = []
    run = partial(train, size, Distributed(rank=rank, world_size=count), times)
    peak = peak_memory(run, device=torch.device("cpu"))
    if peak is None:
        raise RuntimeError("peak memory of a process is not available on this system")
    later, cpu = (median(column) for column in zip(*(times[1:] or times), strict=True))
    results.put((rank, ProcessCost(peak, times[0][0], later, cpu)))
    if count > 1:
        distributed.destroy_process_group()


def measure_all(size: ProblemSize, processes: int) -> list[ProcessCost]:
    """Return the cost of each process, by rank."""
    results = multiprocessing.get_context("spawn").SimpleQueue()
    with TemporaryDirectory() as folder:
        arguments = (processes, str(Path(folder) / "rendezvous"), size, results)
        multiprocessing.spawn(measure, args=arguments, nprocs=processes)
    found = dict(results.get() for _ in range(processes))
    return [found[rank] for rank in range(processes)]


def describe(name: str, measured: list[ProcessCost]) -> str:
    """Return a line of the report."""
    peaks = " + ".join(f"{one.peak:.0f}" for one in measured)
    total = sum(one.peak for one in measured)
    first, later, cpu = (max(getattr(one, kind) for one in measured) for kind in ("first", "later", "cpu"))
    return f"{name}: peak {peaks} = {total:.0f} MiB; step {later:.2f} s ({cpu:.2f} s of CPU), the first {first:.2f} s"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in ProblemSize()._asdict().items():
        if name != "kind":
            parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--dense", action="store_true", help="also measure the full softmax in one process")
    given = vars(parser.parse_args(arguments))
    processes, is_dense = given.pop("processes"), given.pop("dense")
    size = ProblemSize(**given)
    print(f"{size.identities:,} identities x {size.dims}: classifier and moments {size.mib:.0f} MiB")
    measured = measure_all(size, processes)
    print(describe(f"rate {size.rate:g}, {processes} processes, {size.embeddings} embeddings each", measured))
    extra = sum(one.peak for one in measured) - size.mib
    print(f"over classifier and moments: {extra:.0f} MiB, allowed {ALLOWANCE:.0f}")
    if is_dense:
        full = size._replace(kind="cross_entropy", embeddings=size.embeddings * processes, steps=2)
        print(describe("full softmax, 1 process", measure_all(full, 1)))
    return int(extra > ALLOWANCE)


if __name__ == "__main__":
    sys.exit(main())

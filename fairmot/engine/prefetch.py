"""Copies of batches to the device, one ahead of the training step, and the throughput of the loop."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import methodcaller

import torch

from fairmot.structures.batch import Batch


@dataclass
class Throughput:
    """Number of images of all ranks, and the seconds that steps waited for data, since the last `restart`."""

    images: int = 0
    waited: float = 0.0
    started: float = 0.0

    def restart(self) -> None:
        """Reset the counts and the clock."""
        self.images, self.waited, self.started = 0, 0.0, time.perf_counter()

    @property
    def images_per_second(self) -> float:
        """Images a second."""
        return self.images / max(time.perf_counter() - self.started, 1e-9)

    @property
    def waiting(self) -> float:
        """Fraction of the time spent waiting for data, 0 to 1."""
        return self.waited / max(time.perf_counter() - self.started, 1e-9)


def prefetch_to_device(
    batches: Iterable[Batch], device: torch.device, *, ahead: bool, throughput: Throughput
) -> Iterator[Batch]:
    """Yield `batches` on `device`; add the seconds that the caller waits for each to `throughput`.

    ahead: on a GPU, copy the next batch on a stream of its own before this one is yielded.
    """
    copies_ahead = ahead and device.type == "cuda"
    on_device = _copy_ahead(batches, device) if copies_ahead else map(methodcaller("to", device), batches)
    while True:
        started = time.perf_counter()
        batch = next(on_device, None)
        throughput.waited += time.perf_counter() - started
        if batch is None:
            return
        yield batch


def _copy_ahead(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    stream, iterator = torch.cuda.Stream(device), iter(batches)  # type: ignore[no-untyped-call]

    def copy_next() -> Batch | None:
        batch = next(iterator, None)
        if batch is None:
            return None
        with torch.cuda.stream(stream):
            return batch.to(device)

    copied = copy_next()
    while copied is not None:
        current = torch.cuda.current_stream(device)
        current.wait_stream(stream)
        for field in copied:
            if isinstance(field, torch.Tensor):
                field.record_stream(current)  # keeps its memory from reuse until this stream has finished with it
        batch, copied = copied, copy_next()
        yield batch

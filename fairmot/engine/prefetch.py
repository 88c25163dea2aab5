"""Batches onto the device, the next one while the last is worked on, with a clock on the waiting."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from fairmot.structures.batch import Batch


@dataclass
class Throughput:
    """Images of all processes since the clock's start, and how long the steps waited for them."""

    images: int = 0
    waited: float = 0.0
    started: float = 0.0

    def restart(self) -> None:
        """Count from now on."""
        self.images, self.waited, self.started = 0, 0.0, time.perf_counter()

    @property
    def images_per_second(self) -> float:
        """Images a second."""
        return self.images / max(time.perf_counter() - self.started, 1e-9)

    @property
    def waiting(self) -> float:
        """Share of the time spent waiting for data, 0 to 1."""
        return self.waited / max(time.perf_counter() - self.started, 1e-9)


def prefetch_to_device(
    batches: Iterable[Batch], device: torch.device, *, ahead: bool, pace: Throughput
) -> Iterator[Batch]:
    """Yield `batches` on `device`, and count in `pace` how long each let the caller wait.

    ahead: on a GPU, the next batch is copied there on a stream of its own before this one is handed out.
    """
    placed = _copied_ahead(batches, device) if ahead and device.type == "cuda" else (b.to(device) for b in batches)
    iterator = iter(placed)
    while True:
        started = time.perf_counter()
        batch = next(iterator, None)
        pace.waited += time.perf_counter() - started
        if batch is None:
            return
        yield batch


def _copied_ahead(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    stream, iterator = torch.cuda.Stream(device), iter(batches)  # type: ignore[no-untyped-call]

    def start() -> Batch | None:
        batch = next(iterator, None)
        if batch is None:
            return None
        with torch.cuda.stream(stream):
            return batch.to(device)

    copied = start()
    while copied is not None:
        working = torch.cuda.current_stream(device)
        working.wait_stream(stream)
        for field in copied:
            if isinstance(field, torch.Tensor):
                field.record_stream(working)  # its memory is not another batch's before this stream is done with it
        batch, copied = copied, start()
        yield batch

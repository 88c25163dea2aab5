"""Pipeline of processing steps over a stream of items: one thread per step, bounded queues between them, order kept.

    clock = StageClock()
    with Pipeline(items, [Step("double", lambda item: 2 * item)], clock=clock) as results:
        for result in results:
            ...

The results equal those of a single thread. Steps run in parallel where their work releases the interpreter lock, as
NumPy, OpenCV, PyTorch, FFmpeg and file access do.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from fairmot.utils.prefetch import Prefetcher

_END = object()


class Step(NamedTuple):
    """Processing of one item, under a name for the clock."""

    name: str
    work: Callable[[Any], Any]


class StageClock:
    """Seconds by stage: `busy` working, `starved` waiting for an item, `blocked` waiting for the next stage."""

    def __init__(self) -> None:
        self.busy: defaultdict[str, float] = defaultdict(float)
        self.starved: defaultdict[str, float] = defaultdict(float)
        self.blocked: defaultdict[str, float] = defaultdict(float)
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was created."""
        return time.perf_counter() - self._started


@contextmanager
def add_time(seconds: defaultdict[str, float], stage: str) -> Iterator[None]:
    """Add the duration of the block to `seconds[stage]`."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] += time.perf_counter() - started


class Pipeline:
    """Passes `items` through `steps`: a context manager that is iterated once.

    items: taken one at a time, and only when the first step waits for one, so that a live source decides as late as
        possible which frames to drop. steps: one or more; each processes the items in order, one at a time.
    clock: measures how long each step works and waits. capacity: maximum number of items between two steps.
    threads: False processes everything in the caller's thread, one item after the other.
    interrupt: called by `stop` and on leaving; unblocks a source that is waiting.

    An error is raised in the position of its item, after the results before it. Leaving the block stops all threads.
    """

    def __init__(
        self,
        items: Iterable[Any],
        steps: Sequence[Step],
        *,
        clock: StageClock,
        capacity: int = 2,
        threads: bool = True,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        if not steps:
            raise ValueError("steps: expected at least one")
        self._clock, self._interrupt = clock, interrupt
        self._stopped = False
        self._stages: dict[str, Prefetcher[Any]] = {}
        self._results: Iterator[Any] = self._until_stopped(iter(items))
        for group in [[step] for step in steps] if threads else [steps]:
            self._results = self._process(group, self._results)
            if threads:
                name = group[0].name
                self._results = Prefetcher(self._results, capacity=capacity, join_timeout=None, name=f"pipeline {name}")
                self._stages[name] = self._results

    def stop(self) -> None:
        """Take no further item; those in progress are finished. Callable from any thread and from a signal handler."""
        self._stopped = True
        self._interrupt()

    def __iter__(self) -> Iterator[Any]:
        return self._results

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for stage in self._stages.values():
            stage.stop()
        self._interrupt()
        for name, stage in self._stages.items():
            stage.close()
            self._clock.blocked[name] = stage.wait_seconds

    def _until_stopped(self, items: Iterator[Any]) -> Iterator[Any]:
        while not self._stopped and (item := next(items, _END)) is not _END and not self._stopped:
            yield item

    def _process(self, steps: Sequence[Step], items: Iterator[Any]) -> Iterator[Any]:
        """Yield the items after all `steps`."""
        while True:
            with add_time(self._clock.starved, steps[0].name):
                item = next(items, _END)
            if item is _END:
                return
            for step in steps:
                with add_time(self._clock.busy, step.name):
                    item = step.work(item)
            yield item


def describe_speed(clock: StageClock, frames: int, *, first: str | None = None) -> str:
    """Return one line: frames per second from end to end, and the fraction of the time that each stage is busy.

    Stages overlap, so the fractions may add up to more than 100 %. first: the first stage, of which the time spent
    waiting for frames and for the next stages is added; None omits it.
    """
    elapsed = max(clock.elapsed, 1e-9)
    busy = ", ".join(f"{name} {100 * seconds / elapsed:.1f} %" for name, seconds in clock.busy.items())
    line = f"{frames / elapsed:.1f} frames/s end to end ({elapsed:.1f} s); busy: {busy or 'nothing'}"
    if first is None:
        return line
    starved, blocked = (100 * seconds[first] / elapsed for seconds in (clock.starved, clock.blocked))
    return f"{line}; waiting: {first} {starved:.1f} % for frames, {blocked:.1f} % for the stages after it"

"""Pipeline of processing steps over a stream of items: one thread per step, bounded queues between them, order kept.

    clock = StageClock()
    with Pipeline(items, [Step("double", lambda item: 2 * item)], clock=clock) as results:
        for result in results:
            ...

The results equal those of a single thread. Steps run in parallel where their work releases the interpreter lock, as
NumPy, OpenCV, PyTorch, FFmpeg and file access do.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self

JOIN_TIMEOUT = 1.0  # seconds to wait, on leaving a pipeline, for a thread that is blocked by its source
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


class _Channel:
    """Queue from one thread to another; either end can close it.

    capacity: queued items beyond the one that a waiting receiver takes; 0 makes the sender wait for a receiver.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Any] = deque()
        self._change = threading.Condition()
        self._receivers = 0
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None

    def wait_for_room(self) -> bool:
        """Wait until an item can be queued; False when none will be taken any more."""
        with self._change:
            self._change.wait_for(
                lambda: self._closed or self._ended or len(self._items) < self._capacity + self._receivers
            )
            return not (self._closed or self._ended)

    def put(self, item: Any) -> None:
        """Queue an item; no effect on a channel that is closed or ended."""
        with self._change:
            if not self._closed and not self._ended:
                self._items.append(item)
                self._change.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Declare that no item follows; after the queued items the receiver gets `error`, if any."""
        with self._change:
            if not self._ended:
                self._ended, self._error = True, error
                self._change.notify_all()

    def close(self) -> None:
        """Declare that no item will be taken any more."""
        with self._change:
            self._closed = True
            self._items.clear()
            self._change.notify_all()

    def take(self) -> Any:
        """Wait for an item and return it; _END at the end."""
        with self._change:
            self._receivers += 1
            self._change.notify_all()
            try:
                self._change.wait_for(lambda: self._items or self._ended or self._closed)
            finally:
                self._receivers -= 1
            if self._items:
                self._change.notify_all()
                return self._items.popleft()
            if self._error is not None:
                raise self._error
            return _END


class Pipeline:
    """Passes `items` through `steps`: a context manager that is iterated once.

    items: taken one at a time, and only when the first step waits for one, so that a live source decides as late as
        possible which frames to drop. steps: one or more; each processes the items in order, one at a time.
    clock: measures how long each step works and waits. capacity: maximum number of items between two steps.
    threads: False processes everything in the caller's thread, one item after the other.
    release: called on leaving, before the threads are joined; unblocks a source that is waiting.

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
        release: Callable[[], None] = lambda: None,
    ) -> None:
        if not steps:
            raise ValueError("steps: expected at least one")
        self._items = iter(items)
        self._steps = steps
        self._clock = clock
        self._release = release
        self._stopped = False
        self._channels = [_Channel(0), *(_Channel(capacity) for _ in steps)] if threads else []
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Take no further item; those in progress are finished. Callable from any thread and from a signal handler."""
        self._stopped = True
        if self._channels:
            self._channels[0].end()

    def __iter__(self) -> Iterator[Any]:
        if not self._channels:
            yield from self._run_serially()
            return
        while (item := self._channels[-1].take()) is not _END:
            yield item

    def __enter__(self) -> Self:
        if self._channels:
            self._start("items", self._feed)
            for index, step in enumerate(self._steps):
                self._start(step.name, partial(self._run, step, *self._channels[index : index + 2]))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        for channel in self._channels:
            channel.close()
        self._release()
        for thread in self._threads[1:]:
            thread.join()
        for thread in self._threads[:1]:
            thread.join(JOIN_TIMEOUT)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"pipeline {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run_serially(self) -> Iterator[Any]:
        while not self._stopped:
            with add_time(self._clock.starved, self._steps[0].name):
                item = next(self._items, _END)
            if item is _END:
                return
            for step in self._steps:
                with add_time(self._clock.busy, step.name):
                    item = step.work(item)
            yield item

    def _feed(self) -> None:
        """Take items from the source while the first step waits for them."""
        out = self._channels[0]
        try:
            while out.wait_for_room() and not self._stopped and (item := next(self._items, _END)) is not _END:
                out.put(item)
            out.end()
        except BaseException as error:
            out.end(error)

    def _run(self, step: Step, source: _Channel, out: _Channel) -> None:
        try:
            while True:
                with add_time(self._clock.blocked, step.name):
                    has_room = out.wait_for_room()
                if not has_room:
                    break
                with add_time(self._clock.starved, step.name):
                    item = source.take()
                if item is _END:
                    break
                with add_time(self._clock.busy, step.name):
                    item = step.work(item)
                out.put(item)
            out.end()
        except BaseException as error:
            out.end(error)
        finally:
            source.close()


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

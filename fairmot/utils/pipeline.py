"""Work on a stream of items in steps that overlap: a thread a step, short queues between them, the order kept.

    clock = StageClock()
    with Pipeline(items, [Step("double", lambda item: 2 * item)], clock=clock) as results:
        for result in results:
            ...

What comes out equals what one thread would give, item for item. Steps gain where their work releases the interpreter's
lock, as NumPy, OpenCV, PyTorch, FFmpeg and files do.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self

PATIENCE = 1.0  # seconds that leaving a pipeline waits for a thread which is held up by its source


class Step(NamedTuple):
    """What is done with each item, under a name for the clock."""

    name: str
    work: Callable[[Any], Any]


class StageClock:
    """Seconds by stage: `busy` at work, `starved` while it waited for an item, `blocked` while the next took none."""

    def __init__(self) -> None:
        self.busy: defaultdict[str, float] = defaultdict(float)
        self.starved: defaultdict[str, float] = defaultdict(float)
        self.blocked: defaultdict[str, float] = defaultdict(float)
        self._started = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._started

    @contextmanager
    def work(self, stage: str) -> Iterator[None]:
        """Count the block's time as work of `stage`."""
        with _adding(self.busy, stage):
            yield

    @contextmanager
    def starve(self, stage: str) -> Iterator[None]:
        """Count the block's time as waiting of `stage` for an item."""
        with _adding(self.starved, stage):
            yield

    @contextmanager
    def block(self, stage: str) -> Iterator[None]:
        """Count the block's time as waiting of `stage` for the next one."""
        with _adding(self.blocked, stage):
            yield


@contextmanager
def _adding(seconds: defaultdict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] += time.perf_counter() - started


class _Channel:
    """A queue from one thread to another; either end can close it.

    room: items that it holds beyond the one that the taker waits for; 0 makes the giver wait for a taker.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[Any] = deque()
        self._change = threading.Condition()
        self._takers = 0
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None

    def is_wanted(self) -> bool:
        """Wait until there is room for an item; False when nobody will take any more."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._ended or len(self._items) < self._room + self._takers)
            return not (self._closed or self._ended)

    def put(self, item: Any) -> None:
        """Add an item; without effect on a channel that is closed or ended."""
        with self._change:
            if not self._closed and not self._ended:
                self._items.append(item)
                self._change.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no item follows; the taker gets `error` in its place, after the items before it."""
        with self._change:
            if not self._ended:
                self._ended, self._error = True, error
                self._change.notify_all()

    def close(self) -> None:
        """Say that no item will be taken any more."""
        with self._change:
            self._closed = True
            self._items.clear()
            self._change.notify_all()

    def take(self) -> tuple[Any] | None:
        """Wait for an item and return it in a tuple; None at the end."""
        with self._change:
            self._takers += 1
            self._change.notify_all()
            try:
                self._change.wait_for(lambda: self._items or self._ended or self._closed)
            finally:
                self._takers -= 1
            if self._items:
                self._change.notify_all()
                return (self._items.popleft(),)
            if self._error is not None:
                raise self._error
            return None


class Pipeline:
    """Takes `items` through `steps`; a context manager that is iterated once.

    items: taken one at a time, and only when the first step waits for one: a source that drops what is late decides by
        what is needed. steps: one or more; each sees the items in order, one at a time.
    clock: told how long each step works and waits. room: items that may lie between two steps.
    threads: False does all in the caller's thread, one item after the other.
    release: called on leaving, before the threads are waited for: makes a source that has nothing to give let go.

    An error comes out in its item's place: what was before it comes out first, as it would from one thread. Leaving the
    block ends all threads, whether or not the items are at their end.
    """

    def __init__(
        self,
        items: Iterable[Any],
        steps: Sequence[Step],
        *,
        clock: StageClock,
        room: int = 2,
        threads: bool = True,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        if not steps:
            raise ValueError("steps: at least one is wanted")
        self._items = iter(items)
        self._steps = steps
        self._clock = clock
        self._release = release
        self._stopped = False
        self._channels = [_Channel(0), *(_Channel(room) for _ in steps)] if threads else []
        self._threads: list[threading.Thread] = []

    def stop(self) -> None:
        """Take no further item; those under way come out. May be called from any thread and from a signal's handler."""
        self._stopped = True
        if self._channels:
            self._channels[0].end()

    def __iter__(self) -> Iterator[Any]:
        if not self._channels:
            yield from self._run_serially()
            return
        last = self._channels[-1]
        while True:
            taken = last.take()
            if taken is None:
                return
            yield taken[0]

    def __enter__(self) -> Self:
        if self._channels:
            self._start("items", self._feed)
            for place, step in enumerate(self._steps):
                self._start(step.name, partial(self._run, place, step))
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
            thread.join(PATIENCE)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"pipeline {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run_serially(self) -> Iterator[Any]:
        while not self._stopped:
            with self._clock.starve(self._steps[0].name):
                taken = _next(self._items)
            if taken is None:
                return
            item = taken[0]
            for step in self._steps:
                with self._clock.work(step.name):
                    item = step.work(item)
            yield item

    def _feed(self) -> None:
        """Take items from the source while the first step wants them."""
        out = self._channels[0]
        try:
            while out.is_wanted() and not self._stopped and (taken := _next(self._items)) is not None:
                out.put(taken[0])
            out.end()
        except BaseException as error:
            out.end(error)

    def _run(self, place: int, step: Step) -> None:
        given, out = self._channels[place], self._channels[place + 1]
        try:
            while self._has_room(step, out) and (taken := self._take(step, given)) is not None:
                with self._clock.work(step.name):
                    item = step.work(taken[0])
                out.put(item)
            out.end()
        except BaseException as error:
            out.end(error)
        finally:
            given.close()

    def _has_room(self, step: Step, out: _Channel) -> bool:
        with self._clock.block(step.name):
            return out.is_wanted()

    def _take(self, step: Step, given: _Channel) -> tuple[Any] | None:
        with self._clock.starve(step.name):
            return given.take()


def _next(items: Iterator[Any]) -> tuple[Any] | None:
    """Return the next item in a tuple, None at the end."""
    for item in items:
        return (item,)
    return None


def describe_speed(clock: StageClock, frames: int, *, first: str | None = None) -> str:
    """Return one line: frames a second from end to end, and each stage's share of that time at work.

    Stages overlap, so the shares can add up to more than 100 %. first: the stage that frames come to, of which it is
    told how long it waited, for frames and for the stages after it; None leaves that out.
    """
    elapsed = max(clock.elapsed, 1e-9)
    busy = ", ".join(f"{name} {100 * seconds / elapsed:.1f} %" for name, seconds in clock.busy.items())
    line = f"{frames / elapsed:.1f} frames/s end to end ({elapsed:.1f} s); busy: {busy or 'nothing'}"
    if first is None:
        return line
    starved, blocked = (100 * seconds[first] / elapsed for seconds in (clock.starved, clock.blocked))
    return f"{line}; waiting: {first} {starved:.1f} % for frames, {blocked:.1f} % for the stages after it"

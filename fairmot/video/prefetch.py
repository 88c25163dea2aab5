"""Taking items ahead of their consumer, in a thread, into a short queue."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_GRACE = 1.0  # s that closing waits for a read that hangs in a network


class Prefetcher(Generic[T]):
    """Gives `items` in order while a thread takes the next ones; exceptions arrive at their place.

    room: items that may wait in the queue.
    newest: where the queue is full the oldest goes (`dropped` counts them); else the thread waits for room.
    stop: called on closing before the thread is waited for. release: called once, when no item is taken any more.

    The thread starts with the first item that is asked for.
    """

    def __init__(
        self,
        items: Iterable[T],
        *,
        capacity: int = 4,
        drop_oldest: bool = False,
        stop: Callable[[], None] = lambda: None,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"room: expected 1 or more, got {capacity}")
        self.num_dropped = 0
        self.read_seconds = 0.0  # spent on taking items
        self._items, self._room, self._newest = items, capacity, drop_oldest
        self._stop, self._release = stop, release
        self._queue: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = self._done = self._awaited = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Self:
        """Return itself: there is one pass."""
        return self

    def __next__(self) -> T:
        """Return the next item, waiting for it; raises what taking it raised."""
        with self._changed:
            if self._closed:
                raise StopIteration
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="frames ahead", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._queue or self._done or self._closed)
            if self._queue:
                self._changed.notify_all()
                return self._queue.popleft()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def _run(self) -> None:
        try:
            taking: Iterator[T] = iter(self._items)
            while not self._closed:
                started = time.perf_counter()
                try:
                    item = next(taking)
                except StopIteration:
                    break
                finally:
                    self.read_seconds += time.perf_counter() - started
                self._put(item)
        except BaseException as error:  # it is the consumer's
            self._error = error
        finally:
            self._release()
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _put(self, item: T) -> None:
        with self._changed:
            if self._newest and len(self._queue) >= self._room:
                self._queue.popleft()
                self.num_dropped += 1
            self._changed.wait_for(lambda: len(self._queue) < self._room or self._closed)
            if not self._closed:
                self._queue.append(item)
                self._changed.notify_all()

    def stop(self) -> None:
        """End the items at once, for whoever waits for one too; from whatever thread, and without waiting."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
        self._stop()

    def close(self) -> None:
        """Take no further item, wait for the one in flight and release what is read; twice does no harm.

        A read that hangs longer than a second is left to itself: its thread releases what it reads when it returns.
        """
        self.stop()
        if self._thread is not None:
            if not self._awaited:
                self._awaited = True
                self._thread.join(_GRACE)
        elif not self._done:
            self._done = True
            self._release()

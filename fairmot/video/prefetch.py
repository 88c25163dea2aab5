"""Background prefetching of items into a short queue."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_JOIN_TIMEOUT = 1.0  # s that closing waits for a read that is blocked, for example by a network


class Prefetcher(Generic[T]):
    """Iterator over `items` that reads ahead in a thread; an exception is raised after the items before it.

    capacity: items that may wait in the queue.
    drop_oldest: drop the oldest item of a full queue (`num_dropped` counts them) instead of waiting.
    stop: called on closing, before the thread is joined. release: called once, after the last item is read.
    read_seconds: time spent on reading items.

    The thread starts with the first `next`.
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
            raise ValueError(f"capacity: expected 1 or more, got {capacity}")
        self.num_dropped = 0
        self.read_seconds = 0.0
        self._items, self._capacity, self._drop_oldest = items, capacity, drop_oldest
        self._stop, self._release = stop, release
        self._queue: deque[T] = deque()
        self._changed = threading.Condition()
        self._is_closed = self._is_done = self._was_joined = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """Return the next item, waiting for it; raise what reading it raised."""
        with self._changed:
            if self._is_closed:
                raise StopIteration
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._queue or self._is_done or self._is_closed)
            if self._queue:
                self._changed.notify_all()
                return self._queue.popleft()
            error, self._error = self._error, None
        raise error or StopIteration

    def _run(self) -> None:
        try:
            iterator = iter(self._items)
            while not self._is_closed:
                started = time.perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                finally:
                    self.read_seconds += time.perf_counter() - started
                self._put(item)
        except BaseException as error:  # raised in the consumer's thread
            self._error = error
        finally:
            self._release()
            with self._changed:
                self._is_done = True
                self._changed.notify_all()

    def _put(self, item: T) -> None:
        with self._changed:
            if self._drop_oldest and len(self._queue) >= self._capacity:
                self._queue.popleft()
                self.num_dropped += 1
            self._changed.wait_for(lambda: len(self._queue) < self._capacity or self._is_closed)
            if not self._is_closed:
                self._queue.append(item)
                self._changed.notify_all()

    def stop(self) -> None:
        """End the iteration at once, also for a thread that waits for an item; callable from any thread."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()
        self._stop()

    def close(self) -> None:
        """Stop reading, join the thread and release the source; may be called twice.

        A read that blocks for more than a second is abandoned: its thread releases the source when the read returns.
        """
        self.stop()
        if self._thread is not None:
            if not self._was_joined:
                self._was_joined = True
                self._thread.join(_JOIN_TIMEOUT)
        elif not self._is_done:
            self._is_done = True
            self._release()

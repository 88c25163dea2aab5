"""Background prefetching of items into a short queue."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
_END: Any = object()


class Prefetcher(Generic[T]):
    """Iterator over `items` that reads ahead in a thread; an exception is raised after the items before it.

    capacity: items in the queue; with a full queue no item is read.
    drop_oldest: drop the oldest item of a full queue (`num_dropped` counts them) instead of waiting.
    stop: called on closing, before the thread is joined. release: called once, after the last item is read.
    join_timeout: seconds that closing waits for a read that is blocked, for example by a network; None: no limit.
    read_seconds, wait_seconds: time spent on reading items, and on waiting for room in the queue.

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
        join_timeout: float | None = 1.0,
        name: str = "prefetch",
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: expected 1 or more, got {capacity}")
        self.num_dropped = 0
        self.read_seconds = self.wait_seconds = 0.0
        self._items, self._capacity, self._drop_oldest = items, capacity, drop_oldest
        self._stop, self._release, self._join_timeout = stop, release, join_timeout
        self._queue: deque[T] = deque()
        self._changed = threading.Condition()
        self._is_stopped = self._is_started = self._is_done = self._was_closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """Return the next item, waiting for it; raise what reading it raised."""
        with self._changed:
            if self._is_stopped:
                raise StopIteration
            if not self._is_started:
                self._is_started = True
                self._thread.start()
            self._changed.wait_for(lambda: self._queue or self._is_done or self._is_stopped)
            if self._queue:
                self._changed.notify_all()
                return self._queue.popleft()
            error, self._error = self._error, None
        raise error or StopIteration

    def _run(self) -> None:
        try:
            iterator = iter(self._items)
            while self._wait_for_room():
                started = time.perf_counter()
                item = next(iterator, _END)
                self.read_seconds += time.perf_counter() - started
                if item is _END:
                    break
                self._put(item)
        except BaseException as error:  # raised in the consumer's thread
            self._error = error
        finally:
            self._release()
            with self._changed:
                self._is_done = True
                self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        """Wait until an item can be queued; False when the queue is closed."""
        started = time.perf_counter()
        with self._changed:
            self._changed.wait_for(lambda: self._drop_oldest or len(self._queue) < self._capacity or self._is_stopped)
        self.wait_seconds += time.perf_counter() - started
        return not self._is_stopped

    def _put(self, item: T) -> None:
        with self._changed:
            if len(self._queue) >= self._capacity:  # only with drop_oldest
                self._queue.popleft()
                self.num_dropped += 1
            if not self._is_stopped:
                self._queue.append(item)
                self._changed.notify_all()

    def stop(self) -> None:
        """End the iteration at once, also for a thread that waits for an item; callable from any thread."""
        with self._changed:
            self._is_stopped = True
            self._queue.clear()
            self._changed.notify_all()
        self._stop()

    def close(self) -> None:
        """Stop reading, join the thread and release the source; may be called twice.

        A read that blocks for longer than `join_timeout` is abandoned: its thread releases the source when it returns.
        """
        self.stop()
        if self._was_closed:
            return
        self._was_closed = True
        if self._is_started:
            self._thread.join(self._join_timeout)
        else:
            self._release()

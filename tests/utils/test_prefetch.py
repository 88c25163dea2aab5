import threading
from collections.abc import Iterator

import pytest

from fairmot.utils.errors import InputError
from fairmot.utils.prefetch import Prefetcher

TIMEOUT = 20  # s


class Counting:
    """Iterable over 0, 1, ...; `taken(n)` waits until n of them were read."""

    def __init__(self, count: int) -> None:
        self.count, self.number = count, 0
        self.changed = threading.Condition()

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            with self.changed:
                self.number = number + 1
                self.changed.notify_all()
            yield number

    def taken(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.number >= count, TIMEOUT)


def test_items_are_in_order_and_read_up_to_capacity_ahead() -> None:
    items = Counting(10)
    ahead = Prefetcher(items, capacity=3)
    assert items.number == 0
    assert next(ahead) == 0
    assert items.taken(4)  # one returned, three in the queue
    assert items.number <= 4
    assert list(ahead) == list(range(1, 10))
    assert ahead.num_dropped == 0


def test_drop_oldest_keeps_the_newest_items() -> None:
    begun, ended = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        begun.wait(TIMEOUT)
        yield from range(1, 10)

    ahead = Prefetcher(items(), capacity=2, drop_oldest=True, release=ended.set)
    assert next(ahead) == 0
    begun.set()
    assert ended.wait(TIMEOUT)
    assert list(ahead) == [8, 9]
    assert ahead.num_dropped == 7


def test_exception_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise InputError("broken")

    ahead = Prefetcher(items())
    assert next(ahead) == 1
    with pytest.raises(InputError, match="broken"):
        next(ahead)
    with pytest.raises(StopIteration):
        next(ahead)


def test_release_is_called_once_by_the_thread() -> None:
    released = []
    ahead = Prefetcher(Counting(3), release=lambda: released.append(threading.current_thread().name))
    assert list(ahead) == [0, 1, 2]
    ahead.close()
    ahead.close()
    assert released == ["prefetch"]


def test_closing_before_the_start_releases() -> None:
    released = []
    ahead = Prefetcher(Counting(3), release=lambda: released.append(1))
    ahead.close()
    ahead.close()
    assert released == [1]
    assert list(ahead) == []


def test_closing_ends_a_thread_that_waits_for_room() -> None:
    before = threading.active_count()
    items = Counting(100)
    ahead = Prefetcher(items, capacity=1)
    next(ahead)
    assert items.taken(2)
    ahead.close()
    assert threading.active_count() == before
    assert list(ahead) == []


def test_blocked_read_does_not_delay_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, released, stopped = threading.Event(), threading.Event(), []

    def items() -> Iterator[int]:
        yield 1
        hangs.wait(TIMEOUT)
        yield 2

    ahead = Prefetcher(items(), stop=lambda: stopped.append(1), release=released.set, join_timeout=0.05)
    assert next(ahead) == 1
    waiting = threading.Timer(0.05, ahead.stop)
    waiting.start()
    assert list(ahead) == []  # a waiting consumer is released
    waiting.join()
    ahead.close()
    assert not released.is_set()
    assert stopped == [1, 1]
    monkeypatch.setattr(ahead._thread, "join", lambda *_: pytest.fail("joined twice"))
    ahead.close()
    hangs.set()
    assert released.wait(TIMEOUT)


def test_zero_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        Prefetcher([], capacity=0)

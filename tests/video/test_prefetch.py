import threading
from collections.abc import Iterator

import pytest

from fairmot.utils.errors import InputError
from fairmot.video.prefetch import Prefetcher

LONG = 20  # s that a test waits for what happens at once


class Counting:
    """Gives 0, 1, ...; `taken(n)` waits until n of them have been taken."""

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
            return self.changed.wait_for(lambda: self.number >= count, LONG)


def test_items_come_in_order_taken_no_more_than_the_room_ahead() -> None:
    items = Counting(10)
    ahead = Prefetcher(items, capacity=3)
    assert items.number == 0
    assert next(ahead) == 0
    assert items.taken(5)  # one given, three in the queue, one in the hand
    assert items.number <= 5
    assert list(ahead) == list(range(1, 10))
    assert ahead.num_dropped == 0


def test_of_the_newest_the_oldest_go() -> None:
    begun, ended = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 0
        begun.wait(LONG)
        yield from range(1, 10)

    ahead = Prefetcher(items(), capacity=2, drop_oldest=True, release=ended.set)
    assert next(ahead) == 0
    begun.set()
    assert ended.wait(LONG)
    assert list(ahead) == [8, 9]
    assert ahead.num_dropped == 7


def test_an_exception_arrives_at_its_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise InputError("broken")

    ahead = Prefetcher(items())
    assert next(ahead) == 1
    with pytest.raises(InputError, match="broken"):
        next(ahead)
    with pytest.raises(StopIteration):
        next(ahead)


def test_release_comes_once_after_the_last_item_from_its_thread() -> None:
    released = []
    ahead = Prefetcher(Counting(3), release=lambda: released.append(threading.current_thread().name))
    assert list(ahead) == [0, 1, 2]
    ahead.close()
    ahead.close()
    assert released == ["frames ahead"]


def test_closing_before_the_start_releases_too() -> None:
    released = []
    ahead = Prefetcher(Counting(3), release=lambda: released.append(1))
    ahead.close()
    ahead.close()
    assert released == [1]
    assert list(ahead) == []


def test_closing_ends_the_thread_that_waits_for_room() -> None:
    before = threading.active_count()
    items = Counting(100)
    ahead = Prefetcher(items, capacity=1)
    next(ahead)
    assert items.taken(3)
    ahead.close()
    assert threading.active_count() == before
    assert list(ahead) == []


def test_a_read_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairmot.video.prefetch._GRACE", 0.05)
    hangs, released, stopped = threading.Event(), threading.Event(), []

    def items() -> Iterator[int]:
        yield 1
        hangs.wait(LONG)
        yield 2

    ahead = Prefetcher(items(), stop=lambda: stopped.append(1), release=released.set)
    assert next(ahead) == 1
    waiting = threading.Timer(0.05, ahead.stop)
    waiting.start()
    assert list(ahead) == []  # who waits for an item is let go
    waiting.join()
    ahead.close()
    assert not released.is_set()
    assert stopped == [1, 1]
    assert ahead._thread is not None
    monkeypatch.setattr(ahead._thread, "join", lambda *_: pytest.fail("waited for a second time"))
    ahead.close()
    hangs.set()
    assert released.wait(LONG)


def test_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        Prefetcher([], capacity=0)

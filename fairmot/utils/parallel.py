"""Parallel map over processes."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

import cv2

from fairmot.utils.errors import InputError

T = TypeVar("T")
R = TypeVar("R")


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0))


def parallel_map(function: Callable[[T], R], items: Sequence[T], *, processes: int = 0, chunk: int = 1) -> Iterator[R]:
    """Yield `function(item)` in the order of `items`.

    processes: 0 = one per core; with one, or one item, everything runs in this process. chunk: items sent at a time.
    Processes are forked, not spawned: they start in milliseconds, and a script needs no main guard.

    Raises what `function` raises; InputError if a process is killed.
    """
    processes = min(processes or available_cores(), len(items))
    if processes <= 1:
        yield from map(function, items)
        return
    with _one_thread_in_opencv(), ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        try:
            yield from pool.map(function, items, chunksize=chunk)
        except BrokenProcessPool:
            raise InputError("a worker process was killed; is there enough memory?") from None
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_in_opencv() -> Iterator[None]:
    """Stop OpenCV's threads: a forked process would wait forever for threads that only its parent has."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)

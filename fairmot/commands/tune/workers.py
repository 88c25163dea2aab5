"""Where trials run: in processes forked with the data at hand, or here."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any

from fairmot.commands.tune.trial import Scores, TrialBench
from fairmot.utils.errors import InputError

Submit = Callable[[str, Mapping[str, Any]], Callable[[], Scores]]  # part, values -> what waits for the scores
_bench: list[TrialBench] = []  # a worker's own: the pool has no other way to hand a process its data once


@contextmanager
def workers(bench: TrialBench, processes: int) -> Iterator[Submit]:
    """Yield what starts a trial and returns a function that waits for its scores.

    processes: with one, the work is done here, when it is asked for. The others are forked now, before the caller
    opens files or starts threads; they end with the block, or with this process however it ends.

    What is yielded raises what the trial raises, and InputError where a process was killed.
    """
    if processes == 1:
        yield lambda part, values: lambda: bench.run(part, values)
        return
    with ProcessPoolExecutor(processes, get_context("fork"), _begin, (bench,)) as pool:
        pool.submit(_is_ready).result()
        try:
            yield lambda part, values: _waiting(pool.submit(_run, part, dict(values)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _waiting(future: "Future[Scores]") -> Callable[[], Scores]:
    def wait() -> Scores:
        try:
            return future.result()
        except BrokenProcessPool:
            raise InputError("a process at work was ended; is there enough memory? --resume goes on") from None

    return wait


def _begin(bench: TrialBench) -> None:
    _bench.append(bench)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's death, of which a forked pool's workers would never hear, and end too."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _is_ready() -> bool:
    return bool(_bench)


def _run(part: str, values: dict[str, Any]) -> Scores:
    return _bench[-1].run(part, values)

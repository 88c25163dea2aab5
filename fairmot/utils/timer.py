"""Timing several ways of doing one thing in turn, so that a busy machine slows them all alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median

Run = Callable[[], object]


def time_in_turn(runs: Mapping[str, Run], *, repeats: int, wait: Run = lambda: None) -> dict[str, list[float]]:
    """Return name -> seconds of each of `repeats` rounds; a round runs every way once. One round before is not counted.

    wait: called before the clock is read (a GPU's synchronisation).
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeats + 1):
        for name, run in runs.items():
            wait()
            started = time.perf_counter()
            run()
            wait()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def paired_ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median of slow / fast, round by round.

    >>> paired_ratio([2.0, 4.0, 9.0], [1.0, 1.0, 3.0])
    3.0
    """
    return median(a / b for a, b in zip(slow, fast, strict=True))

"""Reading all units of a data set, in processes side by side where there are many."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from fairmot.data.readers.base import Reader, Unit
from fairmot.structures.labels import LabelBlock
from fairmot.utils.errors import InputError

SERIAL_BELOW = 8  # units: starting processes would take longer than reading

Bar = Callable[[Iterable[LabelBlock], int], Iterable[LabelBlock]]  # items, their number -> the same items, shown


def no_bar(items: Iterable[LabelBlock], total: int) -> Iterable[LabelBlock]:
    """Show nothing."""
    del total
    return items


def read_units(reader: Reader, units: Sequence[Unit], *, processes: int = 0, bar: Bar = no_bar) -> list[LabelBlock]:
    """Return what `reader` reads from `units`, in their order.

    processes: 0 = one a core that this process may use.
    Raises InputError: what the reader raises, or a process that was killed.
    """
    processes = min(processes or len(os.sched_getaffinity(0)), len(units))
    if processes <= 1 or len(units) < SERIAL_BELOW:
        return list(bar(map(reader.read, units), len(units)))
    return list(bar(_read_side_by_side(reader, units, processes), len(units)))


def _read_side_by_side(reader: Reader, units: Sequence[Unit], processes: int) -> Iterator[LabelBlock]:
    """Forked processes: they start in milliseconds, and a script without a main guard may call this."""
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        try:
            yield from pool.map(reader.read, units)
        except BrokenProcessPool:
            raise InputError("a process that read labels was ended; is there enough memory?") from None
        finally:
            pool.shutdown(cancel_futures=True)

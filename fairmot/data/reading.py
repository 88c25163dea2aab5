"""Reading all units of a data set, in processes side by side where there are many."""

from collections.abc import Callable, Iterable, Sequence

from fairmot.data.readers.base import Reader, Unit
from fairmot.structures.labels import LabelBlock
from fairmot.utils.parallel import map_in_processes

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
    processes = 1 if len(units) < SERIAL_BELOW else processes
    return list(bar(map_in_processes(reader.read, units, processes=processes), len(units)))

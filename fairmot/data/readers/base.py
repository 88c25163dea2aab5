"""What a reader of a data set's original files is given, and what it gives."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fairmot.structures.annotations import Annotations
from fairmot.utils.parallel import parallel_map

Unit = Any  # what a reader reads in one go; picklable, since any process may be asked to


@dataclass(frozen=True)
class Source:
    """Where a data set lies, and how its labels are to be taken.

    root: its folder, or its annotation file itself.
    labels: annotation file or folder relative to `root`, "" for the layout's own place.
    images: image folder relative to `root`, "" for the layout's own place.
    box: which box of a person where there are several: full | visible | head.
    detector: which copy of a sequence that comes once for each public detector (MOT17), "auto" for any one.
    sequences: patterns of sequence names to read, as in `fnmatch`; empty for all.
    name: what messages call it.
    """

    root: Path
    labels: str = ""
    images: str = ""
    box: str = "full"
    detector: str = "auto"
    sequences: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class ReadPlan:
    """What there is to read, and what tells that it has changed.

    units: in the order of the images; each is read by itself.
    lists: files whose contents decide (image lists, names of classes): small enough to be digested at each start.
    files: label files, told apart by size and time. Where there is one an image, leave them to `folders`.
    folders: folders of labels and images, told apart by their times.
    """

    units: tuple[Unit, ...]
    lists: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = field(default=())


class Reader(Protocol):
    """Reads one layout; a frozen dataclass made from a `Source`, so that processes can be sent it."""

    @property
    def image_root(self) -> Path:
        """The folder that relative image files start from."""

    @property
    def is_normalised(self) -> bool:
        """Whether boxes are shares of the image's sides."""

    def plan(self) -> ReadPlan:
        """List the units; InputError where the layout's files are not there."""

    def read(self, unit: Unit) -> Annotations:
        """Read one unit; InputError names file and line of what cannot be read."""


SERIAL_BELOW = 8  # units: starting processes would take longer than reading

Bar = Callable[[Iterable[Annotations], int], Iterable[Annotations]]  # items, their number -> the same items, shown


def no_bar(items: Iterable[Annotations], total: int) -> Iterable[Annotations]:
    """Show nothing."""
    del total
    return items


def read_units(reader: Reader, units: Sequence[Unit], *, processes: int = 0, bar: Bar = no_bar) -> list[Annotations]:
    """Return what `reader` reads from `units`, in their order.

    processes: 0 = one a core that this process may use.
    Raises InputError: what the reader raises, or a process that was killed.
    """
    processes = 1 if len(units) < SERIAL_BELOW else processes
    return list(bar(parallel_map(reader.read, units, processes=processes), len(units)))

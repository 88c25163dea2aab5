"""Interface of the data set readers: the source they are made from, their read plan, and reading in processes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fairmot.geometry.arrays import BoolArray
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import parallel_map

Unit = Any  # what a reader reads in one call; picklable


@dataclass(frozen=True)
class Source:
    """Location of a data set, and options of reading it.

    root: its folder, or its annotation file itself.
    labels: annotation file or folder relative to `root`, "" for the layout's default.
    images: image folder relative to `root`, "" for the layout's default.
    box: which box of a person where there are several: full | visible | head.
    detector: which copy of a sequence that comes once for each public detector (MOT17), "auto" for any one.
    sequences: patterns of sequence names to read, as in `fnmatch`; empty for all.
    name: the data set's name in messages.
    """

    root: Path
    labels: str = ""
    images: str = ""
    box: str = "full"
    detector: str = "auto"
    sequences: tuple[str, ...] = ()
    name: str = ""

    @property
    def folder(self) -> Path:
        """The folder that relative names start from."""
        return self.root.parent if self.root.is_file() else self.root


@dataclass(frozen=True)
class ReadPlan:
    """Units of a data set, and the files whose changes make an index out of date.

    units: in the order of the images; each is read independently.
    lists: files compared by their contents (image lists, class names), digested at each start.
    files: label files compared by size and modification time; with one per image, use `folders` instead.
    folders: folders of labels and images compared by modification time.
    """

    units: tuple[Unit, ...]
    lists: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()


class Reader(Protocol):
    """Reader of one layout; a frozen, picklable dataclass made from a `Source`."""

    @property
    def image_root(self) -> Path:
        """The folder that relative image files start from."""

    @property
    def is_normalised(self) -> bool:
        """Whether boxes are in fractions of the image's sides."""

    def plan(self) -> ReadPlan:
        """List the units; InputError where the layout's files are missing."""

    def read(self, unit: Unit) -> Annotations:
        """Read one unit; InputError names file and line of what cannot be read."""


SERIAL_BELOW = 8  # units: starting processes would take longer than reading

# items, their number -> the same items, with progress:
Bar = Callable[[Iterable[Annotations], int], Iterable[Annotations]]


def no_bar(items: Iterable[Annotations], total: int) -> Iterable[Annotations]:
    """Show no progress."""
    del total
    return items


def read_units(reader: Reader, units: Sequence[Unit], *, processes: int = 0, bar: Bar = no_bar) -> list[Annotations]:
    """Return the annotations of `units`, in their order.

    processes: 0 = one per available core.
    Raises InputError: what the reader raises, or a process that was killed.
    """
    processes = 1 if len(units) < SERIAL_BELOW else processes
    return list(bar(parallel_map(reader.read, units, processes=processes), len(units)))


def match_sequences(names: Sequence[str], patterns: Sequence[str], *, where: str | Path) -> BoolArray:
    """Return (S,) whether each sequence name matches one of the patterns (as in `fnmatch`); without patterns all do.

    where: beginning of the message. Raises InputError where there are sequences and none matches.
    """
    matches = np.array([not patterns or any(fnmatch(name, p) for p in patterns) for name in names], dtype=np.bool_)
    if len(matches) and not matches.any():
        raise InputError(f"{where}: no sequence is called {' or '.join(patterns)}")
    return matches


def select_sequences(annotations: Annotations, patterns: Sequence[str], *, prefix: str) -> Annotations:
    """Return the images of the sequences that match, by sequence and frame; without frames in the file's order.

    patterns: as in `fnmatch`; empty for all. prefix: put before relative image files.
    Raises InputError where no sequence matches.
    """
    matches = match_sequences(annotations.sequences, patterns, where=annotations.label_files[0])
    order = np.lexsort((annotations.frames, annotations.sequence_of))
    chosen = annotations.take(order[matches[annotations.sequence_of[order]]])
    used, sequence_of = np.unique(chosen.sequence_of, return_inverse=True)
    return replace(
        chosen,
        images=tuple(image if image.startswith("/") else f"{prefix}{image}" for image in chosen.images),
        sequences=tuple(annotations.sequences[index] for index in used.tolist()),
        sequence_of=sequence_of.astype(np.int64),
    )

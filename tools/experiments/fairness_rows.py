"""Rows of the fairness table: configuration overrides, seeds and baseline of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from fairmot.utils.errors import InputError

SEEDS = (1, 2, 3)
BASE = "dim64"


@dataclass(frozen=True)
class TableRow:
    """One row of the table.

    key: name on the command line. label: name in the table. run: folder of its trainings, without the seed.
    overrides: configuration overrides. base: key of the row that it is compared with.
    prefix: number of leading embedding dimensions that are evaluated, 0 for all.
    """

    key: str
    label: str
    run: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...] = (1,)
    base: str = BASE
    prefix: int = 0

    def folder(self, work: Path, seed: int) -> Path:
        """Return the training folder of a seed."""
        return work / f"{self.run}-seed{seed}"

    def scores(self, work: Path, seed: int) -> Path:
        """Return the score folder of a seed."""
        return self.folder(work, seed) / (f"score-{self.prefix}" if self.prefix else "score")


def all_rows() -> tuple[TableRow, ...]:
    """Return the rows, in the order of the table."""

    def switch(kind: str, key: str, name: str, *more: str, note: str = "") -> TableRow:
        return TableRow(f"{kind}-{name}", f"{kind} {name}{note}", f"{kind}-{name}", (key, name, *more))

    dimensions = (128, 64, 32, 16)
    nested = ("MODEL.REID_DIM", "64", "MODEL.REID_NESTED", "(64,32,16)")
    return (
        *(TableRow(f"dim{n}", f"dimension {n}", f"dim{n}", ("MODEL.REID_DIM", str(n)), SEEDS) for n in dimensions),
        *(switch("sampling", "MODEL.REID_SAMPLING", name) for name in ("center_bi", "roi_align", "pos_anchor")),
        *(switch("balance", "LOSS.BALANCE", name) for name in ("fixed", "gradnorm", "mgda_ub", "pcgrad")),
        switch("identity", "LOSS.IDENTITY", "focal"),
        switch("identity", "LOSS.IDENTITY", "triplet", "DATA.IMAGES_PER_SEQUENCE", "2", note=", paired batches"),
        switch("identity", "LOSS.IDENTITY", "circle"),
        switch("identity", "LOSS.IDENTITY", "partial_fc"),
        *(
            TableRow(f"nested-{n}", f"nested, first {n}", "nested", nested, base=f"dim{n}", prefix=n)
            for n in (64, 32, 16)
        ),
    )


def choose_rows(rows: Sequence[TableRow], patterns: Sequence[str]) -> tuple[TableRow, ...]:
    """Return the rows whose keys match a pattern, all rows without patterns.

    Raises InputError for a pattern without a match.
    """
    for pattern in patterns:
        if not any(fnmatch(row.key, pattern) for row in rows):
            raise InputError(f"--rows: no row {pattern!r}; choose from {', '.join(row.key for row in rows)}")
    return tuple(row for row in rows if not patterns or any(fnmatch(row.key, pattern) for pattern in patterns))

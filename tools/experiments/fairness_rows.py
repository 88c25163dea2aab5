"""The rows of the fairness table: what each changes, with which seeds, and what it is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from fairmot.utils.errors import InputError

SEEDS = (1, 2, 3)
BASE = "dim64"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    key: its name on the command line; label: in the table; run: the folder of its trainings, but for the seed;
    overrides: what it changes; base: key of the row that it is compared with;
    prefix: how many of the embedding's first values are scored, 0 for all.
    """

    key: str
    label: str
    run: str
    overrides: tuple[str, ...]
    seeds: tuple[int, ...] = (1,)
    base: str = BASE
    prefix: int = 0

    def folder(self, work: Path, seed: int) -> Path:
        """Return where its training of a seed goes."""
        return work / f"{self.run}-seed{seed}"

    def scores(self, work: Path, seed: int) -> Path:
        """Return where its scores of a seed go."""
        return self.folder(work, seed) / (f"score-{self.prefix}" if self.prefix else "score")


def all_rows() -> tuple[Row, ...]:
    """Return the rows, in the order of the table."""

    def switch(kind: str, key: str, name: str, *more: str, note: str = "") -> Row:
        return Row(f"{kind}-{name}", f"{kind} {name}{note}", f"{kind}-{name}", (key, name, *more))

    dimensions = (128, 64, 32, 16)
    nested = ("MODEL.REID_DIM", "64", "MODEL.REID_NESTED", "(64,32,16)")
    return (
        *(Row(f"dim{n}", f"dimension {n}", f"dim{n}", ("MODEL.REID_DIM", str(n)), SEEDS) for n in dimensions),
        *(switch("sampling", "MODEL.REID_SAMPLING", name) for name in ("center_bi", "roi_align", "pos_anchor")),
        *(switch("balance", "LOSS.BALANCE", name) for name in ("fixed", "gradnorm", "mgda_ub", "pcgrad")),
        switch("identity", "LOSS.IDENTITY", "focal"),
        switch("identity", "LOSS.IDENTITY", "triplet", "DATA.IMAGES_PER_SEQUENCE", "2", note=", paired batches"),
        switch("identity", "LOSS.IDENTITY", "circle"),
        switch("identity", "LOSS.IDENTITY", "partial_fc"),
        *(Row(f"nested-{n}", f"nested, first {n}", "nested", nested, base=f"dim{n}", prefix=n) for n in (64, 32, 16)),
    )


def choose_rows(rows: Sequence[Row], patterns: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows whose keys fit one of the patterns, all without any; InputError for one that fits none."""
    for pattern in patterns:
        if not any(fnmatch(row.key, pattern) for row in rows):
            raise InputError(f"--rows: no row {pattern!r}; choose from {', '.join(row.key for row in rows)}")
    return tuple(row for row in rows if not patterns or any(fnmatch(row.key, pattern) for pattern in patterns))

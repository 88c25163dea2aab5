"""JSON lines: a file that a row is added to at a time, each an object on a line of its own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairmot.formats.atomic import write_text


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line to `path`, which is made where it is missing; OSError where the disk refuses it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def cut_rows(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Take out the rows that `keep` refuses, and what a kill cut short or is no object.

    The file stays byte for byte where there is nothing to take out.
    """
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if (row := _read_row(line)) is not None and keep(row)]
    if len(kept) < len(lines):
        write_text(path, "".join(kept))


def _read_row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line) if line.endswith("\n") else None
    except ValueError:
        return None
    return row if isinstance(row, dict) else None

"""JSON lines: a file that a row is added to at a time, each an object on a line of its own."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairmot.formats.atomic import write_text


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line to `path`, which is made where it is missing; OSError where the disk refuses it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def cut_rows(path: Path, *, after: int) -> None:
    """Take out rows whose `step` is beyond `after`, and what a kill cut short: a run that goes on writes them again.

    Rows without a step stay; so does the file, byte for byte, where there is nothing to take out.
    """
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if _step_of(line) <= after]
    if len(kept) < len(lines):
        write_text(path, "".join(kept))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line).get("step", -math.inf)) if line.endswith("\n") else math.inf
    except (ValueError, AttributeError, TypeError):
        return math.inf

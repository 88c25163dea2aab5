"""Reading labels that are partly wrong: what cannot be read becomes a finding, and the rest is read all the same.

A unit that fails is read again in halves, down to the image. A MOTChallenge truth is read without the rows that are
wrong: it is written anew to a scratch folder, with empty lines in their places.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

from fairmot.data.inspection.findings import (
    ERROR,
    LABELS,
    LENGTH,
    LOST_ROWS,
    WARNING,
    Finding,
    from_error,
    list_findings,
)
from fairmot.data.readers.base import Bar, Reader, Unit, no_bar, read_units
from fairmot.data.readers.crowdhuman import OdgtUnit
from fairmot.data.readers.motchallenge import MotChallengeReader
from fairmot.data.readers.text_labels import TextUnit
from fairmot.formats.crowdhuman import FileRange
from fairmot.formats.motchallenge import list_images, read_sequence_info
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

_MIN_COLUMNS = 7
_LARGEST_WHOLE = 2.0**53


class LenientResult(NamedTuple):
    """What could be read, and what could not."""

    blocks: tuple[Annotations, ...]
    findings: tuple[Finding, ...]


class WrongRow(NamedTuple):
    """A line of a truth file, from 1, and what is wrong with it."""

    line: int
    check: str
    message: str


def read_leniently(reader: Reader, units: Sequence[Unit], *, processes: int = 0, bar: Bar = no_bar) -> LenientResult:
    """Read all units, as `read_units` does; InputError only where a process is killed."""
    shell = cast(Reader, _LenientReader(reader))
    readings = cast(list[LenientResult], read_units(shell, units, processes=processes, bar=bar))
    blocks = tuple(block for reading in readings for block in reading.blocks)
    return LenientResult(blocks, tuple(finding for reading in readings for finding in reading.findings))


@dataclass(frozen=True)
class _LenientReader:
    """Reads as another reader does, into a `Reading`; picklable."""

    reader: Reader

    def read(self, unit: Unit) -> LenientResult:
        """Read a unit; never raises InputError."""
        extra = tuple(_check_length(unit)) if isinstance(self.reader, MotChallengeReader) else ()
        try:
            return LenientResult((self.reader.read(unit),), extra)
        except InputError as error:
            rest = self._read_around(unit, error)
            return LenientResult(rest.blocks, (*extra, *rest.findings))

    def _read_around(self, unit: Unit, error: InputError) -> LenientResult:
        if isinstance(self.reader, MotChallengeReader):
            return _read_sound_rows(self.reader, unit, error)
        parts = _halves(unit)
        if not parts:
            return LenientResult((), (from_error(error),))
        readings = [self.read(part) for part in parts]
        return LenientResult(
            tuple(block for reading in readings for block in reading.blocks),
            tuple(finding for reading in readings for finding in reading.findings),
        )


def _halves(unit: Any) -> list[Any]:
    """Cut a unit in two; nothing where it cannot be cut."""
    if isinstance(unit, TextUnit) and len(unit.images) > 1:
        middle = len(unit.images) // 2
        return [replace(unit, images=part) for part in (unit.images[:middle], unit.images[middle:])]
    if isinstance(unit, OdgtUnit):
        return [replace(unit, part=part) for part in _halves_of_lines(unit.file, unit.part)]
    return []


def _halves_of_lines(file: Path, part: FileRange) -> list[FileRange]:
    with file.open("rb") as stream:
        stream.seek(part.start)
        lines = stream.read(part.end - part.start).splitlines(keepends=True)
    if len(lines) < 2:
        return []
    middle = len(lines) // 2
    cut = part.start + sum(map(len, lines[:middle]))
    return [FileRange(part.start, cut, part.line), FileRange(cut, part.end, part.line + middle)]


def wrong_rows(folder: Path) -> list[WrongRow]:
    """Return the rows of a sequence's truth that cannot be read, or that are of frames without an image."""
    described = (folder / "seqinfo.ini").exists()
    images = list_images(folder / (read_sequence_info(folder).image_dir if described else "img1"))
    numbered = all(image.stem.isdecimal() for image in images)
    frames = {int(image.stem) for image in images} if numbered else set(range(1, len(images) + 1))
    found = []
    columns = 0
    for number, line in enumerate((folder / "gt" / "gt.txt").read_text(encoding="utf-8-sig").splitlines(), 1):
        fields = line.replace(",", " ").split()
        if not fields:
            continue
        problem = _problem(fields, columns)
        if problem:
            found.append(WrongRow(number, LABELS, problem))
        elif int(float(fields[0])) not in frames:
            found.append(WrongRow(number, LOST_ROWS, f"frame {int(float(fields[0]))} has no image"))
        columns = columns or (0 if problem else len(fields))
    return found


def _problem(fields: list[str], columns: int) -> str:
    """Say what keeps a row from being read, "" where nothing does."""
    shown = ",".join(fields)[:80]
    if len(fields) < _MIN_COLUMNS:
        return f"{len(fields)} columns, at least {_MIN_COLUMNS} wanted"
    if columns and len(fields) != columns:
        return f"{len(fields)} columns where the lines above have {columns}"
    try:
        values = [float(field) for field in fields]
    except ValueError:
        return f"not a row of numbers: {shown!r}"
    if not all(abs(value) < float("inf") for value in values):
        return f"a value is not finite: {shown!r}"
    if not values[0].is_integer() or not 1 <= values[0] < _LARGEST_WHOLE:
        return f"frame {fields[0]} is not a whole number from 1 up"
    if not values[1].is_integer() or abs(values[1]) >= _LARGEST_WHOLE:
        return f"identity {fields[1]} is not a whole number"
    return ""


def without_lines(text: str, lines: set[int]) -> str:
    """Return a text with some of its lines, from 1, made empty."""
    kept = ("" if number in lines else line for number, line in enumerate(text.splitlines(), 1))
    return "\n".join(kept) + "\n"


def _read_sound_rows(reader: MotChallengeReader, folder: Path, error: InputError) -> LenientResult:
    """Read a sequence without its wrong rows, from a copy of its truth; what is wrong besides is told as it was."""
    truth = folder / "gt" / "gt.txt"
    try:
        rows = wrong_rows(folder)
    except (InputError, OSError, UnicodeDecodeError):
        rows = []
    if not rows:
        return LenientResult((), (from_error(error),))
    findings = tuple(_tell_rows(rows, truth))
    with tempfile.TemporaryDirectory(prefix="fairmot-") as scratch:
        copy = _scratch_copy(folder, Path(scratch), {row.line for row in rows})
        is_alone = reader.source.root == folder
        source = replace(reader.source, root=copy if is_alone else copy.parent)
        try:
            block = MotChallengeReader(source).read(copy)
        except InputError as other:
            told = str(other).replace(str(copy), str(folder))
            return LenientResult((), (*findings, from_error(InputError(told))))
    return LenientResult((replace(block, label_files=(str(truth),)),), findings)


def _tell_rows(rows: list[WrongRow], truth: Path) -> list[Finding]:
    found = []
    for check in (LABELS, LOST_ROWS):
        messages = {row.line: row.message for row in rows if row.check == check}
        describe = partial(_tell_row, truth, messages)
        found += list_findings(ERROR, check, list(messages), describe, name=str(truth))
    return found


def _tell_row(truth: Path, messages: Mapping[int, str], line: int) -> tuple[str, str]:
    return f"{truth}:{line}", messages[line]


def _scratch_copy(folder: Path, scratch: Path, lines: set[int]) -> Path:
    copy = scratch / folder.name
    (copy / "gt").mkdir(parents=True)
    text = (folder / "gt" / "gt.txt").read_text(encoding="utf-8-sig")
    (copy / "gt" / "gt.txt").write_text(without_lines(text, lines), encoding="utf-8")
    for entry in folder.iterdir():
        if entry.name != "gt":
            (copy / entry.name).symlink_to(entry.resolve())
    return copy


def _check_length(folder: Path) -> list[Finding]:
    """Compare the number of images with what seqinfo.ini says."""
    try:
        info = read_sequence_info(folder)
        count = len(list_images(folder / info.image_dir))
    except InputError:
        return []
    if info.length == count:
        return []
    message = f"seqLength is {info.length}, there are {count} images"
    return [Finding(WARNING, LENGTH, str(folder / "seqinfo.ini"), message, abs(info.length - count))]

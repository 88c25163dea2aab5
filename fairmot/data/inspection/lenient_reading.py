"""Lenient reading of labels: what cannot be read becomes a finding, and the rest is read.

A unit that fails is split in halves, down to single images. MOTChallenge ground truth is read from a temporary copy in
which the invalid rows are empty lines.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from fairmot.data.inspection.findings import ERROR, WARNING, Check, Finding, from_error, list_findings
from fairmot.data.readers.base import Bar, Reader, Unit, no_bar, read_units
from fairmot.data.readers.crowdhuman import OdgtUnit
from fairmot.data.readers.motchallenge import MotChallengeReader
from fairmot.data.readers.text_labels import TextUnit
from fairmot.formats.crowdhuman import FileRange
from fairmot.formats.motchallenge import list_images, parse_row, read_sequence_info
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

_MIN_COLUMNS = 7


class LenientResult(NamedTuple):
    """Annotations that could be read, and findings for the rest."""

    parts: tuple[Annotations, ...]
    findings: tuple[Finding, ...]


def read_leniently(reader: Reader, units: Sequence[Unit], *, processes: int = 0, bar: Bar = no_bar) -> LenientResult:
    """Read all units as `read_units` does; InputError only where a process is killed."""
    lenient = cast(Reader, _LenientReader(reader))
    return _join(cast(list[LenientResult], read_units(lenient, units, processes=processes, bar=bar)))


def _join(results: Sequence[LenientResult]) -> LenientResult:
    parts = tuple(part for result in results for part in result.parts)
    return LenientResult(parts, tuple(finding for result in results for finding in result.findings))


@dataclass(frozen=True)
class _LenientReader:
    """Reader that returns a `LenientResult`; picklable."""

    reader: Reader

    def read(self, unit: Unit) -> LenientResult:
        """Read a unit; never raises InputError."""
        is_mot = isinstance(self.reader, MotChallengeReader)
        findings = tuple(_check_length(unit)) if is_mot else ()
        try:
            return LenientResult((self.reader.read(unit),), findings)
        except InputError as error:
            halves = _halves(unit)
            if is_mot:
                result = _read_valid_rows(cast(MotChallengeReader, self.reader), unit, error)
            elif halves:
                result = _join([self.read(half) for half in halves])
            else:
                result = LenientResult((), (from_error(error),))
            return LenientResult(result.parts, (*findings, *result.findings))


def _halves(unit: Any) -> list[Any]:
    """Split a unit in two; return nothing if it cannot be split."""
    if isinstance(unit, TextUnit) and len(unit.images) > 1:
        middle = len(unit.images) // 2
        return [replace(unit, images=images) for images in (unit.images[:middle], unit.images[middle:])]
    if isinstance(unit, OdgtUnit):
        start, end, line = unit.part
        with unit.file.open("rb") as stream:
            stream.seek(start)
            lines = stream.read(end - start).splitlines(keepends=True)
        middle = len(lines) // 2
        cut = start + sum(map(len, lines[:middle]))
        ranges = [FileRange(start, cut, line), FileRange(cut, end, line + middle)] if middle else []
        return [replace(unit, part=part) for part in ranges]
    return []


def find_invalid_rows(folder: Path) -> dict[int, tuple[Check, str]]:
    """Return the ground truth rows of a sequence that cannot be read or have no image: line -> check and message."""
    has_info = (folder / "seqinfo.ini").exists()
    images = list_images(folder / (read_sequence_info(folder).image_dir if has_info else "img1"))
    is_numbered = all(image.stem.isdecimal() for image in images)
    frames = {int(image.stem) for image in images} if is_numbered else set(range(1, len(images) + 1))
    gt_file = folder / "gt" / "gt.txt"
    invalid = {}
    columns = 0  # of the valid rows
    for number, line in enumerate(gt_file.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = parse_row(gt_file, number, line, minimum=_MIN_COLUMNS)
        except InputError as error:
            invalid[number] = Check.UNREADABLE, str(error).removeprefix(f"{gt_file}:{number}: ")
            continue
        columns = columns or len(row)
        if len(row) != columns:
            invalid[number] = Check.UNREADABLE, f"{len(row)} columns where the lines above have {columns}"
        elif int(row[0]) not in frames:
            invalid[number] = Check.NO_IMAGE, f"frame {int(row[0])} has no image"
    return invalid


def _read_valid_rows(reader: MotChallengeReader, folder: Path, error: InputError) -> LenientResult:
    """Read a sequence without its invalid rows. error: of reading it with them."""
    gt_file = folder / "gt" / "gt.txt"
    try:
        invalid = find_invalid_rows(folder)
    except (InputError, OSError, UnicodeDecodeError):
        invalid = {}
    if not invalid:
        return LenientResult((), (from_error(error),))
    findings: list[Finding] = []
    for check in (Check.UNREADABLE, Check.NO_IMAGE):
        lines = [line for line, (found, _) in invalid.items() if found == check]
        findings += list_findings(
            ERROR, check, lines, lambda line: (f"{gt_file}:{line}", invalid[line][1]), name=str(gt_file)
        )
    with tempfile.TemporaryDirectory(prefix="fairmot-") as scratch:
        copy = _copy_without(folder, Path(scratch), set(invalid))
        source = replace(reader.source, root=copy if reader.source.root == folder else copy.parent)
        try:
            annotations = MotChallengeReader(source).read(copy)
        except InputError as other:
            message = str(other).replace(str(copy), str(folder))
            return LenientResult((), (*findings, from_error(InputError(message))))
    return LenientResult((replace(annotations, label_files=(str(gt_file),)),), tuple(findings))


def _copy_without(folder: Path, scratch: Path, lines: set[int]) -> Path:
    """Return a copy of a sequence in `scratch` with links to its files, and some ground truth lines made empty."""
    copy = scratch / folder.name
    (copy / "gt").mkdir(parents=True)
    text = (folder / "gt" / "gt.txt").read_text(encoding="utf-8-sig")
    kept = ("" if number in lines else line for number, line in enumerate(text.splitlines(), 1))
    (copy / "gt" / "gt.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
    for entry in folder.iterdir():
        if entry.name != "gt":
            (copy / entry.name).symlink_to(entry.resolve())
    return copy


def _check_length(folder: Path) -> list[Finding]:
    """Compare the number of images with seqinfo.ini."""
    try:
        info = read_sequence_info(folder)
        count = len(list_images(folder / info.image_dir))
    except InputError:
        return []
    if info.length == count:
        return []
    message = f"seqLength is {info.length}, there are {count} images"
    return [Finding(WARNING, Check.WRONG_LENGTH, str(folder / "seqinfo.ini"), message, abs(info.length - count))]

"""Text files that grow a frame at a time: what is written is on its way to the disk at once.

Until it is whole the file is `<name>.part`; that is what a run that was killed leaves, up to its last frame.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from fairmot.formats.atomic import check_writable, write_text
from fairmot.utils.errors import InputError


def part_path(path: Path) -> Path:
    """Return the name of a file that is not whole yet.

    >>> part_of(Path("runs/street.txt")).name
    'street.txt.part'
    """
    return path.with_name(f"{path.name}.part")


def require_different_file(path: Path, source: Path) -> None:
    """Raise InputError where a file to be written, `path`, is one that is read, `source`, by whatever names."""
    try:
        is_same = path.samefile(source)
    except OSError:  # one of them is not there, or `source` is no file's name
        return
    if is_same:
        raise InputError(f"{path}: is the input itself; give another --output")


def discard_rest(stream: TextIO) -> None:
    """Let what Python still holds for a stream that takes no more go nowhere, in place of an error as it ends."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


class StreamingTextFile:
    """Lines that go to `<path>.part`, flushed at each `write`, and to `path` when the block succeeds.

    finish: makes `path` of the whole `<path>.part`, which it takes away: both are its arguments; None renames it.

    Where the block fails, `<path>.part` stays with its lines, or goes where there are none; a file at `path` is as it
    was. InputError where the disk refuses.
    """

    def __init__(self, path: Path, *, finalize: Callable[[Path, Path], object] | None = None) -> None:
        self.path = path
        self._finish = finalize or Path.replace
        self.part = part_path(path)
        self._file: TextIO | None = None

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, which bring their ends, and hand them to the system: a kill takes none of them back."""
        if self._file is None:
            raise ValueError(f"{self.path}: lines are written inside the block")
        try:
            self._file.writelines(lines)
            self._file.flush()
        except OSError as error:
            raise self._refused(error) from None

    def __enter__(self) -> Self:
        check_writable(self.path)
        try:
            self._file = self.part.open("w", encoding="utf-8")
        except OSError as error:
            raise self._refused(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
            if kind is None:
                self._finish(self.part, self.path)
            elif not self.part.stat().st_size:
                self.part.unlink()
        except OSError as refusal:
            if kind is None:
                raise self._refused(refusal) from None

    def _refused(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot be written: {error.strerror or error}")


class LineStream:
    """Lines to a stream that is open already, stdout for one, flushed at each `write`; the stream stays open.

    stream: None is standard output; InputError where that is closed.

    `is_gone` tells that whoever read them has gone; from then on nothing is written.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        chosen = stream or sys.stdout
        if chosen is None:  # as `>&-` leaves it
            raise InputError("standard output: is closed")
        self._stream = chosen
        self.is_closed = False

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, which bring their ends; InputError where the disk behind the stream refuses them."""
        if self.is_closed:
            return
        try:
            self._stream.writelines(lines)
            self._stream.flush()
        except BrokenPipeError:
            self.is_closed = True
            discard_rest(self._stream)
        except OSError as error:
            discard_rest(self._stream)
            raise InputError(f"standard output: cannot be written: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the stream open."""


def read_text(path: Path) -> str:
    """Return a file's text (UTF-8, with or without a byte order mark); InputError in one line where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a line to `path`, which is made where it is missing; OSError where the disk refuses it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def filter_rows(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
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

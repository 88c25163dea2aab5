"""Text files: incremental writing, JSON lines, and reading with errors of one line.

A file that is written incrementally is called `<name>.part` until it is complete. A killed process leaves that file
with everything that was written.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TextIO

from fairmot.formats.atomic import check_writable, write_errors, write_text
from fairmot.utils.errors import InputError


def part_path(path: Path) -> Path:
    """Return the name of an incomplete file.

    >>> part_path(Path("runs/street.txt")).name
    'street.txt.part'
    """
    return path.with_name(f"{path.name}.part")


def require_different_file(path: Path, source: Path) -> None:
    """Raise InputError if an output file `path` is the input file `source`, also under another name."""
    with suppress(OSError):  # one of them does not exist
        if path.samefile(source):
            raise InputError(f"{path}: is the input itself; give another --output")


def discard_rest(stream: TextIO) -> None:
    """Redirect a stream that cannot be written to the null device, so that flushing it at exit raises no error."""
    with suppress(OSError), Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), stream.fileno())


class StreamingTextFile:
    """Context manager of a text file that is flushed at each `write`: `<path>.part`, renamed when the block succeeds.

    finalize: creates `path` from the complete `<path>.part` and removes that; called with (part, path). None: rename.

    If the block fails, `<path>.part` is kept unless it is empty, and a file at `path` is unchanged. Raises InputError
    for disk errors.
    """

    def __init__(self, path: Path, *, finalize: Callable[[Path, Path], object] | None = None) -> None:
        self.path, self.part = path, part_path(path)
        self._finalize = finalize or Path.replace
        self._file: TextIO | None = None

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, with their line ends, and flush; written lines survive if the process is killed."""
        if self._file is None:
            raise ValueError(f"{self.path}: not open; write inside the block")
        with write_errors(self.path):
            self._file.writelines(lines)
            self._file.flush()

    def __enter__(self) -> Self:
        check_writable(self.path)
        with write_errors(self.path):
            self._file = self.part.open("w", encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        file, self._file = self._file, None
        try:
            with write_errors(self.path):
                if file is not None:
                    file.close()
                if kind is None:
                    self._finalize(self.part, self.path)
                elif not self.part.stat().st_size:
                    self.part.unlink()
        except InputError:
            if kind is None:
                raise


class LineStream:
    """Lines to an open stream, flushed at each `write`; the stream is not closed.

    stream: default: standard output; InputError if that is closed.
    is_closed: whether the reader of the stream has ended; later lines are discarded.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        chosen = stream or sys.stdout
        if chosen is None:  # as with `>&-` in a shell
            raise InputError("standard output: is closed")
        self._stream = chosen
        self.is_closed = False

    def write(self, lines: Iterable[str]) -> None:
        """Append lines, with their line ends; InputError for disk errors."""
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


def read_text(path: Path) -> str:
    """Return a file's text (UTF-8, with or without byte order mark); InputError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append an object to a JSON lines file, which is created if absent; OSError for disk errors."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def filter_rows(path: Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Remove the rows of a JSON lines file for which `keep` is False, and incomplete or invalid lines.

    A file without such rows is not written.
    """
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if (row := _parse_row(line)) is not None and keep(row)]
    if len(kept) < len(lines):
        write_text(path, "".join(kept))


def _parse_row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line) if line.endswith("\n") else None
    except ValueError:
        return None
    return row if isinstance(row, dict) else None

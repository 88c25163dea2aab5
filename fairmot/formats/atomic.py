"""Write beside, then rename: a reader never sees half a file, and a crash leaves the old one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairmot.utils.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder (made if absent); rename it to `path` when the block succeeds.

    The temporary name keeps the suffix, since some writers choose their format by it. On an exception the temporary
    file is removed and `path` stays as it was. InputError where no file can stand at `path`.
    """
    check_writable(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Make `path`'s folder; InputError where that cannot be, or where `path` is a folder itself."""
    if path.is_dir():
        raise InputError(f"{path}: a folder, where a file is to be written")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""Atomic file writing: a temporary file in the same folder, renamed when it is complete."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fairmot.utils.errors import InputError

STALE_SECONDS = 3600.0  # age from which a temporary file of an unknown process counts as abandoned
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder (created if absent); rename it to `path` when the block succeeds.

    The temporary name keeps the suffix, by which some writers choose their format. On an exception the temporary file
    is removed and `path` is unchanged.
    durable: synchronize the content with the disk before the file is renamed, and the folder before this returns, so
        that either the old or the new file survives a power failure.

    Raises InputError where `path` cannot be a file, and for disk errors: full, over quota, read-only, failing. Other
    exceptions of the block are raised unchanged, also an OSError about another file.
    """
    check_writable(path)
    existed = path.exists()
    # Several machines may share the folder, and process numbers are unique on one machine only.
    temporary = path.with_name(f".{path.stem}.{os.uname().nodename}.{os.getpid()}.part{path.suffix}")
    try:
        temporary.unlink(missing_ok=True)  # left by a killed process of the same number, in another container
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        if not _is_disk_error(error, path, temporary):
            raise
        unchanged = "; the existing file is unchanged" if existed else ""
        raise InputError(f"{path}: cannot be written: {error.strerror or error}{unchanged}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    if durable:
        with suppress(OSError):  # some network file systems cannot synchronize folders
            _sync(path.parent)


@contextmanager
def write_errors(path: Path, kinds: tuple[type[Exception], ...] = (OSError,)) -> Iterator[None]:
    """Turn errors of the block into an InputError that names `path`."""
    try:
        yield
    except kinds as error:
        raise InputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def check_writable(path: Path) -> None:
    """Create `path`'s folder; InputError where that is impossible or `path` is a folder itself."""
    with write_errors(path):
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected a file to write")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.exists()  # fails if the name is too long


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(path: Path, *, now: float) -> None:
    """Remove temporary files of `path` that killed processes left.

    Those are files of processes of this machine that no longer exist, and files of any machine (containers have
    different names) that did not change in the hour before `now`, in seconds of the file system's clock.
    """
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    name = re.compile(rf"\.{stem}\.(?:(?P<host>.+)\.)?(?P<process>\d{{1,9}})\.part{suffix}")
    with suppress(OSError):  # a folder that cannot be listed
        for file in list(path.parent.iterdir()):
            found = name.fullmatch(file.name)
            if found is None:
                continue
            is_orphan = found["host"] == os.uname().nodename and not _is_alive(int(found["process"]))
            with suppress(OSError):  # removed meanwhile, or another user's
                if is_orphan or now - file.lstat().st_ctime > STALE_SECONDS:
                    file.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno != errno.ESRCH  # EPERM: another user's process
    return True


def _is_disk_error(error: OSError, *paths: Path) -> bool:
    """Return whether an error is about one of `paths`, or is a disk error without a file name (as of `write`)."""
    named = {str(name) for name in (error.filename, error.filename2) if name is not None}
    return bool(named & {str(path) for path in paths}) if named else error.errno in _DISK_ERRORS


def _sync(path: Path) -> None:
    """Synchronize a file's content, or a folder's entries, with the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

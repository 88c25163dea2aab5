"""Write beside, then rename: a reader never sees half a file, and a crash leaves the old one."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fairmot.utils.errors import InputError

STALE_SECONDS = 3600.0  # seconds without a change after which nobody is writing a temporary file any more
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE}


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder (made if absent); rename it to `path` when the block succeeds.

    The temporary name keeps the suffix, since some writers choose their format by it. On an exception the temporary
    file is removed and `path` stays as it was.
    durable: have the disk hold the content before it gets the name, and the name before this returns, so that a
        machine that stops keeps the old file or the new one.

    InputError where no file can stand at `path`, or the disk refuses it: full, over quota, read-only, failing. An
    OSError of the block that is not about this file, and any other exception, passes.
    """
    check_writable(path)
    stood = path.exists()
    temporary = _temporary(path)
    try:
        temporary.unlink(missing_ok=True)  # a dead process's, in a container where ours has the same number
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        if not _is_refusal(error, path, temporary):
            raise
        raise InputError(_cannot(path, error) + ("; the file there is as it was" if stood else "")) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    if durable:
        with suppress(OSError):  # some network file systems do not sync folders
            _sync(path.parent)


def check_writable(path: Path) -> None:
    """Make `path`'s folder; InputError where that cannot be, or where `path` is a folder itself."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: a folder, where a file is to be written")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.exists()  # refused where the name is too long
    except OSError as error:
        raise InputError(_cannot(path, error)) from None


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(path: Path, *, now: float) -> None:
    """Remove temporary files of `path` that killed processes left beside it.

    Those are the ones of this machine whose process is gone, and of any machine (other containers have other names)
    those that did not change in the hour before `now`: seconds on the file system's own clock.
    """
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    name = re.compile(rf"\.{stem}\.(?:(?P<host>.+)\.)?(?P<process>\d{{1,9}})\.part{suffix}")
    for file in _list(path.parent):
        found = name.fullmatch(file.name)
        if found is None:
            continue
        is_orphan = found["host"] == _host() and not _is_alive(int(found["process"]))
        with suppress(OSError):  # gone by now, or another user's
            if is_orphan or now - file.lstat().st_ctime > STALE_SECONDS:
                file.unlink()


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # one that may be written to, not listed
        return []


def _temporary(path: Path) -> Path:
    """Several machines may share the folder, and process numbers are a machine's own."""
    return path.with_name(f".{path.stem}.{_host()}.{os.getpid()}.part{path.suffix}")


def _host() -> str:
    return os.uname().nodename


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _is_refusal(error: OSError, *paths: Path) -> bool:
    """Tell the disk's refusal of these files from what else went wrong meanwhile; write() names no file."""
    named = {str(name) for name in (error.filename, error.filename2) if name is not None}
    return bool(named & {str(path) for path in paths}) if named else error.errno in _DISK


def _cannot(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written: {error.strerror or error}"


def _sync(path: Path) -> None:
    """Have the disk hold a file's content, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

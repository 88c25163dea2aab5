"""Checkpoints: one `.pt` that loads with `weights_only=True`, written beside and renamed, checked when read."""

import re
import shutil
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import torch

from fairmot.formats.atomic import atomic_write, remove_leftovers
from fairmot.formats.legacy_pickle import SAFE_GLOBALS
from fairmot.utils.errors import InputError

_WANTED_CLASS = re.compile(r"GLOBAL (\S+)")
_ZIP = b"PK\x03\x04"
_FOLDER = 0x10  # of a record's attributes, as DOS has them
_DAMAGED = "a PyTorch file, but damaged, cut short or more than weights"
_LOOKS = (  # how a file begins -> what it is; the first that fits
    (re.compile(rb"\s*(<!doctype|<html|<head|<\?xml)", re.IGNORECASE), "a web page, not weights: fetch the file again"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not weights: git lfs pull fetches the file"),
    (re.compile(_ZIP), _DAMAGED),
    (re.compile(rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"), _DAMAGED),
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle, but not one of PyTorch's, or cut short"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!"), "a compressed archive: unpack it first"),
    (re.compile(rb"[\t\n\r\x20-\x7e]{0,64}\Z"), "text"),
)


def write_checkpoint(path: Path, content: Mapping[str, Any], *, previous: Path | None = None) -> None:
    """Write nested dicts, lists, numbers, strings and tensors to `path`; return when the disk holds them.

    previous: the name that the checkpoint which stood at `path` goes on under (a hard link, or a copy where the file
        system has none). Until the new one is whole and at `path`, both names keep what they have: whenever the
        process is killed or the machine stops, `path` is there and as whole as before. One checkpoint more than is
        kept has to fit on the disk meanwhile.

    Leftovers of killed processes are removed (`remove_leftovers`). Raises InputError where the disk refuses the file
    (full, over quota, read-only, failing); `path` and `previous` are then as they were.
    """
    with ExitStack() as stack:
        if previous is not None and zipfile.is_zipfile(path):  # what was cut short is not kept
            spare = stack.enter_context(atomic_write(previous, durable=True))
            _link(path, spare)
            remove_leftovers(previous, now=spare.stat().st_ctime)
        temporary = stack.enter_context(atomic_write(path, durable=True))
        temporary.touch()
        remove_leftovers(path, now=temporary.stat().st_ctime)
        _save(dict(content), temporary)


def _link(path: Path, other: Path) -> None:
    try:
        other.hardlink_to(path)
    except OSError:  # no hard links here, or another disk
        shutil.copyfile(path, other)


def _save(content: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        outlet = _Outlet(file)
        torch.save(content, cast(IO[bytes], outlet))
        if outlet.error is not None:
            raise outlet.error


class _Outlet:
    """A file whose first error is kept for later.

    PyTorch's zip writer tells of a full disk as a RuntimeError about positions, whether it opened the file itself or
    an OSError came out of one it was given: its closing fails as well, and hides the reason. So it never sees one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.error: BaseException | None = None
        self._file = file

    def write(self, data: memoryview) -> int:
        """Write on, unless there was an error."""
        if self.error is None:
            try:
                self._file.write(data)
            except BaseException as error:  # Ctrl-C too
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Do nothing: closing the file flushes it."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, old formats and NumPy values beside the weights included, onto the CPU; run no code from it.

    Raises InputError: no such file, not a PyTorch file (said what it looks like), damaged (each tensor's bytes have a
    checksum beside them), or one that needs a class of the program that made it.
    """
    start = _read_start(path)
    try:
        if start.startswith(_ZIP):
            _check_sums(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(SAFE_GLOBALS):
            warnings.simplefilter("ignore")  # old pickle protocols, old storages: what matters is raised
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file can raise anything at all
        raise InputError(f"{path}: {_explain(start, error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not a dict of weights")
    return content


def offer_previous(previous: Path) -> str:
    """Return the end of a sentence about a checkpoint that cannot be read: where training can go on from instead.

    Empty where `previous` is missing, broken too, or not of a training. Reads the whole file.
    """
    try:
        progress = read_checkpoint(previous).get("progress")
    except InputError:
        return ""
    if not isinstance(progress, dict) or not {"epoch", "step"} <= progress.keys():
        return ""
    return (
        f"; the one before it is whole: {previous} (epoch {progress['epoch']}, step {progress['step']}): "
        f"--resume-from {previous} goes on from there"
    )


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a checkpoint") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _check_sums(path: Path) -> None:
    """Raise BadZipFile unless every record's bytes fit their CRC-32: `torch.load` does not look.

    A file whose sums are all 0 was written without them (`torch.serialization.set_crc32_options(False)`).
    """
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        folders = [record.filename for record in records if record.file_size and record.external_attr & _FOLDER]
        if folders:  # to PyTorch a tensor without bytes: its memory would stay as it was found
            raise zipfile.BadZipFile(f"{folders[0]} is called a folder")
        broken = archive.testzip() if any(record.CRC for record in records) else None
    if broken is not None:
        raise zipfile.BadZipFile(f"{broken} does not fit its checksum")


def _explain(start: bytes, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    wanted = _WANTED_CLASS.search(reason)
    if wanted:
        return (
            f"not a checkpoint that loads safely: it wants {wanted[1]}, and loading that could run code; in the "
            "program that made the file, save its state_dict: torch.save(model.state_dict(), 'weights.pth')"
        )
    if not start:
        return "not a checkpoint: an empty file"
    if isinstance(error, zipfile.BadZipFile):
        return f"not a checkpoint that loads safely: a PyTorch file, but damaged or cut short ({reason[:160]})"
    look = next((text for pattern, text in _LOOKS if pattern.match(start)), "no format known here")
    reason = reason.rpartition("WeightsUnpickler error: ")[2].partition(" Check the documentation")[0]
    detail = f" ({reason[:160]})" if look == _DAMAGED else ""
    return f"not a checkpoint that loads safely: {look}{detail}"

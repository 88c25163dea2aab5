"""Checkpoint files: one `.pt` that loads with `weights_only=True`, written atomically, verified when read."""

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

FORMAT = 1  # of the training checkpoints: the value of their key `format`

_REQUIRED_CLASS = re.compile(r"GLOBAL (\S+)")
_ZIP = b"PK\x03\x04"
_FOLDER = 0x10  # DOS attribute of a record
_DAMAGED = "a PyTorch file, but damaged, truncated or more than weights"
_SIGNATURES = (  # first bytes -> kind of file; the first match counts
    (re.compile(rb"\s*(<!doctype|<html|<head|<\?xml)", re.IGNORECASE), "a web page, not weights: download it again"),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not weights: run git lfs pull"),
    (re.compile(_ZIP), _DAMAGED),
    (re.compile(rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"), _DAMAGED),
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle, but not a PyTorch file, or truncated"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!"), "a compressed archive: unpack it first"),
    (re.compile(rb"[\t\n\r\x20-\x7e]{0,64}\Z"), "text"),
)


def write_checkpoint(path: Path, content: Mapping[str, Any], *, previous: Path | None = None) -> None:
    """Write nested dicts, lists, numbers, strings and tensors to `path`; return when they are on the disk.

    previous: path that keeps the file that was at `path` (a hard link, or a copy where the file system has none). Both
        files are replaced atomically, so `path` is complete even if the process is killed or the machine stops. The
        disk needs room for one checkpoint more than is kept.

    Leftovers of killed processes are removed (`remove_leftovers`). Raises InputError where the disk refuses the file
    (full, over quota, read-only, failing); `path` and `previous` are unchanged then.
    """
    with ExitStack() as stack:
        if previous is not None and zipfile.is_zipfile(path):  # a truncated file is not kept
            copy = stack.enter_context(atomic_write(previous, durable=True))
            try:
                copy.hardlink_to(path)
            except OSError:  # no hard links here, or another disk
                shutil.copyfile(path, copy)
            remove_leftovers(previous, now=copy.stat().st_ctime)
        temporary = stack.enter_context(atomic_write(path, durable=True))
        temporary.touch()
        remove_leftovers(path, now=temporary.stat().st_ctime)
        with temporary.open("wb") as file:
            output = _DeferredErrors(file)
            torch.save(dict(content), cast(IO[bytes], output))
            if output.error is not None:
                raise output.error


class _DeferredErrors:
    """File that keeps its first error in `error` instead of raising it.

    PyTorch's zip writer hides the OSError of a full disk behind a RuntimeError about positions.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.error: BaseException | None = None
        self._file = file

    def write(self, data: memoryview) -> int:
        """Write `data`, unless an earlier write failed."""
        if self.error is None:
            try:
                self._file.write(data)
            except BaseException as error:  # Ctrl-C too
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Do nothing: closing the file flushes it."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without running code from it; old PyTorch formats and NumPy values are allowed.

    Raises InputError for a missing file, one of another kind (which is named), a damaged one (by its checksums), one
    that requires a class of the program that wrote it, and a training checkpoint of an unknown `format`.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:  # missing, a folder, no permission
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    try:
        if start.startswith(_ZIP):
            _check_sums(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(SAFE_GLOBALS):
            warnings.simplefilter("ignore")  # of old pickle protocols and storages
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file can raise anything at all
        raise InputError(f"{path}: {_explain(start, error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: contains a {type(content).__name__}, not a dict of weights")
    version = content.get("format", FORMAT)
    is_foreign = isinstance(version, str) and "cfg" not in content  # weights of another program
    if (type(version) is not int or version != FORMAT) and not is_foreign:
        raise InputError(f"{path}: unknown checkpoint format {version!r:.40}; this version reads format {FORMAT}")
    return content


def offer_previous(previous: Path) -> str:
    """Return the end of an error message that offers to resume from `previous` instead.

    Empty where `previous` is missing, damaged too, or not a training checkpoint. Reads the full file.
    """
    try:
        progress = read_checkpoint(previous).get("progress")
    except InputError:
        return ""
    if not isinstance(progress, dict) or not {"epoch", "step"} <= progress.keys():
        return ""
    position = f"epoch {progress['epoch']}, step {progress['step']}"
    return f"; the previous checkpoint ({position}) is intact: continue with --resume-from {previous}"


def _check_sums(path: Path) -> None:
    """Raise BadZipFile unless every record matches its CRC-32, which `torch.load` does not check.

    A file whose checksums are all 0 was written without (`torch.serialization.set_crc32_options(False)`).
    """
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        folders = [record.filename for record in records if record.file_size and record.external_attr & _FOLDER]
        if folders:  # PyTorch would leave the tensor's memory uninitialised
            raise zipfile.BadZipFile(f"{folders[0]} is flagged as a folder")
        broken = archive.testzip() if any(record.CRC for record in records) else None
    if broken is not None:
        raise zipfile.BadZipFile(f"{broken} does not match its checksum")


def _explain(start: bytes, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    required = _REQUIRED_CLASS.search(reason)
    if required:
        return (
            f"not a checkpoint that loads safely: it requires {required[1]}, and loading that could run code; in the "
            "program that wrote the file, save its state_dict: torch.save(model.state_dict(), 'weights.pth')"
        )
    if not start:
        return "not a checkpoint: an empty file"
    if isinstance(error, zipfile.BadZipFile):
        return f"not a checkpoint that loads safely: a PyTorch file, but damaged or truncated ({reason[:160]})"
    kind = next((text for pattern, text in _SIGNATURES if pattern.match(start)), "an unknown format")
    reason = reason.rpartition("WeightsUnpickler error: ")[2].partition(" Check the documentation")[0]
    detail = f" ({reason[:160]})" if kind == _DAMAGED else ""
    return f"not a checkpoint that loads safely: {kind}{detail}"

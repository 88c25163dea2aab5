"""Indexes kept on disk: made once, mapped at every later start.

An index's folder is called after a digest of what was asked for (layout, place, selection). Its manifest says what it
was made from: digests of the lists, sizes and times of label files, times of folders. When one of these is another, the
index is made anew. A label file rewritten in place, one of very many, changes none of them: `verify` reads all again.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairmot.data.index.builder import Selection, build_index
from fairmot.data.index.label_index import LabelIndex, open_index, write_index
from fairmot.data.readers.base import Bar, Reader, ReadPlan, Source, no_bar, read_units
from fairmot.utils.errors import InputError

MANIFEST = "manifest.json"
FORMAT = 1  # of the files; another one makes every index anew

Stamps = dict[str, Any]


@dataclass(frozen=True)
class DatasetSpec:
    """One data set as it is asked for: which reader, of what, and which part of it."""

    layout: str
    source: Source
    selection: Selection

    def key(self) -> str:
        """Return what the index's folder is called."""
        facts = json.dumps([FORMAT, asdict(self)], default=str, sort_keys=True)
        name = "".join(letter if letter.isalnum() else "_" for letter in self.source.name)[-40:]
        return f"{name}-{hashlib.sha256(facts.encode('utf-8', 'surrogateescape')).hexdigest()[:20]}"


def load_index(
    wanted: DatasetSpec, reader: Reader, *, cache: Path, verify: bool = False, processes: int = 0, bar: Bar = no_bar
) -> LabelIndex:
    """Return the index of a data set, mapped from `cache`; make it there first when it is absent or out of date.

    verify: read all labels again, whatever the cache holds.
    Raises InputError: labels that cannot be read, or a cache that cannot be written.
    """
    folder = cache / wanted.key()
    if not verify and _is_current(folder):
        with suppress(InputError):  # damaged: made again
            return open_index(folder)
    plan = reader.plan()
    stamps = _stamps(plan)  # before reading: a change in between shows at the next start
    index = build_index(
        read_units(reader, plan.units, processes=processes, bar=bar),
        wanted.selection,
        name=wanted.source.name,
        image_root=str(reader.image_root.resolve()),
        is_normalised=reader.is_normalised,
    )
    _store(index, stamps, folder)
    return open_index(folder)


def cache_folder(choice: str = "") -> Path:
    """Return the folder that indexes are kept in, made if it is absent.

    choice: a folder, which must be writable; "" takes $FAIRMOT_CACHE, else ~/.cache/fairmot (or $XDG_CACHE_HOME), and
    where that cannot be written a folder of the system's for temporary files.
    """
    named = choice or os.environ.get("FAIRMOT_CACHE", "")
    if named:
        folder = Path(named).expanduser()
        if not _is_writable(folder):
            raise InputError(f"DATA.CACHE: {folder} cannot be written")
        return folder
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(base) if base else Path("~/.cache").expanduser()) / "fairmot"
    if _is_writable(folder):
        return folder
    fallback = Path(tempfile.gettempdir()) / f"fairmot-{os.getuid()}"
    if not _is_writable(fallback):
        raise InputError(f"no place for indexes: neither {folder} nor {fallback} can be written; set DATA.CACHE")
    return fallback


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _is_current(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        stamps = ((kind, *stamp) for kind, of_kind in manifest.items() for stamp in of_kind.items())
        return all(_stamp_of[kind](path) == stamp for kind, path, stamp in stamps)
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _stamps(plan: ReadPlan) -> Stamps:
    parts: dict[str, Iterable[Path]] = {"lists": plan.lists, "files": plan.files, "folders": plan.folders}
    return {kind: {str(path): _stamp_of[kind](str(path)) for path in paths} for kind, paths in parts.items()}


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size_and_time(path: str) -> list[int]:
    status = os.stat(path)  # noqa: PTH116 - many of them, and Path takes its time
    return [status.st_size, status.st_mtime_ns]


def _time(path: str) -> int:
    return os.stat(path).st_mtime_ns  # noqa: PTH116


_stamp_of = {"lists": _digest, "files": _size_and_time, "folders": _time}


def _store(index: LabelIndex, stamps: Stamps, folder: Path) -> None:
    """Write beside, then rename; an index that is there makes way."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            write_index(index, fresh)
            (fresh / MANIFEST).write_text(json.dumps(stamps), encoding="utf-8")
            _swap(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{folder}: the index cannot be written: {error.strerror}; DATA.CACHE names a place") from None


def _swap(fresh: Path, folder: Path) -> None:
    """Put `fresh` in the place of `folder`. Who has the old one mapped keeps it."""
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
        with suppress(FileNotFoundError):  # another process was faster
            folder.replace(old / "index")
        shutil.rmtree(old, ignore_errors=True)
    try:
        fresh.replace(folder)
    except OSError:
        if not folder.exists():  # else another process has just put the same index there
            raise

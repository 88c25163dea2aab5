"""Cache of label indexes on disk: built once, memory-mapped at every later start.

An index's folder is named by a digest of its data set specification. Its manifest records digests of lists, sizes and
times of label files, and times of folders; when one of them has changed, the index is built again. A label file that is
rewritten in place, one per image, changes none of them: `rebuild` reads all labels again.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairmot.data.index.builder import Selection, build_index
from fairmot.data.index.label_index import LabelIndex, open_index, write_index
from fairmot.data.readers.base import Bar, Reader, Source, no_bar, read_units
from fairmot.utils.errors import InputError

MANIFEST = "manifest.json"
FORMAT = 1  # of the files; a new number rebuilds all indexes


@dataclass(frozen=True)
class DatasetSpec:
    """Specification of a data set: its layout, its source, and the part that is selected."""

    layout: str
    source: Source
    selection: Selection

    def key(self) -> str:
        """Return the name of the index's folder."""
        text = json.dumps([FORMAT, asdict(self)], default=str, sort_keys=True)
        name = "".join(letter if letter.isalnum() else "_" for letter in self.source.name)[-40:]
        return f"{name}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:20]}"


def load_index(
    spec: DatasetSpec, reader: Reader, *, cache: Path, rebuild: bool = False, processes: int = 0, bar: Bar = no_bar
) -> LabelIndex:
    """Return the index of a data set, mapped from `cache`; build it first when it is absent or out of date.

    rebuild: read all labels again, whatever the cache holds.
    Raises InputError: labels that cannot be read, or a cache that cannot be written.
    """
    folder = cache / spec.key()
    if not rebuild and _is_current(folder):
        with suppress(InputError):  # damaged: built again
            return open_index(folder)
    plan = reader.plan()
    # before reading, so that a change during reading is noticed at the next start:
    manifest = {
        kind: {str(path): fingerprint(str(path)) for path in getattr(plan, kind)}
        for kind, fingerprint in _FINGERPRINTS.items()
    }
    index = build_index(
        read_units(reader, plan.units, processes=processes, bar=bar),
        spec.selection,
        name=spec.source.name,
        image_root=str(reader.image_root.resolve()),
        is_normalised=reader.is_normalised,
    )
    _store(index, manifest, folder)
    return open_index(folder)


def cache_folder(choice: str = "") -> Path:
    """Return the folder of cached indexes, created if it is absent.

    choice: a folder, which must be writable; "" selects $FAIRMOT_CACHE, else ~/.cache/fairmot (or $XDG_CACHE_HOME), and
    if that cannot be written a folder in the system's folder of temporary files.
    """
    named = choice or os.environ.get("FAIRMOT_CACHE", "")
    if named:
        folder = Path(named).expanduser()
        if not _is_writable(folder):
            raise InputError(f"DATA.CACHE: {folder} cannot be written")
        return folder
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fairmot"
    fallback = Path(tempfile.gettempdir()) / f"fairmot-{os.getuid()}"
    for candidate in (folder, fallback):
        if _is_writable(candidate):
            return candidate
    raise InputError(f"no folder for indexes: neither {folder} nor {fallback} can be written; set DATA.CACHE")


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
        return all(
            _FINGERPRINTS[kind](path) == recorded
            for kind, fingerprints in manifest.items()
            for path, recorded in fingerprints.items()
        )
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size_and_time(path: str) -> list[int]:
    status = os.stat(path)  # noqa: PTH116 - Path.stat is slower
    return [status.st_size, status.st_mtime_ns]


def _time(path: str) -> int:
    return os.stat(path).st_mtime_ns  # noqa: PTH116


_FINGERPRINTS: dict[str, Callable[[str], Any]] = {"lists": _digest, "files": _size_and_time, "folders": _time}


def _store(index: LabelIndex, manifest: dict[str, Any], folder: Path) -> None:
    """Write into a temporary folder, then replace `folder` by it. Processes that have the old one mapped keep it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            fresh = temporary / "new"
            fresh.mkdir(mode=0o700)
            write_index(index, fresh)
            (fresh / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            with suppress(FileNotFoundError):  # there is none, or another process has moved it
                folder.replace(temporary / "old")
            try:
                fresh.replace(folder)
            except OSError:
                if not folder.exists():  # else another process has just stored the same index
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{folder}: the index cannot be written: {error.strerror}; set DATA.CACHE") from None

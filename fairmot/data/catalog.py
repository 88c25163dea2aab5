"""From what the configuration names to sequence folders."""

from collections.abc import Sequence
from pathlib import Path

from fairmot.formats.motchallenge import find_sequences
from fairmot.utils.errors import InputError


def resolve_sequences(root: Path, entries: Sequence[str], *, key: str = "DATA.TRAIN") -> tuple[Path, ...]:
    """Return the sequence folders that `entries` name, in their order and by name within each.

    entries: folders relative to `root`, or absolute; "." is `root` itself. Each is a MOTChallenge sequence or a folder
        of them.
    key: the configuration key that holds the entries, for messages.

    Raises InputError: no such folder, no sequence in it, or a sequence that two entries reach.
    """
    found: dict[Path, str] = {}
    for entry in entries:
        for folder in _sequences_of(root, entry, key):
            place = folder.resolve()
            if place in found:
                raise InputError(f"{key}: {folder} is reached by both {found[place]!r} and {entry!r}")
            found[place] = entry
    return tuple(found)


def _sequences_of(root: Path, entry: str, key: str) -> list[Path]:
    folder = root / entry
    if not folder.is_dir():
        if not root.is_dir() and not Path(entry).is_absolute():
            raise InputError(f"DATA.ROOT: {root}: no such folder")
        raise InputError(f"{key}: {entry!r}: no such folder under DATA.ROOT {root}")
    try:
        return find_sequences(folder)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None

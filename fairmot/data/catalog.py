"""Resolution of configured data sets: a name of the catalog, a folder, or an annotation file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmot.config.datasets import DATASETS, dataset_node
from fairmot.data.index.builder import Selection
from fairmot.data.index.cache import DatasetSpec
from fairmot.data.index.splits import Split
from fairmot.data.readers.base import Source
from fairmot.data.readers.motchallenge import select_sequences
from fairmot.data.readers.registry import detect_layout
from fairmot.formats.motchallenge import class_numbers
from fairmot.utils.errors import InputError

MOT = "mot"


@dataclass(frozen=True)
class SequenceSpan:
    """A sequence's folder, and the split of its frames."""

    folder: Path
    split: Split


def resolve_data_set(
    entry: str,
    *,
    root: Path,
    sets: Mapping[str, Any],
    classes: Sequence[str],
    limit: int = 0,
    key: str = "DATA.TRAIN",
) -> DatasetSpec:
    """Return the data set that an entry of `key` names.

    entry: a name of `sets` or the catalog, or a folder or annotation file relative to `root`, or absolute.
    sets: the section DATA.SETS. classes: DATA.CLASSES. limit: DATA.FRAME_LIMIT.

    Raises InputError: nothing of that name, or an unknown layout.
    """
    keys = sets[entry] if entry in sets else dataset_node(entry)
    path = _locate(entry, Path(keys["ROOT"]), root=root, is_named=entry in sets or entry in DATASETS, key=key)
    layout = detect_layout(path, key=f"{key}: {entry!r}") if keys["LAYOUT"] == "auto" else keys["LAYOUT"]
    numbers = class_numbers(classes) if layout == MOT else tuple(range(len(classes)))
    for name, only, default in (("BOX", "crowdhuman", "full"), ("DETECTOR", MOT, "auto")):
        if layout != only and keys[name] != default:
            raise InputError(f"DATA.SETS.{entry}.{name}: only used in {only} layout, not in {layout}")
    first, last = keys["FRAMES"]
    split = Split(keys["SPLIT"], keys["HALF"], first, last, limit)
    source = Source(
        root=path,
        labels=keys["LABELS"],
        images=keys["IMAGES"],
        box=keys["BOX"],
        detector=keys["DETECTOR"],
        sequences=tuple(keys["SEQUENCES"]),
        name=entry,
    )
    selection = Selection(tuple(classes), numbers, split, keys["IDENTITY"], keys["CLIP"], source.sequences)
    return DatasetSpec(layout, source, selection)


def resolve_spans(
    entries: Sequence[str], *, root: Path, sets: Mapping[str, Any], classes: Sequence[str], key: str = "DATA.VAL"
) -> tuple[SequenceSpan, ...]:
    """Return the MOTChallenge sequences that `entries` name, each with its split.

    Raises InputError: as `resolve_data_set`; another layout; a sequence that is in two entries.
    """
    found: dict[Path, str] = {}
    spans = []
    for entry in entries:
        spec = resolve_data_set(entry, root=root, sets=sets, classes=classes, key=key)
        if spec.layout != MOT:
            raise InputError(f"{key}: {entry!r} is in {spec.layout} layout; only MOTChallenge sequences are tracked")
        try:
            folders = select_sequences(spec.source)
        except InputError as error:
            raise InputError(f"{key}: {error}") from None
        for folder in folders:
            if folder in found:
                raise InputError(f"{key}: {folder} is in both {found[folder]!r} and {entry!r}")
            found[folder] = entry
            spans.append(SequenceSpan(folder, spec.selection.split))
    return tuple(spans)


def _locate(entry: str, location: Path, *, root: Path, is_named: bool, key: str) -> Path:
    path = root / location.expanduser()
    if path.exists():
        return path.resolve()
    if not root.is_dir() and not location.is_absolute():
        raise InputError(f"DATA.ROOT: {root}: no such folder")
    if is_named:
        raise InputError(f"{key}: {entry!r}: {path} does not exist; set DATA.SETS.{entry}.ROOT")
    raise InputError(
        f"{key}: {entry!r}: no such folder under DATA.ROOT {root}, and no data set of that name "
        f"({', '.join([*DATASETS][:3])}, ...; docs/data.md lists them)"
    )

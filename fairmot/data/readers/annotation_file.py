"""Annotation files that hold a full data set: the file of a source, and the images of it that are read."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fairmot.data.readers.base import Source, match_sequences
from fairmot.data.readers.paths import files_with
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError


def find_label_file(
    source: Source, *, suffix: str, subfolders: Sequence[str] = (), fits: Callable[[Path], bool] = Path.is_file
) -> Path:
    """Return the annotation file of a source: the one named, its root, or the only one in the folder.

    subfolders: searched in order when the folder itself has none.
    fits: condition on files with the suffix.
    Raises InputError: no such file, none, or several.
    """
    file = named_label_file(source)
    for folder in (source.root, *(source.root / name for name in subfolders)):
        file = file or only_file(files_with(folder, suffix, fits), folder)
    if file is None:
        raise InputError(f"{source.root}: no {suffix} file with labels here")
    return file


def named_label_file(source: Source) -> Path | None:
    """Return the file that LABELS names, else the root if it is a file; InputError for a missing file or folder."""
    if source.labels:
        path = source.folder / source.labels
        if not path.is_file():
            raise InputError(f"{path}: no such file (LABELS of {source.name or source.root})")
        return path
    if not source.root.exists():
        raise InputError(f"{source.root}: no such file or folder")
    return source.root if source.root.is_file() else None


def only_file(found: Sequence[Path], folder: Path) -> Path | None:
    """Return the file found, None without one; InputError where there are several."""
    if len(found) > 1:
        shown = ", ".join(path.name for path in found[:8]) + (", ..." if len(found) > 8 else "")
        raise InputError(f"{folder}: several annotation files ({shown}); name one with LABELS")
    return found[0] if found else None


def select_sequences(annotations: Annotations, patterns: Sequence[str], *, prefix: str) -> Annotations:
    """Return the images of the sequences that match, by sequence and frame; without frames in the file's order.

    patterns: as in `fnmatch`; empty for all. prefix: put before relative image files.
    Raises InputError where no sequence matches.
    """
    matches = match_sequences(annotations.sequences, patterns, where=annotations.label_files[0])
    order = np.lexsort((annotations.frames, annotations.sequence_of))
    chosen = annotations.take(order[matches[annotations.sequence_of[order]]])
    used, sequence_of = np.unique(chosen.sequence_of, return_inverse=True)
    return replace(
        chosen,
        images=tuple(image if image.startswith("/") else f"{prefix}{image}" for image in chosen.images),
        sequences=tuple(annotations.sequences[index] for index in used.tolist()),
        sequence_of=sequence_of.astype(np.int64),
    )

"""Label blocks of still images and of annotation tables. Legend: F images, N boxes."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from fairmot.formats.label_table import LabelTable
from fairmot.geometry.arrays import FloatArray, IntArray
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError


def block_of_stills(
    images: tuple[str, ...],
    counts: IntArray,
    boxes_tlwh: FloatArray,
    *,
    ids: IntArray,
    classes: tuple[IntArray, tuple[str, ...]],
    label_files: tuple[str, ...],
    lines: IntArray,
    left_out: int = 0,
) -> Annotations:
    """Return the block of F images that are of no sequence.

    classes: (N,) places, and the names that they are places in.
    """
    none = np.zeros(len(images), dtype=np.int64)
    return Annotations(
        images=images,
        counts=counts,
        boxes_tlwh=boxes_tlwh,
        ids=ids,
        classes=classes[0],
        class_names=classes[1],
        sequences=("",),
        sequence_of=none,
        frames=none,
        image_hw=np.zeros((len(images), 2), dtype=np.int64),
        label_files=label_files,
        lines=lines,
        left_out=left_out,
    )


def block_of_table(table: LabelTable, *, patterns: Sequence[str], prefix: str, file: Path) -> Annotations:
    """Return the block of a table's images, by sequence and frame, or in the table's order where there are none.

    patterns: sequences to take, as in `fnmatch`; empty for all.
    prefix: what stands before the table's relative image files.
    Raises InputError where no sequence fits the patterns.
    """
    chosen = _chosen_images(table, patterns, file)
    counts, rows = _boxes_of(table.image_of, chosen, len(table.images))
    used, sequence_of = np.unique(table.sequence_of[chosen], return_inverse=True)
    return Annotations(
        images=tuple(_placed(table.images[place], prefix) for place in chosen.tolist()),
        counts=counts,
        boxes_tlwh=table.boxes_tlwh[rows],
        ids=table.ids[rows],
        classes=table.classes[rows],
        class_names=table.class_names,
        sequences=tuple(table.sequences[place] for place in used.tolist()),
        sequence_of=sequence_of.astype(np.int64),
        frames=table.frames[chosen],
        image_hw=table.image_hw[chosen],
        label_files=(str(file),),
        lines=table.lines[rows],
        left_out=table.left_out,
    )


def _placed(image: str, prefix: str) -> str:
    return image if image.startswith("/") else f"{prefix}{image}"


def _chosen_images(table: LabelTable, patterns: Sequence[str], file: Path) -> IntArray:
    """Return the places of the images to take, in their order."""
    order = np.lexsort((table.frames, table.sequence_of))
    if not patterns:
        return order
    fits = [any(fnmatch(name, pattern) for pattern in patterns) for name in table.sequences]
    if not any(fits):
        raise InputError(f"{file}: no sequence is called {' or '.join(patterns)}")
    return np.asarray(order[np.array(fits)[table.sequence_of[order]]])


def _boxes_of(image_of: IntArray, chosen: IntArray, images: int) -> tuple[IntArray, IntArray]:
    """Return how many boxes each chosen image has, and the rows of the boxes, image after image."""
    place = np.full(images, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    of_rows = place[image_of]
    kept = np.flatnonzero(of_rows >= 0)
    counts = np.bincount(of_rows[kept], minlength=len(chosen)).astype(np.int64)
    return counts, kept[np.argsort(of_rows[kept], kind="stable")]

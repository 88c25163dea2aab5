"""Small data sets in memory, as readers return them."""

from pathlib import Path

import numpy as np

from fairmot.data.index.builder import Selection
from fairmot.data.inspection.raw_labels import RawLabels, collect_labels
from fairmot.structures.annotations import Annotations

Row = tuple[int, int, float, float, float, float]  # image from 0, identity, left, top, width, height


def make_raw(
    rows: list[Row],
    *,
    images: int | list[str] = 3,
    kinds: list[str] | None = None,
    frames: list[int] | None = None,
    stated_hw: tuple[int, int] = (100, 200),
    selection: Selection | None = None,
) -> RawLabels:
    """Make one sequence S of 200 x 100 images with pedestrians; frames [0, ...] makes still images."""
    names = [f"S/img1/{n + 1:06d}.jpg" for n in range(images)] if isinstance(images, int) else images
    count = len(names)
    rows = sorted(rows, key=lambda row: row[0])
    kinds = kinds or ["pedestrian"] * len(rows)
    class_names = tuple(dict.fromkeys(kinds)) or ("pedestrian",)
    numbers = list(range(1, count + 1)) if frames is None else frames
    labels = Annotations(
        images=tuple(names),
        counts=np.bincount([row[0] for row in rows], minlength=count),
        boxes_tlwh=np.array([row[2:] for row in rows], dtype=np.float32).reshape(-1, 4),
        ids=np.array([row[1] for row in rows], dtype=np.int64),
        classes=np.array([class_names.index(kind) for kind in kinds], dtype=np.int64),
        class_names=class_names,
        sequences=("S",) if any(numbers) else ("",),
        sequence_of=np.zeros(count, dtype=np.int64),
        frames=np.array(numbers, dtype=np.int64),
        image_hw=np.tile(np.array(stated_hw), (count, 1)),
        label_files=("S/gt/gt.txt",),
        lines=np.arange(1, len(rows) + 1),
    )
    chosen = selection or Selection(("pedestrian",), (1,))
    return collect_labels([labels], chosen, name="set", image_root=Path("/data"), is_normalised=False)


def walk(people: int, frames: int, *, has_explosion: bool = False) -> list[Row]:
    """Return people moving one pixel per frame; has_explosion: with a new identity in each row."""
    pairs = [(frame, person) for frame in range(frames) for person in range(people)]
    return [
        (frame, row + 1 if has_explosion else person + 1, 10 + 40 * person + frame, 20, 20, 50)
        for row, (frame, person) in enumerate(pairs)
    ]

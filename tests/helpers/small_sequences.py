"""Small MOTChallenge sequences on disk."""

from pathlib import Path

import cv2
import numpy as np

from fairmot.data.index.builder import Selection, build_index
from fairmot.data.index.splits import Split
from fairmot.data.readers.base import Source
from fairmot.data.readers.motchallenge import MotChallengeReader
from fairmot.data.samples import SampleIndex, join_indexes

Rows = list[tuple[float, ...]]


def make_sequence(
    tmp_path: Path, name: str, rows: Rows, *, frames: int = 3, image_hw: tuple[int, int] = (48, 64)
) -> Path:
    """Write `<tmp_path>/data/<name>` with noise frames and the ground truth rows given as tuples."""
    folder = tmp_path / "data" / name
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    rng = np.random.default_rng(len(name))
    for frame in range(1, frames + 1):
        image = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), image_hw[::-1])
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    (folder / "gt" / "gt.txt").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    return folder


def walkers(ids: tuple[int, ...], frames: int, *, by: str = "identity") -> Rows:
    """People of class 1 in every frame, rows sorted by identity or by frame."""
    pairs = [(frame, person) for person in ids for frame in range(1, frames + 1)]
    if by == "frame":
        pairs.sort()
    return [(frame, person, 4 + 3 * frame + 2 * person, 6, 12, 30, 1, 1, 1.0) for frame, person in pairs]


def index_samples(folders: list[Path], *, frame_limit: int = 0, **selection: object) -> SampleIndex:
    """Index sequence folders in memory, each as a data set of its own."""
    options = {"classes": ("pedestrian",), "numbers": (1,), "split": Split(limit=frame_limit), **selection}
    indexes = []
    for folder in folders:
        reader = MotChallengeReader(Source(folder))
        blocks = [reader.read(unit) for unit in reader.plan().units]
        facts = {"name": folder.name, "image_root": str(reader.image_root), "is_normalised": False}
        indexes.append(build_index(blocks, Selection(**options), **facts))
    return join_indexes(indexes)

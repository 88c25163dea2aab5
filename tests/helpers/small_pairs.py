"""A small truth for the benchmarks' own tests: people who stand in pairs, one behind the other."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fairmot.formats.images import write_image
from fairmot.formats.motchallenge import write_ground_truth, write_sequence_info
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.utils.seed import make_rng

FRAMES, PEOPLE = 80, 8


def people_side_by_side(
    tmp_path: Path, *, length: int = FRAMES, count: int = PEOPLE, hidden: float = 0.8, kinds: list[int] | None = None
) -> ScoredSequence:
    """Standing people; the second of each pair is behind the first, and all but `hidden` of it is seen."""
    frames, ids = (axis.ravel() for axis in np.meshgrid(np.arange(1, length + 1), np.arange(1, count + 1)))
    behind = ids % 2 == 0
    lefts = 150.0 * ((ids - 1) // 2) + 20 + 10.0 * behind
    boxes = np.stack([lefts, 100.0 - 10 * behind, np.full(len(ids), 40.0), np.full(len(ids), 100.0)], axis=1)
    classes = np.ones(len(ids), dtype=np.int64) if kinds is None else np.asarray(kinds)[ids - 1]
    marks = (classes == 1).astype(float)
    truth = BoxTable(frames, ids, boxes, marks, classes, np.where(behind, 1 - hidden, 1.0))
    info = SequenceInfo("pairs", tmp_path / "pairs", 30.0, length, (300, 640))
    return ScoredSequence(info, truth, truth[np.zeros(0, dtype=np.int64)])


def write_sequence(folder: Path, sequence: ScoredSequence, *, images: int) -> None:
    """Write truth, and `images` images of a camera that moves 2 px to the right a frame."""
    (folder / "gt").mkdir(parents=True)
    (folder / "img1").mkdir()
    write_sequence_info(replace(sequence.info, root=folder))
    write_ground_truth(folder / "gt" / "gt.txt", sequence.ground_truth)
    ground = np.kron(make_rng(11).integers(0, 256, (50, 100, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    for frame in range(images):
        write_image(folder / "img1" / f"{frame + 1:06d}.png", ground[20:320, 2 * frame : 640 + 2 * frame])

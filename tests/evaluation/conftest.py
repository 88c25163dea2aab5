"""Hand-made sequences, and random ones in general position (no two overlaps tie)."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from helpers.locations import SHARED

from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable, SequenceInfo


def make_table(rows: Iterable[tuple[float, ...]]) -> BoxTable:
    """Rows of (frame, id, left, top, width, height[, mark or score[, class]])."""
    full = [(*row, *(1.0, -1.0)[len(row) - 6 :]) for row in rows]
    array = np.array(full, dtype=np.float64).reshape(-1, 8)
    return BoxTable(
        frames=array[:, 0].astype(np.int64),
        ids=array[:, 1].astype(np.int64),
        boxes_tlwh=array[:, 2:6],
        confidences=array[:, 6],
        classes=array[:, 7].astype(np.int64),
        visibilities=np.ones(len(array)),
    )


def make_sequence(gt: Iterable[tuple[float, ...]], results: Iterable[tuple[float, ...]], **info) -> ScoredSequence:
    fields = {"name": "A", "root": Path("A"), "frame_rate": 30.0, "length": 20, "image_hw": (100, 100)} | info
    return ScoredSequence(SequenceInfo(**fields), make_table(gt), make_table(results))


def make_random(seed: int, *, name: str = "A", frames: int = 12, people: int = 5) -> ScoredSequence:
    """People and other things that walk; results follow them with noise, gaps, strangers and swapped identities."""
    rng = np.random.default_rng(seed)
    gt, results = [], []
    for person in range(1, people + 1):
        kind = int(rng.choice([1, 1, 1, 7, 8, 3, 12]))
        mark = int(kind == 1 and rng.random() < 0.9)
        corner, step = rng.uniform(0, 40, 2), rng.normal(0, 1.5, 2)
        for frame in range(1, frames + 1):
            box = (*(corner + frame * step + rng.normal(0, 0.5, 2)), 15 + rng.random(), 30 + rng.random())
            gt.append((frame, person, *box, mark, kind))
            if rng.random() < 0.8:
                identity = 100 - (person if frame < frames // 2 or person > 2 else 3 - person)
                noisy = (np.array(box) + rng.normal(0, 1.5, 4)).tolist()
                results.append((frame, identity, *noisy, rng.random()))
    for frame in range(1, frames + 1, 3):
        results.append((frame, 200 + frame, *rng.uniform(0, 60, 2), 15.0, 30.0, 0.5))
    return make_sequence(gt, results, name=name, root=Path(name), length=frames)


@pytest.fixture(scope="session")
def table() -> Callable[..., BoxTable]:
    return make_table


@pytest.fixture(scope="session")
def sequence() -> Callable[..., ScoredSequence]:
    return make_sequence


@pytest.fixture(scope="session")
def random_sequence() -> Callable[..., ScoredSequence]:
    return make_random


@pytest.fixture(scope="session")
def eval_data() -> Path:
    folder = SHARED / "data" / "eval"
    if not folder.is_dir():
        pytest.skip("shared/data/eval is not available")
    return folder

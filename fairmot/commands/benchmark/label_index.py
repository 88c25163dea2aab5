"""Benchmark of the label index: ours and a reading of every label file, as at the reference implementation's start."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from fairmot.commands.benchmark.timing import BenchmarkRow, compare, time_alternately
from fairmot.data.index.builder import Selection
from fairmot.data.index.cache import DatasetSpec, load_index
from fairmot.data.index.label_index import LabelIndex
from fairmot.data.readers.base import Source
from fairmot.data.readers.registry import LAYOUTS
from fairmot.utils.seed import make_rng

LABEL_FILES, BOXES_PER_FILE, FILES_PER_FOLDER = 20_000, 10, 1000
LIST = "synthetic.train"
REFERENCE, SECOND, FIRST = "reference", "index second start", "index first start"


def index_rows(*, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield the seconds until label files in the JDE layout are known, with an existing index and without.

    The reference reads every label file with `np.loadtxt` to count the identities.
    """
    with TemporaryDirectory() as scratch:
        root = Path(scratch)
        num_files = _write_labels(root)

        def load(*, verify: bool) -> LabelIndex:
            spec = DatasetSpec("jde", Source(root, labels=LIST, name="synthetic"), Selection(("person",), (0,)))
            return load_index(spec, LAYOUTS["jde"].make_reader(spec.source), cache=root / "index", rebuild=verify)

        counts = (load(verify=True).info.identity_counts[0], count_identities(root / LIST, root))
        if counts[0] != counts[1]:
            raise AssertionError(f"ours has {counts[0]} identities, the reference {counts[1]}")
        runs = {
            REFERENCE: lambda: count_identities(root / LIST, root),
            SECOND: lambda: load(verify=False),
            FIRST: lambda: load(verify=True),
        }
        seconds = time_alternately(runs, repeats=repeats)
    for name in (SECOND, FIRST):
        yield compare(f"{name}, {num_files} label files", seconds[name], seconds[REFERENCE])


def count_identities(image_list: Path, root: Path) -> int:
    """Return the largest identity of a JDE data set + 1, by reading every label file."""
    largest = -1.0
    for image in image_list.read_text(encoding="utf-8").split():
        path = root / image.replace("images", "labels_with_ids").replace(".jpg", ".txt")
        rows = np.loadtxt(path, ndmin=2)
        if len(rows):
            largest = max(largest, float(rows[:, 1].max()))
    return int(largest) + 1


def _write_labels(root: Path) -> int:
    """Write label files and the list of their images below `root`; return their number. Only the first image exists."""
    rng = make_rng(LABEL_FILES)
    names = [f"images/{number // FILES_PER_FOLDER:03d}/{number:06d}.jpg" for number in range(LABEL_FILES)]
    for number, name in enumerate(names):
        image = root / name
        labels = root / name.replace("images", "labels_with_ids").replace(".jpg", ".txt")
        for folder in {image.parent, labels.parent} if number % FILES_PER_FOLDER == 0 else ():
            folder.mkdir(parents=True)
        boxes = rng.uniform(0.1, 0.3, (BOXES_PER_FILE, 4))
        ids = (number + np.arange(BOXES_PER_FILE)) % LABEL_FILES
        rows = (f"0 {own} {' '.join(f'{side:.6f}' for side in box)}\n" for own, box in zip(ids, boxes, strict=True))
        labels.write_text("".join(rows), encoding="ascii")
    (root / names[0]).touch()
    (root / LIST).write_text("\n".join(names) + "\n", encoding="ascii")
    return len(names)

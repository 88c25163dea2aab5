"""Benchmark of time and memory: indexing a large dataset, opening its index, reading it in loader processes.

    python tools/experiments/index_at_scale.py --folder /tmp/labels [--images 500000] [--boxes 20]

Writes label files in the JDE layout (no images) once, builds the index without a cache, opens it again, and reads the
labels of all images in two processes. Exit code 0 if indexing takes at most 10 minutes,
opening 1 s, and each process 200 MiB; 1 otherwise; 2 for invalid usage.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fairmot.commands.run import reading_bar
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.data.build import build_indexes
from fairmot.data.index.label_index import LabelIndex
from fairmot.data.samples import join_indexes

FILES_PER_FOLDER = 1000
LIMITS = {"index": 600.0, "open": 1.0, "MiB per process": 200.0}


def make_labels(folder: Path, images: int, boxes: int) -> None:
    """Write `images` label files of `boxes` rows, and the list of their images."""
    rng = np.random.default_rng(0)
    names = []
    for first in tqdm(range(0, images, FILES_PER_FOLDER), desc="writing labels", unit="folder"):
        part = f"{first // FILES_PER_FOLDER:05d}"
        (folder / "images" / part).mkdir(parents=True)
        (folder / "labels_with_ids" / part).mkdir(parents=True)
        for image in range(first, min(first + FILES_PER_FOLDER, images)):
            values = rng.random((boxes, 4)) * 0.2 + 0.1
            ids = rng.choice(100_000, boxes, replace=False)
            rows = (f"0 {i} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n" for i, (x, y, w, h) in zip(ids, values, strict=True))
            (folder / "labels_with_ids" / part / f"{image:07d}.txt").write_text("".join(rows))
            names.append(f"images/{part}/{image:07d}.jpg\n")
    (folder / names[0].strip()).touch()  # the reader checks that the first image of a list exists
    (folder / "list.train").write_text("".join(names))


def configure(folder: Path) -> CfgNode:
    """Return the configuration that trains on `folder`."""
    keys = {"ROOT": str(folder), "SETS.synthetic.LAYOUT": "jde", "SETS.synthetic.ROOT": str(folder)}
    keys |= {"SETS.synthetic.LABELS": "list.train", "TRAIN": "synthetic", "CACHE": str(folder / "cache")}
    return load_cfg(None, [text for key, value in keys.items() for text in (f"DATA.{key}", value)])


def read_all(index: LabelIndex) -> tuple[int, float, float]:
    """Read all images; return the number of boxes, and the growth of private and of resident memory (MiB)."""
    samples = join_indexes([index])
    before = _memory()
    order = np.random.default_rng(1).permutation(len(samples))
    boxes = sum(len(samples[int(image)].identities) for image in order)
    private, resident = (after - first for after, first in zip(_memory(), before, strict=True))
    return boxes, private, resident


def _memory() -> tuple[float, float]:
    """Return the private memory of this process, and its resident memory including shared file pages, in MiB."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return sizes["Anonymous"], sizes["Rss"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--images", type=int, default=500_000)
    parser.add_argument("--boxes", type=int, default=20)
    arguments = parser.parse_args(argv)
    folder = arguments.folder.resolve()
    if not (folder / "list.train").exists():
        make_labels(folder, arguments.images, arguments.boxes)
    cfg = configure(folder)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    measured = {}
    start = time.perf_counter()
    (index,) = build_indexes(cfg, cfg.DATA.TRAIN, bar=reading_bar)
    measured["index"] = time.perf_counter() - start
    start = time.perf_counter()
    (index,) = build_indexes(cfg, cfg.DATA.TRAIN)
    measured["open"] = time.perf_counter() - start
    with get_context("spawn").Pool(2) as pool:
        results = pool.map(read_all, [index, index])
    measured["MiB per process"] = max(private for _, private, _ in results)
    size = sum(path.stat().st_size for path in index.folder.iterdir()) / 2**20 if index.folder else 0.0
    print(f"{len(index)} images, {index.num_boxes} boxes, {index.info.identity_counts[0]} identities, {size:.0f} MiB")
    print(f"indexed in {measured['index']:.1f} s, opened again in {1000 * measured['open']:.1f} ms")
    print(f"process reading all: {measured['MiB per process']:.1f} MiB private, {results[0][2]:.0f} MiB resident")
    return int(any(measured[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())

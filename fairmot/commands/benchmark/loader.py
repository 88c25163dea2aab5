"""Benchmark of the training loader: ours and the reference implementation's steps, in one thread as a worker has."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from fairmot.commands.benchmark.label_index import index_rows
from fairmot.commands.benchmark.reference.loader import reference_batch, reference_item
from fairmot.commands.benchmark.timing import BenchmarkRow, TimedRun, compare, time_alternately
from fairmot.config.node import CfgNode
from fairmot.data.augment.affine import AugmentOptions, draw_augmentation
from fairmot.data.build import build_augment_options, build_dataset_spec
from fairmot.data.collate import collate
from fairmot.data.index.cache import load_index
from fairmot.data.joint_dataset import JointDataset, SampleKey, TargetOptions
from fairmot.data.readers.registry import LAYOUTS
from fairmot.data.samples import join_indexes
from fairmot.formats.images import read_image, write_image
from fairmot.geometry.arrays import ImageArray
from fairmot.geometry.letterbox import round_up_hw
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

IMAGES_PER_ROUND, BATCH = 24, 12
SYNTHETIC_HW, SYNTHETIC_COUNT, SYNTHETIC_PEOPLE = (1080, 1920), 8, 30
REFERENCE, FULL = "reference", "full"
EXTRAS = ("mosaic", "mixup", "erase", "blur", "jpeg")


class LoaderBenchmark(NamedTuple):
    """A data set to time, and its images of the most common size (height, width) by index."""

    dataset: JointDataset
    options: AugmentOptions
    image_hw: tuple[int, int]
    indices: tuple[int, ...]


def benchmark_data(cfg: CfgNode, *, images: Path | None, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield the rows of the loader and of the label index.

    images: a data set in any layout of DATA.TRAIN, indexed in a temporary folder; None for synthetic 1920x1080 JPEGs.
    """
    with TemporaryDirectory() as scratch, _one_thread():
        root = write_synthetic(Path(scratch) / "images") if images is None else images
        yield from loader_rows(_open(cfg, root, cache=Path(scratch) / "index"), repeats=repeats)
        yield from index_rows(repeats=repeats)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit OpenCV and torch to one thread, as in a worker of the loader."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def _open(cfg: CfgNode, root: Path, *, cache: Path) -> LoaderBenchmark:
    if not root.is_dir():
        raise InputError(f"--images {root}: no such folder")
    spec = build_dataset_spec(cfg, str(root.resolve()), key="--images")
    index = load_index(spec, LAYOUTS[spec.layout].make_reader(spec.source), cache=cache)
    options = build_augment_options(cfg) or AugmentOptions()
    options = replace(options, implementation="fast", mosaic=0, mixup=0, erase=0, blur=0, jpeg=0)
    dataset = JointDataset(
        join_indexes([index]),
        input_hw=round_up_hw(cfg.INPUT.SIZE_HW),
        augment=options,
        seed=cfg.SEED,
        targets=TargetOptions(num_classes=cfg.MODEL.NUM_CLASSES),
    )
    sizes = [read_image(dataset.samples[index].image_path).shape[:2] for index in range(min(len(dataset), 64))]
    image_hw = Counter(sizes).most_common(1)[0][0]
    indices = tuple(index for index, size in enumerate(sizes) if size == image_hw)
    return LoaderBenchmark(dataset, options, (image_hw[0], image_hw[1]), indices)


def loader_rows(bench: LoaderBenchmark, *, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield images/s from file to batch: the default augmentation, and with each extra augmentation on every image."""
    (height, width), options = bench.dataset.input_hw, bench.options
    name = f"loader {height}x{width} from {bench.image_hw[1]}x{bench.image_hw[0]}"
    always: dict[str, Any] = {extra: {extra: 1.0} for extra in EXTRAS}
    extras = {f"loader with {extra}": replace(options, **keys) for extra, keys in always.items()}
    runs = {key: _round(bench, one, _batch) for key, one in {name: options, **extras}.items()}
    # The reference frees its memory to the system, and the run after it pays for that: `full` follows it.
    runs |= {
        REFERENCE: _round(bench, options, _reference_batch),
        FULL: _round(bench, replace(options, implementation="full"), _batch),
    }
    seconds = time_alternately(runs, repeats=repeats)
    differences = list(_pixel_differences(bench))
    values = {"full": IMAGES_PER_ROUND / median(seconds[FULL])}
    values |= {"mean_diff": float(np.mean(differences)), "max_diff": max(differences)}
    yield _row(name, seconds, values)
    for key in extras:
        more = median(with_it - without for with_it, without in zip(seconds[key], seconds[name], strict=True))
        yield _row(key, seconds, {"ms_more": 1000 * more / IMAGES_PER_ROUND})


def _row(name: str, seconds: dict[str, list[float]], extra: dict[str, float]) -> BenchmarkRow:
    rate = "images/s", lambda duration: IMAGES_PER_ROUND / duration
    return compare(name, seconds[name], seconds[REFERENCE], unit=rate[0], convert=rate[1], extra=extra)


def _round(
    bench: LoaderBenchmark, options: AugmentOptions, make: Callable[[JointDataset, list[SampleKey]], object]
) -> TimedRun:
    """Return a run that makes the next round's batches at each call, of the same keys for every `make`."""
    dataset = copy(bench.dataset)
    dataset.augment = options
    keys = (SampleKey(epoch, index) for epoch in count() for index in bench.indices)

    def run() -> None:
        for _ in range(0, IMAGES_PER_ROUND, BATCH):
            make(dataset, list(islice(keys, BATCH)))

    return run


def _batch(dataset: JointDataset, keys: list[SampleKey]) -> object:
    return collate([dataset[key] for key in keys])


def _reference_batch(dataset: JointDataset, keys: list[SampleKey]) -> object:
    options, items = dataset.augment or AugmentOptions(), []
    for key in keys:
        draw = draw_augmentation(make_rng(dataset.seed, key.epoch, key.sample + 1), options)
        items.append(reference_item(dataset.samples[key.sample], draw, options, input_hw=dataset.input_hw))
    return reference_batch(items)


def _pixel_differences(bench: LoaderBenchmark) -> Iterator[float]:
    """Yield for each image the mean difference between the fast and the full implementation, in 1/255."""
    other = copy(bench.dataset)
    other.augment = replace(bench.options, implementation="full")
    for index in bench.indices:
        fast, full = (dataset.load(SampleKey(0, index)).image for dataset in (bench.dataset, other))
        yield float(cv2.absdiff(fast, full).mean())


def write_synthetic(root: Path) -> Path:
    """Write a sequence of JPEGs of MOT17's size (about 230 kB), with boxes on noise; return `root`."""
    folder = root / "synthetic"
    rng = make_rng(SYNTHETIC_COUNT)
    rows = []
    for frame in range(1, SYNTHETIC_COUNT + 1):
        image, boxes_tlwh = _synthetic_image(rng)
        write_image(folder / "img1" / f"{frame:06d}.jpg", image, quality=80)
        rows += [f"{frame},{person},{x},{y},{w},{h},1,1,1\n" for person, (x, y, w, h) in enumerate(boxes_tlwh, 1)]
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("".join(rows), encoding="utf-8")
    return root


def _synthetic_image(rng: np.random.Generator) -> tuple[ImageArray, list[tuple[int, int, int, int]]]:
    height, width = SYNTHETIC_HW
    image = np.full((height, width, 3), 30.0, dtype=np.float32)
    for octave, strength in ((120, 90), (24, 50), (6, 30), (2, 12)):
        noise = rng.uniform(0, strength, (height // octave, width // octave, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    boxes = []
    for _ in range(SYNTHETIC_PEOPLE):
        h = int(rng.integers(80, 500))
        w, y = h * 2 // 5, int(rng.integers(0, height - h))
        x = int(rng.integers(0, width - w))
        image[y : y + h, x : x + w] += rng.uniform(-60, 60, 3).astype(np.float32)
        boxes.append((x, y, w, h))
    return image.clip(0, 255).astype(np.uint8), boxes

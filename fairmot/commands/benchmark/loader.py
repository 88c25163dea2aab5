"""The data's speed: ours beside a plain reading of the published recipe, in one thread as a loader's worker has."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch

from fairmot.commands.benchmark.label_index import index_rows
from fairmot.commands.benchmark.reference.loader import plain_batch, plain_item
from fairmot.commands.benchmark.timing import BenchmarkRow, TimedRun, paired_ratio, time_in_turn
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

IMAGES_A_ROUND, BATCH = 24, 12
MADE_UP_HW, MADE_UP_COUNT, MADE_UP_PEOPLE = (1080, 1920), 8, 30
REFERENCE, FULL = "reference", "full"
EXTRAS = ("mosaic", "mixup", "erase", "blur", "jpeg")


@dataclass(frozen=True)
class LoaderBenchmark:
    """What is timed: a data set, how many rounds, and its images of one size (height, width), by their places."""

    dataset: JointDataset
    repeats: int
    image_hw: tuple[int, int]
    places: tuple[int, ...]


Part = Callable[[LoaderBenchmark], Iterator[BenchmarkRow]]


def benchmark_data(cfg: CfgNode, *, images: Path | None, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield the rows of all parts.

    images: a data set in any layout that DATA.TRAIN takes; None for 1920x1080 JPEGs made for the purpose. Of its images
        the commonest size is used. Its index is not kept.
    """
    with TemporaryDirectory() as scratch, one_thread():
        root = write_made_up(Path(scratch) / "images") if images is None else images
        bench = _open(cfg, root, cache=Path(scratch) / "index", repeats=repeats)
        for part in PARTS:
            yield from part(bench)


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV and torch as in a loader's worker."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def _open(cfg: CfgNode, root: Path, *, cache: Path, repeats: int) -> LoaderBenchmark:
    if not root.is_dir():
        raise InputError(f"--images {root}: no such folder")
    wanted = build_dataset_spec(cfg, str(root.resolve()), key="--images")
    index = load_index(wanted, LAYOUTS[wanted.layout].make_reader(wanted.source), cache=cache)
    options = replace(
        build_augment_options(cfg) or AugmentOptions(),
        implementation="fast",
        mosaic=0,
        mixup=0,
        erase=0,
        blur=0,
        jpeg=0,
    )
    dataset = JointDataset(
        join_indexes([index]),
        input_hw=round_up_hw(cfg.INPUT.SIZE_HW),
        augment=options,
        seed=cfg.SEED,
        targets=TargetOptions(num_classes=cfg.MODEL.NUM_CLASSES),
    )
    first = [read_image(dataset.samples[place].image_path).shape[:2] for place in range(min(len(dataset), 64))]
    image_hw = Counter(first).most_common(1)[0][0]
    places = tuple(place for place, size in enumerate(first) if size == image_hw)
    return LoaderBenchmark(dataset, repeats, (image_hw[0], image_hw[1]), places)


def loader_rows(bench: LoaderBenchmark) -> Iterator[BenchmarkRow]:
    """Yield images/s from file to batch: the recipe, and the recipe with each of the extra augmentations always on."""
    options = bench.dataset.augment or AugmentOptions()
    height, width = bench.dataset.input_hw
    name = f"loader {height}x{width} from {bench.image_hw[1]}x{bench.image_hw[0]}"
    extras = {f"loader with {extra}": replace(options, **_always(extra)) for extra in EXTRAS}
    runs = {key: _rounds(bench, one, _batch) for key, one in {name: options, **extras}.items()}
    # The full path follows the reference, which hands back memory: what runs next pays to have it again.
    runs |= {
        REFERENCE: _rounds(bench, options, _plain_batch),
        FULL: _rounds(bench, replace(options, implementation="full"), _batch),
    }
    seconds = time_in_turn(runs, repeats=bench.repeats)
    differences = list(pixel_differences(bench))
    speed = {"full": IMAGES_A_ROUND / median(seconds[FULL])}
    yield _row(name, seconds, speed | {"mean_diff": float(np.mean(differences)), "max_diff": max(differences)})
    for key in extras:
        more = median(with_it - without for with_it, without in zip(seconds[key], seconds[name], strict=True))
        yield _row(key, seconds, {"ms_more": 1000 * more / IMAGES_A_ROUND})


def _always(extra: str) -> dict[str, Any]:
    return {extra: 1.0}


def _row(name: str, seconds: Mapping[str, list[float]], extra: Mapping[str, float]) -> BenchmarkRow:
    return BenchmarkRow(
        name,
        ours=IMAGES_A_ROUND / median(seconds[name]),
        reference=IMAGES_A_ROUND / median(seconds[REFERENCE]),
        ratio=paired_ratio(seconds[REFERENCE], seconds[name]),
        unit="images/s",
        extra=extra,
    )


Make = Callable[[JointDataset, list[SampleKey]], object]


def _rounds(bench: LoaderBenchmark, options: AugmentOptions, make: Make) -> TimedRun:
    """Return a run that makes the next round's batches at each call: the same keys for every `make`, in one order."""
    dataset = copy(bench.dataset)
    dataset.augment = options
    keys = (SampleKey(epoch, place) for epoch in count() for place in bench.places)

    def run() -> None:
        for _ in range(0, IMAGES_A_ROUND, BATCH):
            make(dataset, list(islice(keys, BATCH)))

    return run


def _batch(dataset: JointDataset, keys: list[SampleKey]) -> object:
    return collate([dataset[key] for key in keys])


def _plain_batch(dataset: JointDataset, keys: list[SampleKey]) -> object:
    options, items = dataset.augment or AugmentOptions(), []
    for key in keys:
        draw = draw_augmentation(make_rng(dataset.seed, key.epoch, key.sample + 1), options)
        items.append(plain_item(dataset.samples[key.sample], draw, options, input_hw=dataset.input_hw))
    return plain_batch(items)


def pixel_differences(bench: LoaderBenchmark) -> Iterator[float]:
    """Yield for each image, with one draw, the mean difference between the fast path and the full one, in 1/255."""
    steps = copy(bench.dataset)
    steps.augment = replace(bench.dataset.augment or AugmentOptions(), implementation="full")
    for place in bench.places:
        fast, full = (dataset.load(SampleKey(0, place)).image for dataset in (bench.dataset, steps))
        yield float(cv2.absdiff(fast, full).mean())


def write_made_up(root: Path) -> Path:
    """Write a sequence of JPEGs as large as MOT17's (about 230 kB), with people on a street of noise; return `root`."""
    folder = root / "made-up"
    rng = make_rng(MADE_UP_COUNT)
    rows = []
    for frame in range(1, MADE_UP_COUNT + 1):
        image, boxes_tlwh = _made_up_image(rng)
        write_image(folder / "img1" / f"{frame:06d}.jpg", image, quality=80)
        rows += [f"{frame},{person},{x},{y},{w},{h},1,1,1\n" for person, (x, y, w, h) in enumerate(boxes_tlwh, 1)]
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("".join(rows), encoding="utf-8")
    return root


def _made_up_image(rng: np.random.Generator) -> tuple[ImageArray, list[tuple[int, int, int, int]]]:
    height, width = MADE_UP_HW
    image = np.full((height, width, 3), 30.0, dtype=np.float32)
    for octave, strength in ((120, 90), (24, 50), (6, 30), (2, 12)):
        noise = rng.uniform(0, strength, (height // octave, width // octave, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    boxes = []
    for _ in range(MADE_UP_PEOPLE):
        h = int(rng.integers(80, 500))
        w, y = h * 2 // 5, int(rng.integers(0, height - h))
        x = int(rng.integers(0, width - w))
        image[y : y + h, x : x + w] += rng.uniform(-60, 60, 3).astype(np.float32)
        boxes.append((x, y, w, h))
    return image.clip(0, 255).astype(np.uint8), boxes


def _index_rows(bench: LoaderBenchmark) -> Iterator[BenchmarkRow]:
    return index_rows(repeats=bench.repeats)


PARTS: tuple[Part, ...] = (loader_rows, _index_rows)

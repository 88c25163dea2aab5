"""Benchmark of training: real steps on real batches, for the baseline and with each option of the trainer.

The baseline is the reference implementation's setup and the reference of every row: float32, contiguous, parameters
updated one by one, no compilation, accumulation, averaging or prefetching, targets drawn by the loader's workers. A row
changes one option, `all` combines those that gain speed. fp16 has no row on a CPU: a step takes 100 times as long.

Each variant has a network of its own with the same deterministic weights, and in each round trains on the same batches
with the same draws. It uses up an iterator of its own, so that no worker makes batches during another variant's turn.
A turn makes one step before the clock starts, while the loader works ahead as it does later in an epoch. Everything
after that counts: waiting for batches, copies, steps, updates. If there are enough images, a turn times at least
as many steps as there are workers, since the batches that they hold ready would otherwise hide a slow loader.
"""

import math
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from fairmot.commands.benchmark.loader import SYNTHETIC_COUNT, SYNTHETIC_HW, write_synthetic
from fairmot.commands.benchmark.timing import BenchmarkRow, compare, peak_memory
from fairmot.commands.run import seed_libraries
from fairmot.commands.train.state import build_train_state
from fairmot.config.load import cfg_from_dict, cfg_to_dict
from fairmot.config.node import CfgNode
from fairmot.data.build import build_train_dataset, build_train_loader
from fairmot.data.loader import TrainLoader
from fairmot.engine.build import build_train_options
from fairmot.engine.prefetch import prefetch_to_device
from fairmot.engine.task_gradients import choose_trainer
from fairmot.engine.trainer import Trainer
from fairmot.formats.motchallenge import write_sequence_info
from fairmot.geometry.letterbox import round_up_hw
from fairmot.models.build import build_model
from fairmot.models.deterministic_weights import load_deterministic_weights
from fairmot.structures.sequence import SequenceInfo
from fairmot.utils.errors import InputError

Keys = Mapping[str, object]

SMALL = ("INPUT.SIZE_HW", "(192, 320)", "SOLVER.BATCH_SIZE", "2")  # the default on a CPU
STEPS = {"cuda": 4, "cpu": 2}  # timed steps per turn, unless there are more workers
UNTIMED = 2  # further batches per turn: one step before the clock starts, one batch after it that is only loaded
BASELINE, ACCUMULATION, ALL = "baseline", "accumulate 2", "all"
BASELINE_KEYS: Keys = {
    "SOLVER.FUSED": False,
    "SOLVER.CHANNELS_LAST": False,
    "SOLVER.ACCUMULATION_STEPS": 1,
    "SOLVER.EMA_DECAY": 0.0,
    "SOLVER.PRECISION": "fp32",
    "SOLVER.COMPILE": False,
    "DATA.PREFETCH": False,
    "DATA.TARGETS": "host",
}
ANY_DEVICE: Mapping[str, Keys] = {
    "fused": {"SOLVER.FUSED": True},
    "channels-last": {"SOLVER.CHANNELS_LAST": True},
    ACCUMULATION: {"SOLVER.ACCUMULATION_STEPS": 2},
    "ema": {"SOLVER.EMA_DECAY": 0.9998},
    "bf16": {"SOLVER.PRECISION": "bf16"},
    "device targets": {"DATA.TARGETS": "device"},
}
GPU: Mapping[str, Keys] = {"fp16": {"SOLVER.PRECISION": "fp16"}, "prefetch": {"DATA.PREFETCH": True}}
COMPILED: Mapping[str, Keys] = {"compiled": {"SOLVER.COMPILE": True}}
COMBINED = {
    "cpu": ("fused", "channels-last"),
    "cuda": ("fused", "channels-last", "bf16", "prefetch", "device targets"),
}


def benchmark_train(
    cfg: CfgNode, *, images: Path | None, device: torch.device, repeats: int, compiles: bool
) -> Iterator[BenchmarkRow]:
    """Yield a row for each variant: images/s, fraction of the time spent waiting for data, peak memory.

    images: a data set in any layout of DATA.TRAIN, indexed in a temporary folder; None for synthetic 1920x1080 JPEGs.
    compiles: add the row of the compiled network, whose first step takes minutes.

    The peak covers weights, optimizer, gradients, batches and activations. A variant that fails is left out with a
    line on stderr. Raises InputError for fewer than three batches of images.
    """
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        max_steps = int(max(STEPS[device.type], cfg.DATA.WORKERS))
        baseline = changed(cfg, {**BASELINE_KEYS, **_data_keys(cfg, images, Path(scratch), steps=max_steps)})
        loaders = {targets: _open(baseline, targets, device, stack) for targets in ("host", "device")}
        num_images, batch = len(loaders["host"].dataset), int(cfg.SOLVER.BATCH_SIZE)
        steps = min(max_steps, num_images // batch - UNTIMED)
        if steps < 1:
            needed = (UNTIMED + 1) * batch
            raise InputError(f"--images: {num_images} images, expected at least {needed} (3 x SOLVER.BATCH_SIZE)")
        variants = {BASELINE: {}, **choose_variants(cfg, device=device, compiles=compiles)}
        runs = {}
        for name, keys in variants.items():
            variant = changed(baseline, keys)
            runs[name] = TrainingRun(variant, loaders[variant.DATA.TARGETS], device=device, steps=steps)
        run_alternately(runs, repeats=repeats)
    for name, run in runs.items():
        if name != BASELINE:
            yield _row(f"training {name} {describe_batch(cfg)}", run, runs[BASELINE])


def choose_variants(cfg: CfgNode, *, device: torch.device, compiles: bool) -> dict[str, Keys]:
    """Return name -> keys that differ from the baseline; an odd batch size has no row with accumulation."""
    variants = {**ANY_DEVICE, **(GPU if device.type == "cuda" else {}), **(COMPILED if compiles else {})}
    if cfg.SOLVER.BATCH_SIZE % 2:
        del variants[ACCUMULATION]
    return {**variants, ALL: {key: value for name in COMBINED[device.type] for key, value in variants[name].items()}}


def changed(cfg: CfgNode, keys: Keys) -> CfgNode:
    """Return a frozen copy of `cfg` with other values, SECTION.KEY -> value."""
    tree = cfg_to_dict(cfg)
    for name, value in keys.items():
        section, key = name.split(".")
        tree[section][key] = value
    return cfg_from_dict(tree)


def describe_batch(cfg: CfgNode) -> str:
    """Return images x height x width of a step."""
    height, width = round_up_hw(cfg.INPUT.SIZE_HW)
    return f"{cfg.SOLVER.BATCH_SIZE}x{height}x{width}"


def _data_keys(cfg: CfgNode, images: Path | None, scratch: Path, *, steps: int) -> Keys:
    """Return the keys of the data; synthetic sequences are copies of one, as many as a turn needs."""
    if images is not None and not images.is_dir():
        raise InputError(f"--images {images}: no such folder")
    keys: Keys = {"DATA.CACHE": str(scratch / "index"), "DATA.TRAIN": (".",)}
    if images is not None:
        return {**keys, "DATA.ROOT": str(images.resolve())}
    root = write_synthetic(scratch / "images")
    (first,) = root.iterdir()
    for number in range(math.ceil((steps + UNTIMED) * cfg.SOLVER.BATCH_SIZE / SYNTHETIC_COUNT)):
        sequence = root / f"{first.name}-{number}"
        shutil.copytree(first, sequence)
        write_sequence_info(SequenceInfo(sequence.name, sequence, 30.0, SYNTHETIC_COUNT, SYNTHETIC_HW))
    shutil.rmtree(first)
    return {**keys, "DATA.ROOT": str(root), "DATA.FRAME_LIMIT": 0}


def _open(cfg: CfgNode, targets: str, device: torch.device, stack: ExitStack) -> TrainLoader:
    cfg = changed(cfg, {"DATA.TARGETS": targets})
    loader = build_train_loader(cfg, build_train_dataset(cfg), pin_memory=device.type == "cuda")
    stack.callback(loader.close)
    return loader


def make_trainer(cfg: CfgNode, *, num_identities: Sequence[int], steps_per_epoch: int, device: torch.device) -> Trainer:
    """Return a trainer as in `fairmot train`, with deterministic weights and without hooks."""
    seed_libraries(cfg.SEED)
    model = build_model(cfg)
    load_deterministic_weights(model)
    state = build_train_state(
        cfg, model.train(), num_identities=num_identities, steps_per_epoch=steps_per_epoch, device=device
    )
    return choose_trainer(state, build_train_options(cfg), device=device)


class TrainingRun:
    """Training with one configuration, in turns.

    seconds, waiting: of the timed steps of each turn, and the fraction of them spent waiting for data;
    peak_mib: peak memory of its setup and first turn, above the memory in use before; None if it cannot be measured.
    """

    def __init__(self, cfg: CfgNode, loader: TrainLoader, *, device: torch.device, steps: int) -> None:
        self.images = steps * cfg.SOLVER.BATCH_SIZE
        self.seconds: list[float] = []
        self.waiting: list[float] = []
        self.peak_mib: float | None = None
        self._loader, self._device, self._steps = loader, device, steps
        self._trainer: Trainer | None = None
        identities, steps_per_epoch = loader.dataset.identity_counts, len(loader)
        self._make_trainer = partial(
            make_trainer, cfg, num_identities=identities, steps_per_epoch=steps_per_epoch, device=device
        )

    def start(self) -> None:
        """Build the trainer and run a turn that is only measured for memory."""
        self.peak_mib = peak_memory(lambda: self._turn(0), device=self._device)

    def turn(self, number: int) -> None:
        """Run and record turn `number`, from 1."""
        seconds, waited = self._turn(number)
        self.seconds.append(seconds)
        self.waiting.append(waited / seconds)

    def stop(self) -> None:
        """Release the memory."""
        self._trainer = None

    def _turn(self, number: int) -> tuple[float, float]:
        """Return the seconds of the timed steps, and those spent waiting for data."""
        if self._trainer is None:
            self._trainer = self._make_trainer()
        trainer, loader, device = self._trainer, self._loader, self._device
        epoch = loader.epoch(number, start_batch=len(loader) - self._steps - UNTIMED)
        batches = prefetch_to_device(epoch, device, ahead=trainer.options.prefetch, throughput=trainer.throughput)
        trainer.train_step(next(batches))
        _synchronize(device)
        trainer.throughput.restart()
        for batch in islice(batches, self._steps):
            trainer.train_step(batch)
        _synchronize(device)
        elapsed = time.perf_counter() - trainer.throughput.started, trainer.throughput.waited
        deque(batches, maxlen=0)  # uses up the last one, so that no worker is busy in another's turn
        return elapsed


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def run_alternately(runs: dict[str, TrainingRun], *, repeats: int) -> None:
    """Give each run a turn in every round; remove those that fail.

    The baseline starts twice: memory that libraries keep from their first use on is not charged to any run.
    """
    runs[BASELINE].start()
    runs[BASELINE].stop()
    for number in range(repeats + 1):
        for name, run in list(runs.items()):
            with nullcontext() if name == BASELINE else _removed_if_failing(name, runs):
                run.turn(number) if number else run.start()


@contextmanager
def _removed_if_failing(name: str, runs: dict[str, TrainingRun]) -> Iterator[None]:
    """Remove a run that is out of memory, does not compile or has a loss that is not finite; the others continue."""
    try:
        yield
    except Exception as error:
        runs.pop(name).stop()
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        print(f"fairmot benchmark: training {name} failed: {reason}", file=sys.stderr)


def _row(name: str, ours: TrainingRun, reference: TrainingRun) -> BenchmarkRow:
    sides = {"ours": ours, "reference": reference}
    peaks = {f"peak_mib_{side}": run.peak_mib for side, run in sides.items()}
    extra = {f"waiting_{side}": median(run.waiting) for side, run in sides.items()}
    extra |= {key: value for key, value in peaks.items() if value is not None}
    return compare(
        name, ours.seconds, reference.seconds, unit="images/s", convert=lambda s: ours.images / s, extra=extra
    )

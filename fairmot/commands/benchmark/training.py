"""Training's speed: real steps over real batches, plain and with each of the trainer's switches.

Plain is how the published code trains, and every row's reference: float32, contiguous, parameters updated one after
another, no compilation, parts, average or copying ahead, targets drawn by the loader's workers. A row turns one switch
on, `all` those that gain speed together. fp16 has no row on a CPU: a step of it takes a hundred times as long there.

Every way has a network of its own, all from the same made-up weights, and in each round its turn over the same batches
with the same draws. It draws them by an iterator of its own and to the end, so that no worker makes batches during
another's turn. A loader's start is no part of training, whose epochs have hundreds of batches: each turn makes one step
before the clock runs, while the loader works ahead as it does later. From there on all counts: waiting for batches,
copies, steps, updates. Where the images suffice, a turn has as many timed steps as there are workers, or more: the
batches that these hold ready would hide a slow loader otherwise; one that is just too slow may still look fast enough.
"""

import math
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from fairmot.commands.benchmark.loader import MADE_UP_COUNT, MADE_UP_HW, write_made_up
from fairmot.commands.benchmark.timing import BenchmarkRow, paired_ratio, peak_memory
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

SMALL = ("INPUT.SIZE_HW", "(192, 320)", "SOLVER.BATCH_SIZE", "2")  # what two CPU cores train in reasonable time
STEPS = {"cuda": 4, "cpu": 2}  # timed steps a turn, or as many as there are workers
REFERENCE, IN_PARTS, ALL = "plain", "accumulate 2", "all"


AROUND = 2  # batches a turn beside the timed ones: one before, one after that is only loaded


def make_trainer(cfg: CfgNode, *, num_identities: Sequence[int], steps_per_epoch: int, device: torch.device) -> Trainer:
    """Return a trainer as `fairmot train` has it, at made-up weights and without hooks."""
    seed_libraries(cfg.SEED)
    model = build_model(cfg)
    load_deterministic_weights(model)
    state = build_train_state(
        cfg, model.train(), num_identities=num_identities, steps_per_epoch=steps_per_epoch, device=device
    )
    return choose_trainer(state, build_train_options(cfg), device=device)


class Learner:
    """One way of training, and what its turns took.

    seconds, waiting: of each turn's timed steps, and the share of it that they waited for data;
    peak_mib: of memory from its making to the end of its first turn, on top of what was in use before; None where the
        system does not tell.
    """

    def __init__(self, cfg: CfgNode, loader: TrainLoader, *, device: torch.device, steps: int) -> None:
        self.cfg = cfg
        self.images = steps * cfg.SOLVER.BATCH_SIZE
        self.seconds: list[float] = []
        self.waiting: list[float] = []
        self.peak_mib: float | None = None
        self._loader, self._device, self._steps = loader, device, steps
        self._trainer: Trainer | None = None

    def start(self) -> None:
        """Make the network and all that belongs to it, and take a turn that only counts for memory."""
        self.peak_mib = peak_memory(lambda: self._turn(0), device=self._device)

    def take_turn(self, number: int) -> None:
        """Take turn `number` (1 and on) and note its time."""
        seconds, waited = self._turn(number)
        self.seconds.append(seconds)
        self.waiting.append(waited / seconds)

    def stop(self) -> None:
        """Give the memory back."""
        self._trainer = None

    def _turn(self, number: int) -> tuple[float, float]:
        """Return how long the timed steps took, and how much of it they waited."""
        trainer, loader, device = self._made(), self._loader, self._device
        drawn = loader.epoch(number, start_batch=len(loader) - self._steps - AROUND)
        batches = prefetch_to_device(drawn, device, ahead=trainer.options.prefetch, throughput=trainer.throughput)
        trainer.train_step(next(batches))
        _wait_for(device)
        trainer.throughput.restart()
        for batch in islice(batches, self._steps):
            trainer.train_step(batch)
        _wait_for(device)
        taken = time.perf_counter() - trainer.throughput.started, trainer.throughput.waited
        deque(batches, maxlen=0)  # the last one, so that no worker is at it in another's turn
        return taken

    def _made(self) -> Trainer:
        if self._trainer is None:
            self._trainer = make_trainer(
                self.cfg,
                num_identities=self._loader.dataset.identity_counts,
                steps_per_epoch=len(self._loader),
                device=self._device,
            )
        return self._trainer


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


SMALL = ("INPUT.SIZE_HW", "(192, 320)", "SOLVER.BATCH_SIZE", "2")  # what two CPU cores train in reasonable time


STEPS = {"cuda": 4, "cpu": 2}  # timed steps a turn, or as many as there are workers


REFERENCE, IN_PARTS, ALL = "plain", "accumulate 2", "all"
PLAIN: Keys = {
    "SOLVER.FUSED": False,
    "SOLVER.CHANNELS_LAST": False,
    "SOLVER.ACCUMULATION_STEPS": 1,
    "SOLVER.EMA_DECAY": 0.0,
    "SOLVER.PRECISION": "fp32",
    "SOLVER.COMPILE": False,
    "DATA.PREFETCH": False,
    "DATA.TARGETS": "host",
}


EVERYWHERE: Mapping[str, Keys] = {
    "fused": {"SOLVER.FUSED": True},
    "channels-last": {"SOLVER.CHANNELS_LAST": True},
    IN_PARTS: {"SOLVER.ACCUMULATION_STEPS": 2},
    "ema": {"SOLVER.EMA_DECAY": 0.9998},
    "bf16": {"SOLVER.PRECISION": "bf16"},
    "device targets": {"DATA.TARGETS": "device"},
}


ON_A_GPU: Mapping[str, Keys] = {"fp16": {"SOLVER.PRECISION": "fp16"}, "prefetch": {"DATA.PREFETCH": True}}


COMPILED: Mapping[str, Keys] = {"compiled": {"SOLVER.COMPILE": True}}


TOGETHER = {
    "cpu": ("fused", "channels-last"),
    "cuda": ("fused", "channels-last", "bf16", "prefetch", "device targets"),
}


def benchmark_train(
    cfg: CfgNode, *, images: Path | None, device: torch.device, repeats: int, compiles: bool
) -> Iterator[BenchmarkRow]:
    """Yield a row for each switch: images/s, share of the time spent waiting for data, peak memory.

    images: a data set in any layout that DATA.TRAIN takes; None for 1920x1080 JPEGs made for the purpose. Its
        index is not kept.
    compiles: add the row of the compiled network; its first step takes minutes.

    The peak is what a way of training takes from nothing: weights, optimiser, gradients, batches, activations. A way
    that fails is left out, with a line on stderr. Raises InputError where there are fewer than three batches of images.
    """
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        sources = _sources(cfg, images, Path(scratch), steps=_wanted_steps(cfg, device))
        plain = changed(cfg, {**PLAIN, **sources})
        loaders = {targets: _open(plain, targets, device, stack) for targets in ("host", "device")}
        steps = _fitting_steps(plain, loaders["host"], device)
        ways = {REFERENCE: {}, **choose_ways(cfg, device=device, compiles=compiles)}
        learners = {
            name: Learner(way, loaders[way.DATA.TARGETS], device=device, steps=steps)
            for name, way in ((name, changed(plain, keys)) for name, keys in ways.items())
        }
        take_turns(learners, repeats=repeats)
    for name, learner in learners.items():
        if name != REFERENCE:
            yield _row(f"training {name} {describe_batch(cfg)}", learner, learners[REFERENCE])


def choose_ways(cfg: CfgNode, *, device: torch.device, compiles: bool) -> dict[str, Keys]:
    """Return name -> the keys that make it differ from plain; an odd batch has no row in two parts."""
    ways = {**EVERYWHERE, **(ON_A_GPU if device.type == "cuda" else {}), **(COMPILED if compiles else {})}
    if cfg.SOLVER.BATCH_SIZE % 2:
        del ways[IN_PARTS]
    together = {key: value for name in TOGETHER[device.type] for key, value in ways[name].items()}
    return {**ways, ALL: together}


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


def _wanted_steps(cfg: CfgNode, device: torch.device) -> int:
    return int(max(STEPS[device.type], cfg.DATA.WORKERS))


def _fitting_steps(cfg: CfgNode, loader: TrainLoader, device: torch.device) -> int:
    count, batch = len(loader.dataset), int(cfg.SOLVER.BATCH_SIZE)
    steps = min(_wanted_steps(cfg, device), count // batch - AROUND)
    if steps < 1:
        raise InputError(f"--images: {count} images, at least {(AROUND + 1) * batch} are wanted: 3 x SOLVER.BATCH_SIZE")
    return steps


def _sources(cfg: CfgNode, images: Path | None, scratch: Path, *, steps: int) -> Keys:
    """Return the keys that name the data; made up, they are few pictures, as many times as a turn has use for."""
    if images is not None and not images.is_dir():
        raise InputError(f"--images {images}: no such folder")
    cache = {"DATA.CACHE": str(scratch / "index"), "DATA.TRAIN": (".",)}
    if images is not None:
        return cache | {"DATA.ROOT": str(images.resolve())}
    root = write_made_up(scratch / "images")
    (first,) = root.iterdir()
    for number in range(math.ceil((steps + AROUND) * cfg.SOLVER.BATCH_SIZE / MADE_UP_COUNT)):
        sequence = root / f"{first.name}-{number}"
        shutil.copytree(first, sequence)
        write_sequence_info(SequenceInfo(sequence.name, sequence, 30.0, MADE_UP_COUNT, MADE_UP_HW))
    shutil.rmtree(first)
    return cache | {"DATA.ROOT": str(root), "DATA.FRAME_LIMIT": 0}


def _open(cfg: CfgNode, targets: str, device: torch.device, stack: ExitStack) -> TrainLoader:
    cfg = changed(cfg, {"DATA.TARGETS": targets})
    loader = build_train_loader(cfg, build_train_dataset(cfg), pin_memory=device.type == "cuda")
    stack.callback(loader.close)
    return loader


def take_turns(learners: dict[str, Learner], *, repeats: int) -> None:
    """Let all take a turn in each round; drop those that fail.

    What libraries keep from their first use on is no way's own: plain starts once more than the others.
    """
    learners[REFERENCE].start()
    learners[REFERENCE].stop()
    for number in range(repeats + 1):
        for name, learner in list(learners.items()):
            with nullcontext() if name == REFERENCE else _dropped_if_failing(name, learners):
                learner.take_turn(number) if number else learner.start()


@contextmanager
def _dropped_if_failing(name: str, learners: dict[str, Learner]) -> Iterator[None]:
    """Out of memory, a compiler that fails in any way, a loss that is not finite: the other rows stand."""
    try:
        yield
    except Exception as error:
        learners.pop(name).stop()
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        print(f"fairmot benchmark: training {name} failed: {reason}", file=sys.stderr)


def _row(name: str, ours: Learner, reference: Learner) -> BenchmarkRow:
    sides = {"ours": ours, "reference": reference}
    peaks = {f"peak_mib_{side}": one.peak_mib for side, one in sides.items()}
    return BenchmarkRow(
        name,
        ours=ours.images / median(ours.seconds),
        reference=reference.images / median(reference.seconds),
        ratio=paired_ratio(reference.seconds, ours.seconds),
        unit="images/s",
        extra={f"waiting_{side}": median(one.waiting) for side, one in sides.items()}
        | {key: value for key, value in peaks.items() if value is not None},
    )

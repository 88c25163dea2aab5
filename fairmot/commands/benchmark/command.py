"""Job `benchmark`: ours and a reference, timed in alternation in one run."""

import argparse
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torchvision
from tqdm import tqdm

from fairmot.commands.benchmark.evaluation import benchmark_eval
from fairmot.commands.benchmark.loader import benchmark_data
from fairmot.commands.benchmark.model import benchmark_model, describe_model
from fairmot.commands.benchmark.timing import BenchmarkRow
from fairmot.commands.benchmark.tracker import benchmark_tracker
from fairmot.commands.benchmark.training import SMALL, benchmark_train, describe_batch
from fairmot.commands.run import resolve_device
from fairmot.config.load import load_cfg
from fairmot.config.node import CfgNode
from fairmot.formats.atomic import check_writable, write_text
from fairmot.utils.errors import InputError

SUBJECTS = ("model", "train", "data", "tracker", "eval")

EXAMPLES = """\
fairmot benchmark model --device cuda --json model.json
fairmot benchmark train --config configs/quickstart.yaml
fairmot benchmark tracker --repeats 3
fairmot benchmark eval
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the job."""
    add, scenes = parser.add_argument, "tracker: folder of street.npz, crowd.npz and noisy.npz (default: synthetic)"
    add("subject", choices=SUBJECTS, help="part to measure")
    add("--config", type=Path, metavar="FILE", help="YAML configuration (default: FairMOT's DLA-34)")
    add("--device", help="auto, cpu, cuda or cuda:N (default: DEVICE)")
    add("--images", type=Path, metavar="DIR", help="data, train: dataset to read (default: synthetic JPEGs)")
    add("--scenes", type=Path, metavar="DIR", help=scenes)
    add("--gt", type=Path, metavar="DIR", help="eval: MOTChallenge sequences (default: synthetic)")
    add("--results", type=Path, metavar="DIR", help="eval: result files <sequence>.txt, with --gt")
    add("--repeats", type=int, metavar="N", default=5, help="measured rounds, after one warm-up round")
    add("--json", type=Path, metavar="FILE", help="also write machine and rows to FILE")
    add("overrides", nargs="*", metavar="KEY VALUE", help="configuration, e.g. MODEL.BACKBONE yolo")


def main(arguments: argparse.Namespace) -> int:
    """Run the job: print a table and, with `--json`, write the rows."""
    if arguments.repeats < 1:
        raise InputError(f"--repeats {arguments.repeats}: must be at least 1")
    device_key = [] if arguments.device is None else ["DEVICE", arguments.device]
    cfg = load_cfg(arguments.config, [*arguments.overrides, *device_key])
    if arguments.json is not None:
        check_writable(arguments.json)
    device = resolve_device(cfg.DEVICE)
    machine = describe_machine(device)
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    facts, rows = start_subject(arguments, cfg, device)
    measured = list(tqdm(rows, desc="timing", unit="row", leave=False, disable=None))
    print(format_rows(measured))
    if arguments.json is not None:
        content = {"machine": machine, **facts, "rows": [row.to_dict() for row in measured]}
        write_text(arguments.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
        print(f"wrote {arguments.json}")
    return 0


def start_subject(
    arguments: argparse.Namespace, cfg: CfgNode, device: torch.device
) -> tuple[Mapping[str, object], Iterator[BenchmarkRow]]:
    """Return further JSON fields, and the rows, each timed when it is requested."""
    repeats = arguments.repeats
    if arguments.subject == "data":
        return {}, benchmark_data(cfg, images=arguments.images, repeats=repeats)
    if arguments.subject == "train":
        return start_training(arguments, cfg, device)
    if arguments.subject == "tracker":
        facts = {"scenes": str(arguments.scenes or "synthetic"), "seed": cfg.SEED}
        return facts, benchmark_tracker(cfg, scenes=arguments.scenes, repeats=repeats)
    if arguments.subject == "eval":
        facts = {"ground_truth": str(arguments.gt or "synthetic"), "seed": cfg.SEED}
        rows = benchmark_eval(ground_truth=arguments.gt, results=arguments.results, seed=cfg.SEED, repeats=repeats)
        return facts, rows
    model = describe_model(cfg)
    print(f"{model['backbone']}: {model['parameters']:,} parameters, {model['gflops']:.1f} GFLOP per image")
    return {"model": model}, benchmark_model(cfg, device=device, repeats=repeats)


def start_training(
    arguments: argparse.Namespace, cfg: CfgNode, device: torch.device
) -> tuple[Mapping[str, object], Iterator[BenchmarkRow]]:
    """`start_subject` for training: small batches on a CPU without --config; a GPU also compiles by default."""
    if device.type == "cpu" and arguments.config is None:
        cfg = load_cfg(None, [*SMALL, *arguments.overrides])
    compiles = cfg.SOLVER.COMPILE or (device.type == "cuda" and "SOLVER.COMPILE" not in arguments.overrides[::2])
    facts = {
        "backbone": cfg.MODEL.BACKBONE,
        "batch": describe_batch(cfg),
        "workers": cfg.DATA.WORKERS,
        "images": str(arguments.images or "synthetic"),
    }
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    rows = benchmark_train(cfg, images=arguments.images, device=device, repeats=arguments.repeats, compiles=compiles)
    return {"training": facts}, rows


def describe_machine(device: torch.device) -> dict[str, str | int]:
    """Return processor, threads, GPU and versions."""
    machine: dict[str, str | int] = {
        "cpu": _cpu_name(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    if device.type == "cuda":
        machine["tf32"] = str(torch.backends.cudnn.allow_tf32)
    return machine


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def format_rows(rows: Sequence[BenchmarkRow]) -> str:
    """Return the rows as a table; missing values are empty."""
    columns = ["name", "ours", "reference", "ratio", "unit", *dict.fromkeys(name for row in rows for name in row.extra)]
    cells = [columns, *([_cell(row.to_dict().get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    lines = []
    for first, *others in cells:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
    return "\n".join(lines)


def _cell(value: float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}"

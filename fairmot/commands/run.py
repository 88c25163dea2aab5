"""What every job needs at its start: output folder, seeds, device, log."""

import logging
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from fairmot.config.load import dump_cfg
from fairmot.config.node import CfgNode
from fairmot.formats.atomic import write_text
from fairmot.structures.labels import LabelBlock
from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class Run:
    """One job under way."""

    output: Path
    device: torch.device
    log: logging.Logger


def start_run(cfg: CfgNode, output: Path) -> Run:
    """Make the output folder, seed everything, choose the device, open the log, write the effective configuration."""
    device = resolve_device(cfg.DEVICE)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"OUTPUT: {output} is a file, not a folder") from None
    random.seed(cfg.SEED)
    np.random.seed(cfg.SEED)  # noqa: NPY002 - for libraries that draw from it; our own draws take a generator
    torch.manual_seed(cfg.SEED)
    write_text(output / "config.yaml", dump_cfg(cfg))
    return Run(output, device, open_log(output / "run.log"))


def reading_bar(blocks: Iterable[LabelBlock], total: int) -> Iterable[LabelBlock]:
    """Show the reading of labels where it may take a while."""
    return tqdm(
        blocks, total=total, desc="reading labels", unit="part", leave=False, disable=None if total > 1 else True
    )


def resolve_device(name: str) -> torch.device:
    """Return the torch device for DEVICE; `auto` is the first GPU, or the CPU where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"DEVICE = {name!r}: this machine has {torch.cuda.device_count()} CUDA devices")
    return device


def open_log(path: Path) -> logging.Logger:
    """Return the logger that writes plain lines to stdout and, with the time, to `path`."""
    log = logging.getLogger("fairmot")
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    screen = logging.StreamHandler(sys.stdout)
    screen.setFormatter(logging.Formatter("%(message)s"))
    file = logging.FileHandler(path, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(screen)
    log.addHandler(file)
    return log

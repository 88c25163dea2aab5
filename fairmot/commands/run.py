"""Setup of a job: output folder, seeds, device and log."""

import logging
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from tqdm import tqdm

from fairmot.config.load import dump_cfg
from fairmot.config.node import CfgNode
from fairmot.formats.atomic import write_text
from fairmot.structures.annotations import Annotations
from fairmot.utils.distributed import Distributed
from fairmot.utils.errors import InputError


@dataclass(frozen=True)
class Run:
    """Context of a running job."""

    output: Path
    device: torch.device
    log: logging.Logger
    world: Distributed


def start_run(cfg: CfgNode, output: Path, world: Distributed | None = None) -> Run:
    """Create the output folder, set the seeds, select the device, open the log, write the effective configuration.

    Only rank 0 writes files; the other ranks log warnings only.
    """
    world = world or Distributed()
    device = resolve_device(cfg.DEVICE, world)
    seed_libraries(cfg.SEED)
    if not world.is_main_process:
        return Run(output, device, open_log(None, name=log_name(world)), world)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"OUTPUT: {output} is a file, not a folder") from None
    except OSError as error:
        raise InputError(f"OUTPUT: {output} cannot be created: {error.strerror}") from None
    write_text(output / "config.yaml", dump_cfg(cfg))
    return Run(output, device, open_log(output / "run.log"), world)


def log_name(world: Distributed) -> str:
    """Return the name of this rank's logger."""
    return "fairmot" if world.is_main_process else f"fairmot.{world.rank}"


def seed_libraries(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch; our own draws take a generator."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def reading_bar(blocks: Iterable[Annotations], total: int) -> Iterable[Annotations]:
    """Show a progress bar over the reading of labels that may take long."""
    disable = None if total > 1 else True  # None: shown on a terminal
    return tqdm(blocks, total=total, desc="reading labels", unit="part", leave=False, disable=disable)


def resolve_device(name: str, world: Distributed | None = None) -> torch.device:
    """Return the device for DEVICE: `auto` is a GPU, or the CPU where there is none.

    Each process of a machine gets its own GPU; InputError where there are too few.
    """
    world = world or Distributed()
    has_gpus = torch.cuda.is_available()
    if name == "auto" and not has_gpus:
        return torch.device("cpu")
    device = torch.device("cuda" if name == "auto" else name)
    if device.type != "cuda":
        return device
    if world.world_size > 1:
        if device.index is not None:
            raise InputError(f"DEVICE = {name!r}: one GPU for {world.world_size} processes; auto selects one for each")
        device = torch.device("cuda", world.local_rank)
    if (device.index or 0) >= torch.cuda.device_count():
        users = f" for {world.local_world_size} processes" if world.world_size > 1 else ""
        raise InputError(f"DEVICE = {name!r}: this machine has {torch.cuda.device_count()} CUDA devices{users}")
    return device


class _ConsoleHandler(logging.StreamHandler[TextIO]):
    """Ignores a closed pipe: the run continues, and its log file is complete."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Report a failed write, except to a closed pipe."""
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            super().handleError(record)


def open_log(path: Path | None, *, name: str = "fairmot") -> logging.Logger:
    """Return the logger that writes lines to stdout and, with the time, to `path`.

    Without a path it writes only warnings, with its name, to stderr.
    """
    log = logging.getLogger(name)
    log.setLevel(logging.INFO if path else logging.WARNING)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    console = _ConsoleHandler(sys.stdout if path else sys.stderr)
    console.setFormatter(logging.Formatter("%(message)s" if path else "%(name)s: %(message)s"))
    log.addHandler(console)
    if path:
        file = logging.FileHandler(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(file)
    return log

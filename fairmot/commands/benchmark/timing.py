"""How much memory a piece of work takes at its peak."""

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): sets the peak back to what is in use now


def peak_memory(run: Callable[[], object], *, device: torch.device) -> float | None:
    """Return the MiB that `run` takes on top of what is in use before it; None where the system does not tell.

    On a CPU of the whole process (Linux), on a GPU of PyTorch's allocator.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what earlier work freed would hide what this one takes
        CLEAR.write_text(RESET_PEAK)
        before = _status_kib("VmRSS")
        run()
        return (_status_kib("VmHWM") - before) / 1024
    except (OSError, AttributeError, KeyError):
        return None


def _status_kib(name: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0])


TimedRun = Callable[[], object]


def time_in_turn(
    runs: Mapping[str, TimedRun], *, repeats: int, wait: TimedRun = lambda: None
) -> dict[str, list[float]]:
    """Return name -> seconds of each of `repeats` rounds; a round runs every way once. One round before is not counted.

    wait: called before the clock is read (a GPU's synchronisation).
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeats + 1):
        for name, run in runs.items():
            wait()
            started = time.perf_counter()
            run()
            wait()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def paired_ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median of slow / fast, round by round.

    >>> paired_ratio([2.0, 4.0, 9.0], [1.0, 1.0, 3.0])
    3.0
    """
    return median(a / b for a, b in zip(slow, fast, strict=True))


@dataclass(frozen=True)
class BenchmarkRow:
    """Ours and a reference, measured in turn in one run.

    ours, reference: medians in `unit`; ratio: above 1 means ours is faster, the median of the rounds' own ratios.
    extra: further figures by name (a third column, peak memory).
    """

    name: str
    ours: float
    reference: float
    ratio: float
    unit: str = "s"
    extra: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, float | str]:
        """Return the row as JSON has it."""
        figures = {"ours": self.ours, "reference": self.reference, "ratio": self.ratio}
        return {"name": self.name, **figures, "unit": self.unit, **self.extra}

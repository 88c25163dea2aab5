"""Timing in alternation, peak memory and rows of benchmarks."""

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): resets VmHWM to the current resident size

TimedRun = Callable[[], object]


@dataclass(frozen=True)
class BenchmarkRow:
    """Ours and a reference, measured in alternation in one run.

    ours, reference: medians in `unit`; ratio: median of the ratios of single rounds, above 1 where ours is faster;
    extra: further values by name (another implementation, peak memory).
    """

    name: str
    ours: float
    reference: float
    ratio: float
    unit: str = "s"
    extra: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, float | str]:
        """Return the row as in the JSON file."""
        values = {"ours": self.ours, "reference": self.reference, "ratio": self.ratio}
        return {"name": self.name, **values, "unit": self.unit, **self.extra}


def compare(
    name: str,
    ours: list[float],
    reference: list[float],
    *,
    unit: str = "s",
    convert: Callable[[float], float] = lambda seconds: seconds,
    extra: Mapping[str, float] | None = None,
) -> BenchmarkRow:
    """Return the row of two lists of seconds; `convert` maps seconds to `unit`.

    >>> compare("a", [1.0, 2.0, 4.0], [2.0, 2.0, 12.0], unit="images/s", convert=lambda seconds: 8 / seconds)
    BenchmarkRow(name='a', ours=4.0, reference=4.0, ratio=2.0, unit='images/s', extra={})
    """
    ratio = median(slow / fast for slow, fast in zip(reference, ours, strict=True))
    return BenchmarkRow(name, convert(median(ours)), convert(median(reference)), ratio, unit, extra or {})


def time_alternately(
    runs: Mapping[str, TimedRun], *, repeats: int, synchronize: TimedRun = lambda: None
) -> dict[str, list[float]]:
    """Return name -> seconds of `repeats` rounds, after one that is not counted; a round calls every run once.

    synchronize: called before each reading of the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(repeats + 1):
        for name, run in runs.items():
            synchronize()
            started = time.perf_counter()
            run()
            synchronize()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def peak_memory(run: Callable[[], object], *, device: torch.device) -> float | None:
    """Return the peak memory of `run` in MiB above the memory in use before it; None if the system cannot measure it.

    On a CPU the resident size of the process (Linux), on a GPU PyTorch's allocator.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    try:
        ctypes.CDLL(None).malloc_trim(0)  # freed memory that is still resident would hide what this run takes
        CLEAR.write_text(RESET_PEAK)
        before = _status_kib("VmRSS")
        run()
        return (_status_kib("VmHWM") - before) / 1024
    except (OSError, AttributeError, KeyError):
        return None


def _status_kib(name: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0])

"""How much memory a piece of work takes at its peak."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

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

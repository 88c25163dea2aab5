"""Benchmark of the deformable convolution on a GPU against torchvision's operator, on the network's shapes.

    python tools/experiments/deform_on_gpu.py --batch 12 --json deform.json
    python tools/experiments/deform_on_gpu.py --batch 1 --dtypes bf16     # as in inference
    python tools/experiments/deform_on_gpu.py --sweep                     # other block sizes of the kernels
    python tools/experiments/deform_on_gpu.py --profile                   # GPU time by kernel
    python tools/experiments/deform_on_gpu.py --network                   # training steps of DLA-34

Prints a row per layer shape of the network, for the forward pass and for forward and backward, and their sum over the
network. Features, offsets and mask are channels last in the given precision, as under autocast. Milliseconds are
medians over CUDA events; memory is the allocator's peak without the inputs.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile
from torchvision.ops import deform_conv2d as torchvision_deform_conv2d

from fairmot.commands.benchmark.model import training_step
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.deterministic_weights import load_deterministic_weights
from fairmot.models.layers.deform_conv import cuda as deform_conv_cuda

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
OURS, THEIRS = deform_conv_cuda.deform_conv2d, torchvision_deform_conv2d
MIB = 1 << 20
LAYERS = (  # of DLA-34: stride of the map, channels, output channels, number of layers
    (4, 64, 64, 5),
    (8, 128, 64, 4),
    (8, 128, 128, 2),
    (16, 256, 64, 1),
    (16, 256, 128, 2),
    (16, 256, 256, 1),
    (32, 512, 256, 1),
)


@dataclass(frozen=True)
class LayerShape:
    """Features (batch, channels, height, width) of a 3x3 layer with stride 1, and the number of such layers."""

    batch: int
    channels: int
    out_channels: int
    height: int
    width: int
    times: int


@dataclass(frozen=True)
class LayerTiming:
    """One shape, precision and pass: milliseconds and peak MiB of both operators."""

    shape: LayerShape
    dtype: str
    trains: bool
    ours_ms: float
    reference_ms: float
    ours_mib: float
    reference_mib: float


def network_shapes(batch: int, input_hw: tuple[int, int]) -> list[LayerShape]:
    """Return the network's layer shapes at this image size, largest maps first."""
    height, width = input_hw
    return [
        LayerShape(batch, *channels, height // stride, width // stride, times) for stride, *channels, times in LAYERS
    ]


class OperatorInputs:
    """Random inputs of one layer shape, and the gradients of its outputs."""

    def __init__(self, shape: LayerShape, dtype: torch.dtype, reach: float) -> None:
        size = (shape.batch, shape.channels, shape.height, shape.width)
        rng = torch.Generator("cuda").manual_seed(0)
        self.features = torch.randn(size, generator=rng, device="cuda").to(dtype, memory_format=torch.channels_last)
        maps = torch.randn(size[0], 27, *size[2:], generator=rng, device="cuda")
        maps = maps.to(dtype, memory_format=torch.channels_last)
        self.offset, self.mask = maps[:, :18] * reach, maps[:, 18:].sigmoid()
        kernel = (shape.out_channels, shape.channels, 3, 3)
        self.weight = torch.randn(kernel, generator=rng, device="cuda").to(memory_format=torch.channels_last)
        self.bias = torch.randn(shape.out_channels, generator=rng, device="cuda")
        self.inputs = (self.features, self.offset, self.mask, self.weight, self.bias)
        self.gradients: dict[torch.dtype, torch.Tensor] = {}

    def run(self, operator: Callable[..., torch.Tensor], *, trains: bool) -> None:
        """Run the forward pass and, if `trains`, the backward pass."""
        dtype = self.features.dtype
        for value in self.inputs:
            value.requires_grad_(trains)
        with torch.set_grad_enabled(trains), torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
            out = operator(self.features, self.offset, self.weight, self.bias, padding=1, mask=self.mask)
        if trains:
            upstream = self.gradients.setdefault(out.dtype, torch.ones_like(out))
            torch.autograd.grad(out, self.inputs, upstream)


def milliseconds(run: Callable[[], None], repeats: int) -> float:
    """Return the median time on the GPU after three warm-up runs."""
    for _ in range(3):
        run()
    pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
    for start, end in pairs:
        start.record()
        run()
        end.record()
    torch.cuda.synchronize()
    return median(start.elapsed_time(end) for start, end in pairs)


def peak_mib(run: Callable[[], None]) -> float:
    """Return the peak memory of a run above the memory allocated before."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MIB


def measure(shape: LayerShape, dtype: str, *, reach: float, repeats: int) -> Iterator[LayerTiming]:
    """Yield the row of the forward pass and that of forward and backward."""
    work = OperatorInputs(shape, DTYPES[dtype], reach)
    for trains in (False, True):
        runs = [lambda operator=operator: work.run(operator, trains=trains) for operator in (OURS, THEIRS)]  # noqa: B023
        times = [milliseconds(run, repeats) for run in runs]
        peaks = [peak_mib(run) for run in runs]
        yield LayerTiming(shape, dtype, trains, times[0], times[1], peaks[0], peaks[1])


def print_rows(rows: Sequence[LayerTiming]) -> None:
    """Print a line per row, and the sum over the network's layers."""
    print(f"{'shape (B, C, O, H, W)':28} layers dtype pass      ours ms  torchvision    ratio   ours MiB  torchvision")
    for row in rows:
        shape = row.shape
        sizes = str((shape.batch, shape.channels, shape.out_channels, shape.height, shape.width))
        label = "training" if row.trains else "forward"
        times = f"{row.ours_ms:9.3f} {row.reference_ms:12.3f} {row.reference_ms / row.ours_ms:7.2f}x"
        print(f"{sizes:28} {shape.times:6} {row.dtype} {label:8}{times} {row.ours_mib:10.0f} {row.reference_mib:12.0f}")
    for dtype, trains in dict.fromkeys((row.dtype, row.trains) for row in rows):
        same = [row for row in rows if (row.dtype, row.trains) == (dtype, trains)]
        ours, reference = (sum(getattr(r, n) * r.shape.times for r in same) for n in ("ours_ms", "reference_ms"))
        label = "training" if trains else "forward"
        print(f"{'all layers':28} {'':6} {dtype} {label:8}{ours:9.3f} {reference:12.3f} {reference / ours:7.2f}x")


@contextmanager
def constants(**values: int) -> Iterator[None]:
    """Set constants of `deform_conv.cuda` temporarily."""
    original = {name: getattr(deform_conv_cuda, name) for name in values}
    try:
        for name, value in values.items():
            setattr(deform_conv_cuda, name, value)
        yield
    finally:
        for name, value in original.items():
            setattr(deform_conv_cuda, name, value)


def sweep(shapes: Sequence[LayerShape], dtype: str, *, reach: float, repeats: int) -> list[dict[str, float | str]]:
    """Time the passes with other sizes of blocks, warps and chunks; print a line each."""
    trials: list[tuple[bool, dict[str, int]]] = [
        *((False, {"SAMPLE_BLOCK_BYTES": n, "WARPS": w}) for n in (4096, 8192, 16384) for w in (2, 4, 8)),
        *((False, {"COLUMN_BYTES": n << 20}) for n in (32, 64, 512)),
        *((True, {"GRADIENT_BLOCK": n, "WARPS": w}) for n in (512, 1024, 2048, 4096) for w in (2, 4, 8)),
        *((True, {"GRADIENT_BYTES": n << 20}) for n in (16, 32, 64, 256)),
    ]
    results: list[dict[str, float | str]] = []
    for shape in shapes:
        work = OperatorInputs(shape, DTYPES[dtype], reach)
        for trains, values in trials:
            with constants(**values):
                elapsed = milliseconds(lambda: work.run(OURS, trains=trains), repeats)  # noqa: B023
            label, sizes = "training" if trains else "forward", (shape.channels, shape.height)
            print(f"{sizes!s:14} {dtype} {label:8} {elapsed:8.3f} ms  {values}", flush=True)
            results.append({"channels": shape.channels, "pass": label, "ms": elapsed, **values})
    return results


def print_profile(shapes: Sequence[LayerShape], dtype: str, *, reach: float) -> None:
    """Print the GPU time by kernel of one training pass over all layers of the network."""
    for name, operator in (("ours", OURS), ("torchvision", THEIRS)):
        totals: Counter[str] = Counter()
        for shape in shapes:
            work = OperatorInputs(shape, DTYPES[dtype], reach)
            for _ in range(2):
                work.run(operator, trains=True)
            torch.cuda.synchronize()
            with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
                work.run(operator, trains=True)
                torch.cuda.synchronize()
            for event in profiler.events():
                if event.device_type == torch.autograd.DeviceType.CUDA:
                    totals[event.name[:100]] += event.time_range.elapsed_us() * shape.times
        print(f"{name}, {dtype}, a training pass over all layers: {sum(totals.values()) / 1e3:.2f} ms")
        for kernel, microseconds in totals.most_common(12):
            print(f"  {microseconds / 1e3:9.3f} ms  {kernel}")


def print_network(
    batch: int, input_hw: tuple[int, int], dtypes: Sequence[str], repeats: int
) -> list[dict[str, object]]:
    """Print and return milliseconds of a training step of DLA-34, by memory format, precision and operator."""
    model = build_model(load_cfg(None, []))
    load_deterministic_weights(model)
    images = torch.rand(batch, 3, *input_hw, device="cuda")
    results: list[dict[str, object]] = []
    for layout in (torch.contiguous_format, torch.channels_last):
        inputs, model = images.contiguous(memory_format=layout), model.cuda().train().to(memory_format=layout)
        for name in dtypes:
            elapsed: dict[bool, float] = {}
            for enabled in (False, True):
                deform_conv_cuda.IS_ENABLED = enabled

                def step() -> None:
                    with torch.autocast("cuda", DTYPES[name], enabled=name != "fp32"):  # noqa: B023
                        training_step(model, inputs)  # noqa: B023

                elapsed[enabled] = milliseconds(step, repeats)
            ratio = elapsed[False] / elapsed[True]
            results.append(
                {"layout": str(layout), "dtype": name, "ours_ms": elapsed[True], "reference_ms": elapsed[False]}
            )
            print(f"{layout!s:24} {name} {elapsed[True]:9.1f} ms {elapsed[False]:9.1f} ms {ratio:7.2f}x", flush=True)
    return results


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--size", type=int, nargs=2, default=(608, 1088), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--reach", type=float, default=1.0, help="standard deviation of offsets, in cells")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--sweep", action="store_true", help="time other block sizes of the kernels")
    parser.add_argument("--network", action="store_true", help="time training steps of DLA-34")
    parser.add_argument("--profile", action="store_true", help="print the GPU time by kernel")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    args = parse_args(argv)
    if not torch.cuda.is_available():
        print("deform_on_gpu: needs a CUDA device", file=sys.stderr)
        return 2
    shapes, how = network_shapes(args.batch, tuple(args.size)), {"reach": args.reach}
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, offsets of {args.reach} cells")
    result: dict[str, object] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, **vars(args)}
    if args.profile:
        for dtype in args.dtypes:
            print_profile(shapes, dtype, **how)
    elif args.network:
        result["network"] = print_network(args.batch, tuple(args.size), args.dtypes, args.repeats)
    elif args.sweep:
        widest = max(shapes, key=lambda shape: shape.channels)
        result["sweep"] = sweep([shapes[0], widest], args.dtypes[-1], repeats=args.repeats, **how)
    else:
        rows = [row for d in args.dtypes for s in shapes for row in measure(s, d, repeats=args.repeats, **how)]
        print_rows(rows)
        result["rows"] = [asdict(row) for row in rows]
    if args.json:
        args.json.write_text(json.dumps(result, indent=1, default=str) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

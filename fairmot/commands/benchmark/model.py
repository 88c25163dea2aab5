"""Benchmark of the network: ours and the same network dense, unfused and on torchvision's deformable operator.

All have the same deterministic weights, since the sampling positions decide the speed of deformable layers.
"""

import copy
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import deform_conv2d

from fairmot.codec.decode import decode
from fairmot.commands.benchmark.timing import BenchmarkRow, TimedRun, compare, peak_memory, time_alternately
from fairmot.config.node import CfgNode
from fairmot.geometry.letterbox import round_up_hw
from fairmot.models.build import build_model
from fairmot.models.deterministic_weights import load_deterministic_weights
from fairmot.models.inference import prepare_for_inference
from fairmot.models.joint_detector import JointDetector
from fairmot.models.layers.deform_conv.layer import DeformConv2d

TRAINING_BHW = (2, 192, 320)
REFERENCE, PLAIN = "reference", "plain"


class TorchvisionDeformConv(nn.Module):
    """`DeformConv2d` on torchvision's operator, on every device."""

    def __init__(self, layer: DeformConv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, O, H, W)."""
        layer = self.layer
        offset, mask = layer.predict_offsets(features_BCHW)
        out: torch.Tensor = deform_conv2d(
            features_BCHW, offset, layer.weight, layer.bias, layer.stride, layer.padding, mask=mask
        )
        return out


def plain_convolution(layer: DeformConv2d) -> nn.Conv2d:
    """Return the plain convolution of the same size: the layer without offsets."""
    out_channels, in_channels, kernel, _ = layer.weight.shape
    plain = nn.Conv2d(in_channels, out_channels, kernel, layer.stride, layer.padding)
    plain.load_state_dict({name: value for name, value in layer.state_dict().items() if name in ("weight", "bias")})
    return plain


def benchmark_model(cfg: CfgNode, *, device: torch.device, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield rows of inference at INPUT.SIZE_HW, batch 1, and of training steps (forward and backward)."""
    model = build_model(cfg)
    load_deterministic_weights(model)
    yield from inference_rows(
        model.eval().to(device), input_hw=round_up_hw(cfg.INPUT.SIZE_HW), top_k=cfg.PREDICT.TOP_K, repeats=repeats
    )
    yield from training_rows(model.train(), repeats=repeats)


@torch.inference_mode()
def inference_rows(
    model: JointDetector, *, input_hw: tuple[int, int], top_k: int, repeats: int
) -> Iterator[BenchmarkRow]:
    """Yield rows for dense heads and heads at peaks; on a GPU also in other precisions and compiled."""
    device = next(model.parameters()).device
    images = torch.rand(1, 3, *input_hw, generator=torch.Generator().manual_seed(0)).to(device)
    nhwc = images.contiguous(memory_format=torch.channels_last)
    ours, plain = prepare_for_inference(model), prepare_for_inference(replaced(model, plain_convolution))
    reference = replaced(model, TorchvisionDeformConv)

    def peaks() -> object:
        heads = ours.sparse_heads(nhwc)
        decoded = decode(heads.heatmap_BCHW.sigmoid(), heads.size_ltrb, heads.offset, top_k=top_k)
        return decoded, heads.embedding.at(decoded.points.indices_BK)

    suffix = f" 1x{input_hw[0]}x{input_hw[1]}"
    runs: dict[str, TimedRun] = {REFERENCE: lambda: reference(images), PLAIN: lambda: plain(nhwc)}
    runs |= {"inference dense": lambda: ours(nhwc), "inference peaks": peaks}
    if device.type == "cuda":
        contiguous = copy.deepcopy(ours).to(memory_format=torch.contiguous_format)
        runs |= {"inference dense contiguous": lambda: contiguous(images)}
        runs |= in_precision("inference dense", lambda: ours(nhwc)) | in_precision("inference peaks", peaks)
    yield from _rows(runs, suffix=suffix, device=device, repeats=repeats)
    if device.type == "cuda":
        compiled = torch.compile(ours)
        runs = {REFERENCE: lambda: reference(images), "inference dense compiled": lambda: compiled(nhwc)}
        runs |= in_precision("inference dense compiled", lambda: compiled(nhwc))
        yield from _compiled_rows(runs, suffix=suffix, device=device, repeats=repeats)


def training_rows(model: JointDetector, *, repeats: int) -> Iterator[BenchmarkRow]:
    """Yield a row for a training step (channels last on a CPU); on a GPU also in other formats and precisions."""
    device = next(model.parameters()).device
    batch, height, width = TRAINING_BHW
    suffix = f" {batch}x{height}x{width}"
    images = torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)).to(device)
    reference, nhwc = replaced(model, TorchvisionDeformConv), copy.deepcopy(model).to(memory_format=torch.channels_last)
    runs: dict[str, TimedRun] = {REFERENCE: lambda: training_step(reference, images)}
    if device.type != "cuda":
        runs |= {"training": lambda: training_step(nhwc, images)}
        yield from _rows(runs, suffix=suffix, device=device, repeats=repeats)
        return
    runs |= {"training": lambda: training_step(model, images)}
    runs |= {"training channels-last": lambda: training_step(nhwc, images)}
    runs |= in_precision("training", lambda: training_step(model, images))
    runs |= in_precision("training channels-last", lambda: training_step(nhwc, images))
    yield from _rows(runs, suffix=suffix, device=device, repeats=repeats)
    compiled: Any = torch.compile(model)
    runs = {REFERENCE: runs[REFERENCE], "training compiled": lambda: training_step(compiled, images)}
    yield from _compiled_rows(runs, suffix=suffix, device=device, repeats=repeats)


def _compiled_rows(
    runs: Mapping[str, TimedRun], *, suffix: str, device: torch.device, repeats: int
) -> Iterator[BenchmarkRow]:
    """Yield rows whose first round compiles, none with a line on stderr if that fails."""
    try:
        yield from _rows(runs, suffix=suffix, device=device, repeats=repeats)
    except Exception as error:  # of any kind
        print(f"fairmot benchmark: torch.compile failed: {' '.join(str(error).split())[:160]}", file=sys.stderr)


def training_step(model: Any, images: torch.Tensor) -> None:
    """Run forward and backward of the sum of the heads' mean squares."""
    model.zero_grad(set_to_none=True)
    loss: torch.Tensor = sum(output.float().square().mean() for output in model(images))
    loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)


def in_precision(name: str, run: TimedRun) -> dict[str, TimedRun]:
    """Return the run under bf16 and fp16 autocast, without a scaler, which does not change the speed."""
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return {f"{name} {short}": torch.autocast("cuda", dtype)(run) for short, dtype in dtypes.items()}


def replaced(model: nn.Module, make: Callable[[DeformConv2d], nn.Module]) -> Any:
    """Return a copy of `model` with each deformable layer replaced by `make(layer)`."""
    model = copy.deepcopy(model)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, DeformConv2d):
            model.set_submodule(name, make(layer).train(model.training).to(layer.weight.device))
    return model


def _rows(runs: Mapping[str, TimedRun], *, suffix: str, device: torch.device, repeats: int) -> Iterator[BenchmarkRow]:
    is_cuda = device.type == "cuda"
    synchronize: TimedRun = partial(torch.cuda.synchronize, device) if is_cuda else lambda: None
    seconds = time_alternately(runs, repeats=repeats, synchronize=synchronize)
    peaks = {name: peak_memory(run, device=device) for name, run in runs.items()}
    for name in runs:
        if name in (REFERENCE, PLAIN):
            continue
        extra = {
            f"peak_mib_{side}": value for side, key in (("ours", name), (REFERENCE, REFERENCE)) if (value := peaks[key])
        }
        if PLAIN in seconds:
            plain = compare(PLAIN, seconds[PLAIN], seconds[name])
            extra |= {PLAIN: plain.ours, "times_plain": plain.ratio}
        yield compare(name + suffix, seconds[name], seconds[REFERENCE], extra=extra)


def describe_model(cfg: CfgNode) -> dict[str, float | str]:
    """Return the network's name, parameters and, for one image of INPUT.SIZE_HW, floating-point operations."""
    with torch.device("meta"):
        model = build_model(cfg).eval()
        images = torch.empty(1, 3, *round_up_hw(cfg.INPUT.SIZE_HW))
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.torchvision.deform_conv2d: _deform_flops})
    with counter, torch.no_grad():
        model(images)
    parameters = sum(value.numel() for value in model.parameters())
    return {"backbone": cfg.MODEL.BACKBONE, "parameters": parameters, "gflops": counter.get_total_flops() / 1e9}


def _deform_flops(*shapes: tuple[int, ...], out_shape: tuple[int, ...], **_: object) -> int:
    """Two operations per weight and position, as for a plain convolution; sampling is not counted."""
    batch, _channels, height, width = out_shape
    return 2 * batch * height * width * math.prod(shapes[1])

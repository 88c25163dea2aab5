"""Equality of the CPU's deformable convolution with torchvision's operator."""

import json
from itertools import accumulate

import pytest
import torch
from helpers.deform_inputs import NAMES, random_inputs
from torch.profiler import ProfilerActivity, profile
from torchvision.ops import deform_conv2d as reference

from fairmot.models.layers.deform_conv import bilinear
from fairmot.models.layers.deform_conv import cpu as deform_conv_cpu
from fairmot.models.layers.deform_conv.cpu import deform_conv2d
from fairmot.models.layers.deform_conv.layer import DeformConv2d


def run(operator, tensors, **window):
    features, offset, mask, weight, bias = tensors
    return operator(features, offset, weight, bias, mask=mask, **{"stride": 1, "padding": 1, "dilation": 1, **window})


def assert_equal(tensors, **window):
    """Outputs and all five gradients, to 1e-5 of their norm."""
    ours, theirs = run(deform_conv2d, tensors, **window), run(reference, tensors, **window)
    assert ours.shape == theirs.shape
    upstream = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(1))
    found = [ours, *torch.autograd.grad(ours, tensors, upstream)]
    expected = [theirs, *torch.autograd.grad(theirs, tensors, upstream)]
    for name, value, other in zip(NAMES, found, expected, strict=True):
        assert float((value - other).detach().norm()) <= 1e-5 * max(float(other.detach().norm()), 1e-3), name


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 5, 7, 9), (2, 16, 8, 12, 20), (3, 1, 1, 1, 1), (1, 4, 4, 2, 33), (2, 32, 48, 9, 5), (1, 6, 80, 4, 5)],
    ids=lambda s: "x".join(map(str, s)),
)
@pytest.mark.parametrize("reach", [1e-3, 0.7, 40.0], ids=["tiny", "near", "far outside"])
def test_outputs_and_gradients_equal_torchvision(shape, reach):
    assert_equal(random_inputs(*shape, reach=reach))


@pytest.mark.parametrize(
    "options",
    [
        {"stride": 2},
        {"dilation": 2, "padding": 2, "kernel": 5},
        {"kernel": 1, "padding": 0},
        {"padding": 0, "stride": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("reach", [0.7, 40.0], ids=["near", "far outside"])
def test_windows_equal_torchvision(options, reach):
    window = {name: options[name] for name in ("stride", "padding", "dilation") if name in options}
    assert_equal(random_inputs(2, 12, 6, 9, 11, reach=reach, **options), **window)


def test_without_mask_and_bias():
    features, offset, _, weight, _ = random_inputs(2, 4, 3, 6, 7)
    torch.testing.assert_close(
        deform_conv2d(features, offset, weight, padding=1), reference(features, offset, weight, padding=1)
    )


def test_integer_offsets_have_torchvision_gradients():
    tensors = random_inputs(1, 3, 2, 6, 7)
    with torch.no_grad():
        tensors[1].round_()
    assert_equal(tensors)


@pytest.mark.parametrize("budget", [1, 40_000], ids=["64 points per chunk", "a few hundred"])
def test_chunked_result_equals_torchvision(monkeypatch, budget):
    monkeypatch.setattr(bilinear, "MIN_CHUNK_BYTES", 0)
    monkeypatch.setattr(deform_conv_cpu, "SAMPLE_BYTES", budget)
    monkeypatch.setattr(deform_conv_cpu, "GRADIENT_BYTES", budget)
    assert_equal(random_inputs(3, 4, 5, 11, 13))


def test_channels_last_in_gives_channels_last_out():
    tensors = [value.detach() for value in random_inputs(2, 8, 6, 9, 10)]
    plain = run(deform_conv2d, tensors)
    assert plain.is_contiguous()
    tensors[0] = tensors[0].contiguous(memory_format=torch.channels_last)
    moved = run(deform_conv2d, tensors)
    assert moved.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(moved, plain)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_nonfinite_offsets_stay_within_the_map(value):
    features, offset, mask, weight, bias = random_inputs(1, 2, 3, 5, 6)
    with torch.no_grad():
        offset[0, 0, 2, 2] = value
    out = run(deform_conv2d, (features, offset, mask, weight, bias))
    torch.autograd.grad(out.nan_to_num().sum(), features)
    touched = out.detach().isnan().any(dim=1)[0]
    assert int(touched.sum()) == (value != value)


def test_autocast_computes_in_float32():
    tensors = random_inputs(2, 8, 6, 9, 10)
    halves = [value.detach().bfloat16().requires_grad_() for value in tensors]
    with torch.autocast("cpu", torch.bfloat16):
        out = run(deform_conv2d, halves)
        expected = run(deform_conv2d, [value.detach().float() for value in halves])
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, expected.bfloat16())
    out.float().sum().backward()
    assert halves[3].grad.dtype == torch.bfloat16


def test_empty_batch_has_empty_output_and_zero_gradient():
    tensors = random_inputs(0, 2, 3, 5, 6)
    out = run(deform_conv2d, tensors)
    assert out.shape == (0, 3, 5, 6)
    out.sum().backward()
    assert float(tensors[3].grad.abs().sum()) == 0


def test_gradcheck_in_double_precision():
    tensors = random_inputs(1, 2, 2, 3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *values: run(deform_conv2d, values), tensors, atol=1e-6)


def test_nonsquare_kernel_and_window_equal_torchvision():
    """Kernel 2x3, stride 2x1, padding 1x0, dilation 1x2."""
    options = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    rng = torch.Generator().manual_seed(5)
    shapes = ((2, 3, 9, 11), (2, 12, 5, 7), (2, 6, 5, 7), (4, 3, 2, 3), (4,))
    assert_equal([torch.randn(shape, generator=rng).requires_grad_() for shape in shapes], **options)


def test_output_can_be_changed_in_place():
    tensors = random_inputs(2, 4, 3, 6, 7)
    tensors[0] = tensors[0].detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    run(deform_conv2d, tensors).relu_().sum().backward()
    assert tensors[3].grad.any()


def allocated_peak(work, folder):
    """Peak bytes of PyTorch's allocator, by its profiler: equal in every run."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    profiler.export_chrome_trace(str(folder / "trace.json"))
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    memory = sorted((event for event in events if event.get("name") == "[memory]"), key=lambda event: event["ts"])
    return max(accumulate(event["args"]["Bytes"] for event in memory))


DLA_34 = [(1, 64, 64, 80, 136), (2, 64, 64, 48, 80), (1, 256, 128, 38, 68), (1, 512, 256, 19, 34)]
AT_192x320 = [(2, 128, 64, 24, 40), (2, 256, 128, 12, 20), (2, 512, 256, 6, 10)]
SLIM = [(4, 16, 16, 32, 56), (4, 16, 16, 16, 28), (4, 32, 16, 16, 28), (4, 64, 32, 8, 14)]
TINY = [(4, 128, 64, 4, 7), (1, 64, 64, 8, 8), (1, 1, 1, 30, 30)]  # torchvision's below half a MiB forward


@pytest.mark.parametrize(
    ("shape", "slack"), [(s, 0) for s in DLA_34 + AT_192x320 + SLIM] + [(s, 1 << 20) for s in TINY], ids=str
)
@pytest.mark.parametrize("trains", [False, True], ids=["forward", "forward and backward"])
def test_peak_memory_is_at_most_1_2_times_torchvision(shape, slack, trains, tmp_path):
    tensors = [value.detach().requires_grad_(trains) for value in random_inputs(*shape)]

    def work(operator):
        for value in tensors:
            value.grad = None
        out = run(operator, tensors)
        if trains:
            out.sum().backward()

    theirs = allocated_peak(lambda: work(reference), tmp_path)
    assert theirs > 4 * 9 * shape[1] * shape[3] * shape[4]  # its columns: the profiler recorded them
    assert allocated_peak(lambda: work(deform_conv2d), tmp_path) <= 1.2 * theirs + slack


def test_training_saves_only_the_inputs():
    tensors = random_inputs(1, 8, 8, 16, 16)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value) or value, lambda value: value):
        run(deform_conv2d, tensors)
    inputs = {value.data_ptr() for value in tensors}
    assert kept
    assert all(value.data_ptr() in inputs for value in kept)


def test_new_layer_is_a_plain_convolution_scaled_by_half():
    torch.manual_seed(0)
    layer = DeformConv2d(6, 4)
    features = torch.randn(2, 6, 9, 11)
    plain = torch.nn.functional.conv2d(features, layer.weight, padding=1)
    expected = 0.5 * plain + layer.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(features), expected, rtol=1e-4, atol=1e-5)


def test_layer_with_stride_has_the_expected_shape():
    layer = DeformConv2d(6, 4, 5, stride=2)
    assert layer(torch.randn(2, 6, 9, 11)).shape == (2, 4, 5, 6)


def test_layer_has_a_shape_on_the_meta_device():
    with torch.device("meta"):
        assert DeformConv2d(6, 4)(torch.empty(2, 6, 9, 11)).shape == (2, 4, 9, 11)


@pytest.mark.gpu
def test_gpu_layer_equals_cpu_layer(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    torch.manual_seed(0)
    layer = DeformConv2d(16, 8)
    torch.nn.init.normal_(layer.conv_offset_mask.weight, std=0.05)
    features = torch.randn(2, 16, 20, 24)
    on_cpu = layer(features)
    on_gpu = layer.cuda()(features.cuda()).cpu()
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-4, atol=1e-4)

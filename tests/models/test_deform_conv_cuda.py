"""Equality of the GPU's deformable convolution with torchvision's operator.

Without a GPU Triton's interpreter runs the kernels on the CPU. It must be selected before triton is imported, so this
file runs itself as a script in another process, which prints the errors of each case.
"""

import json
import os
import subprocess
import sys

import pytest
import torch
from helpers.deform_inputs import NAMES, random_inputs
from helpers.locations import ROOT
from torchvision.ops import deform_conv2d as reference

from fairmot.models.layers.deform_conv import cuda as deform_conv_cuda
from fairmot.models.layers.deform_conv.cpu import deform_conv2d as cpu_deform_conv2d
from fairmot.models.layers.deform_conv.cuda import deform_conv2d
from fairmot.models.layers.deform_conv.layer import DeformConv2d

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
CASES = {
    "tiny offsets": {"shape": (1, 4, 3, 5, 6), "reach": 1e-3},
    "near offsets": {"shape": (2, 16, 8, 5, 7), "reach": 0.7},
    "far outside": {"shape": (2, 8, 4, 5, 6), "reach": 40.0},
    "odd channels": {"shape": (1, 27, 5, 4, 6)},
    "a single cell": {"shape": (3, 1, 1, 1, 1)},
    "wide": {"shape": (1, 136, 3, 2, 3)},
    "integer offsets": {"shape": (1, 3, 2, 6, 7), "rounds": True},
    "stride 2": {"shape": (1, 3, 2, 9, 8), "stride": 2},
    "kernel 1": {"shape": (2, 6, 4, 5, 4), "kernel": 1, "padding": 0},
    "kernel 5, dilated": {"shape": (1, 2, 3, 7, 8), "kernel": 5, "padding": 2, "dilation": 2},
    "no image": {"shape": (0, 2, 3, 5, 6)},
    "a row a chunk": {"shape": (2, 4, 5, 6, 7), "budget": 1},
    "slices, channels last": {"shape": (2, 4, 5, 6, 7), "sliced": True},
    "bfloat16": {"shape": (1, 8, 4, 6, 7), "dtype": "bfloat16"},
    "float16": {"shape": (1, 8, 4, 6, 7), "dtype": "float16"},
    "autocast": {"shape": (1, 8, 4, 6, 7), "autocast": "bfloat16"},
}
NETWORK = [  # DLA-34 at 608x1088
    (12, 64, 64, 152, 272),
    (12, 128, 64, 76, 136),
    (12, 128, 128, 76, 136),
    (12, 256, 128, 38, 68),
    (12, 512, 256, 19, 34),
]


def run(operator, tensors, **window):
    features, offset, mask, weight, bias = tensors
    return operator(features, offset, weight, bias, mask=mask, **{"stride": 1, "padding": 1, "dilation": 1, **window})


def sliced(tensors):
    """Offset and mask as slices of channels-last maps, features channels last."""
    features, offset, mask, *others = (value.detach() for value in tensors)
    maps = torch.cat([offset, mask], dim=1).contiguous(memory_format=torch.channels_last)
    features = features.contiguous(memory_format=torch.channels_last)
    sliced = [features, maps[:, : offset.shape[1]], maps[:, offset.shape[1] :], *others]
    return [value.requires_grad_() for value in sliced]


def relative_errors(case, device="cpu"):
    """Relative errors of outputs and all five gradients against torchvision's in float32."""
    window = {name: case[name] for name in ("stride", "padding", "dilation") if name in case}
    options = window | {name: case[name] for name in ("kernel", "reach") if name in case}
    dtype = HALVES.get(case.get("dtype"), torch.float32)
    drawn = [value.detach().to(device, dtype) for value in random_inputs(*case["shape"], **options)]
    if case.get("rounds"):
        drawn[1].round_()
    ours = sliced(drawn) if case.get("sliced") else [value.clone().requires_grad_() for value in drawn]
    theirs = [value.float().requires_grad_() for value in drawn]
    with torch.autocast(device, HALVES.get(case.get("autocast")), enabled="autocast" in case):
        out = run(deform_conv2d, ours, **window)
    expected = run(reference, theirs, **window)
    assert out.dtype == HALVES.get(case.get("autocast"), dtype)
    assert out.is_contiguous(memory_format=torch.channels_last)
    upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).to(device)
    found = [out, *torch.autograd.grad(out, ours, upstream.to(out.dtype))]
    reference_values = [expected, *torch.autograd.grad(expected, theirs, upstream)]
    assert [value.dtype for value in found[1:]] == [value.dtype for value in ours]
    pairs = zip(NAMES, found, reference_values, strict=True)
    return {name: float((a.float() - b).detach().norm() / b.detach().norm().clamp(min=1e-3)) for name, a, b in pairs}


def assert_within(errors, tolerance):
    assert list(errors) == list(NAMES)
    assert max(errors.values()) <= tolerance, errors


def tolerance_of(case, exact):
    return 1e-2 if "dtype" in case or "autocast" in case else exact


@pytest.fixture(scope="module")
def interpreted():
    """Relative errors of each case, and the number of output points that non-finite or huge offsets change."""
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    paths = [str(ROOT), str(ROOT / "tests"), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_interpreted_kernels_equal_torchvision(name, interpreted):
    assert_within(interpreted[name], tolerance_of(CASES[name], 1e-5))


def test_interpreted_nonfinite_offsets_change_one_point_at_most(interpreted):
    assert interpreted["nonfinite"] == {"nan": 1, "inf": 0, "-1e+30": 0}


def count_changed_points(value):
    features, offset, mask, weight, bias = (tensor.detach() for tensor in random_inputs(1, 2, 3, 5, 6))
    offset[0, 0, 2, 2] = value
    return int(run(deform_conv2d, (features, offset, mask, weight, bias)).isnan().any(dim=1).sum())


def print_interpreted():
    deform_conv_cuda.supports_triton = always
    answers = {"loaded": "fairmot.models.layers.deform_conv.triton_kernels" in sys.modules}
    usual = deform_conv_cuda.COLUMN_BYTES, deform_conv_cuda.GRADIENT_BYTES
    for name, case in CASES.items():
        budgets = [case["budget"]] * 2 if "budget" in case else usual
        deform_conv_cuda.COLUMN_BYTES, deform_conv_cuda.GRADIENT_BYTES = budgets
        answers[name] = relative_errors(case)
    answers["nonfinite"] = {f"{value:g}": count_changed_points(value) for value in (float("nan"), float("inf"), -1e30)}
    print(json.dumps(answers))


def test_importing_the_layer_does_not_import_the_kernels(interpreted):
    assert interpreted["loaded"] is False


def always(_device):
    return True


def test_unsupported_dtype_uses_torchvision(monkeypatch):
    monkeypatch.setattr(deform_conv_cuda, "supports_triton", always)
    monkeypatch.delattr(deform_conv_cuda, "_convolve")
    tensors = random_inputs(2, 6, 4, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(run(deform_conv2d, tensors), run(reference, tensors))


def test_environment_and_deterministic_mode_select_torchvision(monkeypatch):
    monkeypatch.setattr(deform_conv_cuda, "supports_triton", always)
    monkeypatch.delattr(deform_conv_cuda, "_convolve")
    tensors = random_inputs(2, 6, 4, 5, 7)
    with pytest.raises(NameError):
        run(deform_conv2d, tensors)
    torch.use_deterministic_algorithms(True)
    try:
        run(deform_conv2d, tensors)
    finally:
        torch.use_deterministic_algorithms(False)
    monkeypatch.setattr(deform_conv_cuda, "IS_ENABLED", False)
    run(deform_conv2d, tensors)


def test_offsets_of_wrong_size_raise(monkeypatch):
    monkeypatch.setattr(deform_conv_cuda, "supports_triton", always)
    features, offset, mask, weight, bias = random_inputs(1, 2, 3, 5, 6)
    with pytest.raises(RuntimeError, match="offset"):
        run(deform_conv2d, (features, offset[..., :-1], mask, weight, bias))


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


@pytest.mark.gpu
@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", CASES)
def test_kernels_equal_torchvision(name, monkeypatch):
    for budget in ("COLUMN_BYTES", "GRADIENT_BYTES"):
        monkeypatch.setattr(deform_conv_cuda, budget, CASES[name].get("budget", getattr(deform_conv_cuda, budget)))
    assert_within(relative_errors(CASES[name], "cuda"), tolerance_of(CASES[name], 1e-4))


@pytest.mark.gpu
@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("shape", NETWORK, ids=str)
@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_kernels_equal_torchvision_on_network_shapes(shape, dtype):
    case = {"shape": shape, "sliced": True} | ({"dtype": dtype} if dtype in HALVES else {})
    assert_within(relative_errors(case, "cuda"), tolerance_of(case, 1e-4))


@pytest.mark.gpu
def test_gpu_inputs_run_the_kernels(monkeypatch):
    monkeypatch.setattr(deform_conv_cuda, "torchvision_deform_conv2d", None)
    tensors = [value.detach().cuda() for value in random_inputs(2, 16, 8, 9, 10)]
    with torch.inference_mode():
        inferred = run(deform_conv2d, tensors)
    torch.testing.assert_close(inferred, run(deform_conv2d, tensors))


@pytest.mark.gpu
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_nonfinite_offsets_stay_within_the_map(value):
    tensors = [tensor.detach().cuda().requires_grad_() for tensor in random_inputs(1, 2, 3, 5, 6)]
    with torch.no_grad():
        tensors[1][0, 0, 2, 2] = value
    out = run(deform_conv2d, tensors)
    torch.autograd.grad(out.nan_to_num().sum(), tensors)
    assert int(out.detach().isnan().any(dim=1).sum()) == (value != value)


def small_layer():
    torch.manual_seed(0)
    layer = DeformConv2d(16, 8)
    torch.nn.init.normal_(layer.conv_offset_mask.weight, std=0.05)
    return layer.cuda(), torch.randn(2, 16, 20, 24).cuda()


@pytest.mark.gpu
@pytest.mark.usefixtures("exact")
def test_memory_formats_give_equal_outputs():
    layer, features = small_layer()
    moved = layer(features.contiguous(memory_format=torch.channels_last))
    assert moved.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(moved, layer(features), rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", HALVES)
def test_layer_under_autocast_equals_cpu_operator(dtype):
    layer, features = small_layer()
    with torch.autocast("cuda", HALVES[dtype]):
        out = layer(features)
        offset, mask = layer.predict_offsets(features)
    expected = cpu_deform_conv2d(
        features.cpu(), offset.float().cpu(), layer.weight.cpu(), layer.bias.cpu(), padding=1, mask=mask.float().cpu()
    )
    assert out.dtype == HALVES[dtype]
    assert float((out.float().cpu() - expected).norm() / expected.norm()) < 1e-2
    out.float().sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in layer.parameters())
    assert all(bool(parameter.grad.isfinite().all()) for parameter in layer.parameters())


@pytest.mark.gpu
@pytest.mark.usefixtures("exact")
def test_compiled_layer_equals_eager_layer():
    layer, features = small_layer()
    compiled = torch.compile(layer)
    torch.testing.assert_close(compiled(features), layer(features), rtol=1e-4, atol=1e-4)
    kinds = []
    for run_layer in (layer, compiled):
        layer.zero_grad()
        run_layer(features).square().sum().backward()
        kinds.append([parameter.grad.clone() for parameter in layer.parameters()])
    for eager, fused in zip(*kinds, strict=True):
        assert float((eager - fused).norm()) <= 1e-4 * float(eager.norm())


@pytest.mark.gpu
@pytest.mark.parametrize("shape", NETWORK, ids=str)
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
def test_peak_memory_is_at_most_1_2_times_torchvision(shape, autocast):
    tensors = [value.detach().cuda().requires_grad_() for value in random_inputs(*shape)]

    def peak(operator):
        for _ in range(2):  # the first round compiles
            for value in tensors:
                value.grad = None
            torch.cuda.reset_peak_memory_stats()
            with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
                out = run(operator, tensors)
            out.sum().backward()
            del out
        return torch.cuda.max_memory_allocated()

    assert peak(deform_conv2d) <= 1.2 * peak(reference)


@pytest.mark.gpu
def test_training_saves_only_the_inputs():
    tensors = [value.detach().cuda().requires_grad_() for value in random_inputs(1, 8, 8, 16, 16)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value) or value, lambda value: value):
        run(deform_conv2d, tensors)
    inputs = {value.data_ptr() for value in tensors}
    assert kept
    assert all(value.data_ptr() in inputs for value in kept)


if __name__ == "__main__":
    print_interpreted()

"""Rows of the model benchmark, and its reference networks."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from fairmot.cli import main
from fairmot.commands.benchmark.model import (
    TorchvisionDeformConv,
    _compiled_rows,
    describe_model,
    plain_convolution,
    replaced,
)
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.deterministic_weights import load_deterministic_weights
from fairmot.models.layers.deform_conv.layer import DeformConv2d

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "INPUT.SIZE_HW", "(64, 96)"]


def slim() -> nn.Module:
    model = build_model(load_cfg(None, SLIM))
    load_deterministic_weights(model)
    return model.eval()


def test_reference_network_equals_ours() -> None:
    model, images = slim(), torch.rand(2, 3, 64, 96)
    reference = replaced(model, TorchvisionDeformConv)
    assert not any(
        isinstance(module, DeformConv2d) for name, module in reference.named_modules() if "layer" not in name
    )
    with torch.inference_mode():
        for ours, theirs in zip(model(images), reference(images), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_plain_network_has_no_deformable_layer_and_equal_weights() -> None:
    model = slim()
    plain = replaced(model, plain_convolution)
    assert not any(isinstance(module, DeformConv2d) for module in plain.modules())
    layer = "neck.ida_up.node_1.conv"
    assert torch.equal(plain.get_submodule(layer).weight, model.get_submodule(layer).weight)


def test_describe_model_default_counts_parameters_and_operations() -> None:
    """179 GFLOP at 608x1088, counted by hand for one layer: 2 x positions x weights."""
    facts = describe_model(load_cfg())
    assert facts["parameters"] == 19_820_263
    assert facts["gflops"] == pytest.approx(179, abs=1)


@pytest.mark.gpu
def test_model_rows_cuda_add_formats_precisions_and_compilation(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    assert main(["benchmark", "model", "--device", "cuda", "--repeats", "1", "--json", str(path), *SLIM]) == 0
    names = " ".join(row["name"] for row in json.loads(path.read_text())["rows"])
    for expected in (
        "inference dense bf16",
        "inference peaks fp16",
        "contiguous",
        "compiled",
        "training channels-last bf16",
    ):
        assert expected in names


def test_model_rows_failing_compiler_drops_only_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("no compiler\nhere")

    rows = _compiled_rows({"reference": fail}, suffix="", device=torch.device("cpu"), repeats=1)
    assert list(rows) == []
    assert capsys.readouterr().err == "fairmot benchmark: torch.compile failed: no compiler here\n"

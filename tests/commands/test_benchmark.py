"""The benchmark times what it says and writes what the contract asks for."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from fairmot.cli import main
from fairmot.commands.benchmark import format_rows
from fairmot.commands.benchmark_model import (
    OverTorchvision,
    _compiled_rows,
    describe_model,
    plain_convolution,
    replaced,
)
from fairmot.config.load import load_cfg
from fairmot.models.build import build_model
from fairmot.models.layers.deform_conv import DeformConv2d
from fairmot.models.made_up import load_made_up_weights
from fairmot.structures.benchmark import BenchmarkRow

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "INPUT.SIZE_HW", "(64, 96)"]


def slim() -> nn.Module:
    model = build_model(load_cfg(None, SLIM))
    load_made_up_weights(model)
    return model.eval()


def test_the_tool_writes_machine_and_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.json"
    assert main(["benchmark", "model", "--device", "cpu", "--repeats", "1", "--json", str(path), *SLIM]) == 0
    content = json.loads(path.read_text())
    assert content["machine"]["torch"] == torch.__version__
    assert content["model"]["backbone"] == "dla_34"
    names = [row["name"] for row in content["rows"]]
    assert names == ["inference dense 1x64x96", "inference peaks 1x64x96", "training 2x192x320"]
    for row in content["rows"]:
        assert row["unit"] == "s"
        assert row["ratio"] == pytest.approx(row["reference"] / row["ours"])
        assert {"peak_mib_ours", "peak_mib_reference"} <= row.keys()
    assert content["rows"][0]["times_plain"] == pytest.approx(content["rows"][0]["ours"] / content["rows"][0]["plain"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)


def test_the_reference_computes_the_same_over_torchvision() -> None:
    model, images = slim(), torch.rand(2, 3, 64, 96)
    reference = replaced(model, OverTorchvision)
    assert not any(
        isinstance(module, DeformConv2d) for name, module in reference.named_modules() if "layer" not in name
    )
    with torch.inference_mode():
        for ours, theirs in zip(model(images), reference(images), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_plain_network_has_no_deformable_layer_and_the_same_weights() -> None:
    model = slim()
    plain = replaced(model, plain_convolution)
    assert not any(isinstance(module, DeformConv2d) for module in plain.modules())
    layer = "neck.ida_up.node_1.conv"
    assert torch.equal(plain.get_submodule(layer).weight, model.get_submodule(layer).weight)


def test_operations_and_parameters_of_the_published_network() -> None:
    """179 GFLOP at 608x1088, counted by hand for one layer: 2 * places * weights."""
    facts = describe_model(load_cfg())
    assert facts["parameters"] == 19_820_263
    assert facts["gflops"] == pytest.approx(179, abs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "--repeats", "0"], "--repeats 0"),
        (["model", "--device", "cuda:99"], "cuda:99"),
        (["model", "--device", "gpu"], "choose from auto, cpu, cuda"),
        (["model", "--json", "."], "a folder"),
        (["model", "--json", "README.md/x.json"], "cannot be written"),
        (["modle"], "invalid choice: 'modle'"),
        (["model", "MODEL.BACKBONE", "dla"], "choose from dla_34"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_table_leaves_empty_what_a_row_lacks() -> None:
    rows = [BenchmarkRow("a", 1.0, 2.0, 2.0, extra={"plain": 0.5}), BenchmarkRow("longer", 1.0, 200.0, 200.0)]
    assert format_rows(rows).splitlines() == [
        "name     ours  reference  ratio  unit  plain",
        "a       1.000      2.000  2.000     s  0.500",
        "longer  1.000        200    200     s",
    ]


@pytest.mark.gpu
def test_a_gpu_adds_formats_precisions_and_compilation(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    assert main(["benchmark", "model", "--device", "cuda", "--repeats", "1", "--json", str(path), *SLIM]) == 0
    names = " ".join(row["name"] for row in json.loads(path.read_text())["rows"])
    for wanted in (
        "inference dense bf16",
        "inference peaks fp16",
        "contiguous",
        "compiled",
        "training channels-last bf16",
    ):
        assert wanted in names


def test_a_compiler_that_fails_costs_its_own_rows_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("no compiler\nhere")

    rows = _compiled_rows({"reference": fail}, suffix="", device=torch.device("cpu"), repeats=1)
    assert list(rows) == []
    assert capsys.readouterr().err == "fairmot benchmark: torch.compile failed: no compiler here\n"

"""The benchmark times what it says and writes what the contract asks for."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from fairmot.cli import main
from fairmot.codec.encode import encode
from fairmot.commands.benchmark import label_index as benchmark_index
from fairmot.commands.benchmark.command import format_rows
from fairmot.commands.benchmark.loader import write_made_up
from fairmot.commands.benchmark.model import (
    OverTorchvision,
    _compiled_rows,
    describe_model,
    plain_convolution,
    replaced,
)
from fairmot.commands.benchmark.reference.loader import plain_batch, plain_item
from fairmot.commands.benchmark.timing import BenchmarkRow
from fairmot.config.load import load_cfg
from fairmot.data.augment.affine import AugmentOptions, draw_augmentation
from fairmot.data.joint_dataset import read_augmented
from fairmot.data.samples import Sample
from fairmot.formats.images import read_image, write_image
from fairmot.models.build import build_model
from fairmot.models.deterministic_weights import load_deterministic_weights
from fairmot.models.layers.deform_conv.layer import DeformConv2d
from fairmot.utils.seed import make_rng

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "INPUT.SIZE_HW", "(64, 96)"]


def slim() -> nn.Module:
    model = build_model(load_cfg(None, SLIM))
    load_deterministic_weights(model)
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
        (["data", "--images", "/nowhere"], "--images /nowhere: no such folder"),
        (["data", "--images", "docs"], "--images"),
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


def street_sample(folder: Path, number: int) -> Sample:
    """A picture of 54x96 with four people."""
    rng = make_rng(number)
    noise = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    write_image(folder / f"{number:06d}.png", np.asarray(cv2.resize(noise, (96, 54)), dtype=np.uint8))
    boxes_tlwh = np.concatenate([rng.uniform(0, 40, (4, 2)), rng.uniform(8, 30, (4, 2))], axis=1)
    return Sample(folder / f"{number:06d}.png", boxes_tlwh, np.arange(4) + number, np.zeros(4, dtype=np.int64))


def test_data_rows_have_the_published_loader_beside_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_index, "LABEL_FILES", 40)
    sequence = tmp_path / "root" / "A"
    samples = [street_sample(sequence / "img1", number) for number in (1, 2, 3)]
    (sequence / "gt").mkdir()
    lines = [
        ",".join(map(str, (frame, person + 1, *box, 1, 1, 1))) + "\n"
        for frame, sample in enumerate(samples, 1)
        for person, box in enumerate(sample.boxes_tlwh.tolist())
    ]
    (sequence / "gt" / "gt.txt").write_text("".join(lines))
    path, root = tmp_path / "data.json", str(sequence.parent)
    threads = cv2.getNumThreads(), torch.get_num_threads()
    arguments = ["data", "--device", "cpu", "--repeats", "1", "--images", root, "--json", str(path)]
    assert main(["benchmark", *arguments, "INPUT.SIZE_HW", "(64, 96)"]) == 0
    assert (cv2.getNumThreads(), torch.get_num_threads()) == threads
    rows = {row["name"]: row for row in json.loads(path.read_text())["rows"]}
    loader = rows["loader 64x96 from 96x54"]
    assert {f"loader with {extra}" for extra in ("mosaic", "mixup", "erase", "blur", "jpeg")} < rows.keys()
    assert {"index second start, 40 label files", "index first start, 40 label files"} < rows.keys()
    for name, row in rows.items():
        assert row["unit"] == ("s" if name.startswith("index") else "images/s")
        rate = row["reference"] / row["ours"] if row["unit"] == "s" else row["ours"] / row["reference"]
        assert row["ratio"] == pytest.approx(rate)
    assert 0 <= loader["mean_diff"] <= loader["max_diff"] < 2
    assert loader["full"] > 0
    assert "loader with mosaic" in capsys.readouterr().out


def test_made_up_frames_are_like_mot17s(tmp_path: Path) -> None:
    files = sorted((write_made_up(tmp_path) / "made-up" / "img1").iterdir())
    assert len(files) == 8
    assert all(150_000 < file.stat().st_size < 350_000 for file in files)
    assert read_image(files[0]).shape == (1080, 1920, 3)


@pytest.mark.parametrize("seed", range(6))
def test_the_plain_loader_makes_what_ours_makes(tmp_path: Path, seed: int) -> None:
    sample, options, input_hw = street_sample(tmp_path, seed), AugmentOptions(implementation="full"), (96, 160)
    draw = draw_augmentation(make_rng(seed), options)
    batch = plain_batch([plain_item(sample, draw, options, input_hw=input_hw)] * 2)
    picture = read_augmented(sample, draw, options, input_hw=input_hw)
    targets = encode(picture.boxes_xyxy, picture.identities, input_hw=input_hw)
    kept = batch["reg_mask"][0].bool()
    assert batch["image"].shape == (2, 3, 96, 160)
    pixels = batch["image"][0].permute(1, 2, 0).mul(255).numpy()
    assert np.abs(pixels - picture.image).mean() < 0.5
    np.testing.assert_allclose(batch["hm"][0], targets.heatmap, atol=1e-6)
    np.testing.assert_allclose(batch["wh"][0][kept], targets.sizes_ltrb, atol=1e-4)
    np.testing.assert_allclose(batch["reg"][0][kept], targets.offsets, atol=1e-4)
    assert batch["ind"][0][kept].tolist() == targets.indices.tolist()
    assert batch["ids"][0][kept].tolist() == targets.identities.tolist()

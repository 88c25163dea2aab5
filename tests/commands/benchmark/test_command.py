"""The benchmark job: its JSON file, its table, wrong options."""

import json
from pathlib import Path

import pytest
import torch

from fairmot.cli import main
from fairmot.commands.benchmark.command import format_rows
from fairmot.commands.benchmark.timing import BenchmarkRow

SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "INPUT.SIZE_HW", "(64, 96)"]


def test_benchmark_writes_machine_and_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "--repeats", "0"], "--repeats 0"),
        (["model", "--device", "cuda:99"], "cuda:99"),
        (["model", "--device", "gpu"], "choose from auto, cpu, cuda"),
        (["model", "--json", "."], "a folder"),
        (["model", "--json", "README.md/x.json"], "cannot be written"),
        (["eval", "--gt", "docs"], "--gt and --results: give both or neither"),
        (["modle"], "invalid choice: 'modle'"),
        (["model", "MODEL.BACKBONE", "dla"], "choose from dla_34"),
        (["data", "--images", "/nowhere"], "--images /nowhere: no such folder"),
        (["data", "--images", "docs"], "--images"),
    ],
)
def test_benchmark_wrong_options_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_format_rows_leaves_missing_values_empty() -> None:
    rows = [BenchmarkRow("a", 1.0, 2.0, 2.0, extra={"plain": 0.5}), BenchmarkRow("longer", 1.0, 200.0, 200.0)]
    assert format_rows(rows).splitlines() == [
        "name     ours  reference  ratio  unit  plain",
        "a       1.000      2.000  2.000     s  0.500",
        "longer  1.000        200    200     s",
    ]

"""The training benchmark trains with each switch and tells what it gains, waits and takes."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from fairmot.cli import main
from fairmot.commands.benchmark import loader as benchmark_data
from fairmot.commands.benchmark import training as benchmark_learner
from fairmot.commands.benchmark import training as benchmark_train
from fairmot.commands.benchmark.training import PLAIN, REFERENCE, Learner, changed, choose_ways, take_turns
from fairmot.commands.train import state as train_state
from fairmot.config.load import load_cfg
from fairmot.data.build import build_train_dataset, build_train_loader
from fairmot.data.joint_dataset import JointDataset
from fairmot.formats.images import write_image
from fairmot.utils.seed import make_rng

CPU = torch.device("cpu")
SLIM = ["MODEL.BACKBONE", "yolo", "MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "INPUT.SIZE_HW", "(64, 96)"]
SWITCHES = ["fused", "channels-last", "accumulate 2", "ema", "bf16", "device targets", "all"]
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine take longer than one alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight pictures of 54x96 with four people each."""
    root, rng = tmp_path_factory.mktemp("streets"), make_rng(1)
    lines = []
    for frame in range(1, 9):
        noise = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
        picture = np.asarray(cv2.resize(noise, (96, 54)), dtype=np.uint8)
        write_image(root / "A" / "img1" / f"{frame:06d}.jpg", picture)
        boxes = np.concatenate([rng.uniform(0, 40, (4, 2)), rng.uniform(8, 30, (4, 2))], axis=1).round(1).tolist()
        lines += [",".join(map(str, (frame, person, *box, 1, 1, 1))) for person, box in enumerate(boxes, 1)]
    (root / "A" / "gt").mkdir()
    (root / "A" / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    return str(root)


def rows_of(tmp_path: Path, street: str | None, *overrides: str, device: str = "cpu") -> dict[str, Row]:
    """Run the tool and return its rows by their names."""
    path = tmp_path / "train.json"
    images = [] if street is None else ["--images", street]
    arguments = ["--device", device, "--repeats", "1", *images, "--json", str(path)]
    assert main(["benchmark", "train", *arguments, *SLIM, *overrides]) == 0
    return {row["name"]: row for row in json.loads(path.read_text())["rows"]}


def keep(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let the tool time these switches alone."""
    choose = benchmark_train.choose_ways
    monkeypatch.setattr(
        benchmark_train,
        "choose_ways",
        lambda cfg, **how: {name: keys for name, keys in choose(cfg, **how).items() if name in names},
    )


def test_a_row_for_each_switch(tmp_path: Path, street: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(tmp_path, street, "DATA.WORKERS", "0")
    assert list(rows) == [f"training {switch} 2x64x96" for switch in SWITCHES]
    for row in rows.values():
        assert row["unit"] == "images/s"
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])
        for side in ("ours", "reference"):
            assert 0 <= row[f"waiting_{side}"] <= 1
            assert math.isfinite(row[f"peak_mib_{side}"])
    assert len({row["reference"] for row in rows.values()}) == 1
    facts = json.loads((tmp_path / "train.json").read_text())
    assert facts["machine"]["torch"] == torch.__version__
    assert facts["training"] == {"backbone": "yolo", "batch": "2x64x96", "workers": 0, "images": street}
    shown = capsys.readouterr()
    assert all(name in shown.out for name in rows)
    assert "failed" not in shown.err


def test_workers_make_the_batches_of_both_loaders(
    tmp_path: Path, street: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(monkeypatch, "device targets")
    (row,) = rows_of(tmp_path, street, "DATA.WORKERS", "1").values()
    assert 0 <= row["waiting_ours"] <= 1
    assert "failed" not in capsys.readouterr().err


def test_images_are_made_up_where_none_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (benchmark_data, benchmark_train):
        monkeypatch.setattr(module, "MADE_UP_COUNT", 2)
    keep(monkeypatch, "fused", "accumulate 2")
    rows = rows_of(tmp_path, None, "DATA.WORKERS", "0", "SOLVER.BATCH_SIZE", "3")
    assert list(rows) == ["training fused 3x64x96"], "an odd batch has no halves"
    assert "made-up images" in capsys.readouterr().out


@pytest.mark.slow
def test_a_slow_switch_shows(tmp_path: Path, street: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self, model: object, *, decay: float) -> None: ...

        def update_parameters(self, model: object) -> None:
            time.sleep(0.4)

    monkeypatch.setattr(train_state, "average_of", Slow)
    keep(monkeypatch, "ema")
    row = rows_of(tmp_path, street, "DATA.WORKERS", "0")["training ema 2x64x96"]
    assert row["ratio"] < 0.8
    assert row["waiting_ours"] < row["waiting_reference"]


@pytest.mark.slow
def test_waiting_for_slow_data_shows(tmp_path: Path, street: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = JointDataset.__getitem__

    def slow(self: JointDataset, key: Any) -> object:
        time.sleep(0.1)
        return load(self, key)

    monkeypatch.setattr(JointDataset, "__getitem__", slow)
    keep(monkeypatch, "all")
    rows = rows_of(tmp_path, street, "DATA.WORKERS", "0")
    assert all(0.4 < row["waiting_ours"] <= 1 for row in rows.values())


def test_a_compiler_that_fails_costs_its_own_row_alone(
    tmp_path: Path, street: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(model: object) -> None:
        raise RuntimeError("no compiler\nhere")

    monkeypatch.setattr(torch, "compile", fail)
    keep(monkeypatch, "compiled", "fused")
    rows = rows_of(tmp_path, street, "DATA.WORKERS", "0", "SOLVER.COMPILE", "True")
    assert list(rows) == ["training fused 2x64x96"]
    error = capsys.readouterr().err
    assert "fairmot benchmark: training compiled failed: RuntimeError: no compiler here\n" in error


def test_a_switch_changes_its_own_keys_alone() -> None:
    cfg = load_cfg(None, ["SOLVER.PRECISION", "bf16"])
    plain = changed(cfg, PLAIN)
    assert (plain.SOLVER.PRECISION, plain.SOLVER.FUSED, plain.DATA.TARGETS) == ("fp32", False, "host")
    assert cfg.SOLVER.PRECISION == "bf16"
    ways = choose_ways(cfg, device=torch.device("cuda"), compiles=True)
    assert list(ways) == [*SWITCHES[:-1], "fp16", "prefetch", "compiled", "all"]
    assert ways["all"] == {
        "SOLVER.FUSED": True,
        "SOLVER.CHANNELS_LAST": True,
        "SOLVER.PRECISION": "bf16",
        "DATA.PREFETCH": True,
        "DATA.TARGETS": "device",
    }
    assert all(PLAIN[key] != value for keys in ways.values() for key, value in keys.items())


def test_a_turn_trains_on_its_own_batches_and_leaves_none(street: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways see the same images in a round, others in the next, one step more than is timed; none is left over."""
    cfg = changed(load_cfg(None, [*SLIM, "DATA.WORKERS", "0", "DATA.ROOT", street, "SOLVER.BATCH_SIZE", "2"]), PLAIN)
    loader = build_train_loader(cfg, build_train_dataset(cfg))
    drawn: list[int] = []
    epoch = loader.epoch

    def counted(number: int, start_batch: int = 0) -> Iterator[Any]:
        for batch in epoch(number, start_batch):
            drawn.append(number)
            yield batch

    monkeypatch.setattr(loader, "epoch", counted)
    seen: dict[str, list[tuple[str, ...]]] = {}
    make = benchmark_learner.make_trainer

    def watched(way: Any, **arguments: Any) -> Any:
        trainer = make(way, **arguments)
        step, names = trainer.train_step, seen.setdefault(str(way.SOLVER.FUSED), [])

        def train_step(batch: Any) -> Any:
            names.append(batch.names)
            return step(batch)

        monkeypatch.setattr(trainer, "train_step", train_step)
        return trainer

    monkeypatch.setattr(benchmark_learner, "make_trainer", watched)
    ways = {REFERENCE: cfg, "fused": changed(cfg, {"SOLVER.FUSED": True})}
    learners = {name: Learner(way, loader, device=CPU, steps=2) for name, way in ways.items()}
    take_turns(learners, repeats=1)
    assert seen["False"][3:] == seen["True"]
    assert len(seen["True"]) == 2 * 3
    assert seen["True"][:3] != seen["True"][3:]
    assert drawn == [0] * 3 * 4 + [1] * 2 * 4
    assert all(len(learner.seconds) == len(learner.waiting) == 1 for learner in learners.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "/nowhere"], "--images /nowhere: no such folder"),
        (["--json", "README.md/x.json"], "cannot be written"),
        (["SOLVER.BATCH_SIZE", "0"], "SOLVER.BATCH_SIZE"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "train", "--device", "cpu", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_too_few_images_are_told(street: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["benchmark", "train", "--device", "cpu", "--images", street, *SLIM]
    assert main([*arguments, "SOLVER.BATCH_SIZE", "4"]) == 2
    assert "--images: 8 images, at least 12 are wanted: 3 x SOLVER.BATCH_SIZE" in capsys.readouterr().err


@pytest.mark.gpu
def test_a_gpu_adds_fp16_prefetching_and_compilation(
    tmp_path: Path, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["DATA.WORKERS", "1", "SOLVER.BATCH_SIZE", "2"]
    rows = rows_of(tmp_path, street, *small, device="cuda")
    wanted = [*SWITCHES[:-1], "fp16", "prefetch", "compiled", "all"]
    assert list(rows) == [f"training {switch} 2x64x96" for switch in wanted], capsys.readouterr().err
    for row in rows.values():
        assert 0 <= row["waiting_ours"] <= 1
        assert row["peak_mib_ours"] > 0
    without = rows_of(tmp_path, street, *small, "SOLVER.COMPILE", "False", device="cuda")
    assert "training compiled 2x64x96" not in without

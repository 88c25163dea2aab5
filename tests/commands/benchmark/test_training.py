"""Rows of the training benchmark."""

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
from fairmot.commands.benchmark import training as benchmark_train
from fairmot.commands.benchmark.training import (
    BASELINE,
    BASELINE_KEYS,
    TrainingRun,
    changed,
    choose_variants,
    run_alternately,
)
from fairmot.commands.train import state as train_state
from fairmot.config.load import load_cfg
from fairmot.data.build import build_train_dataset, build_train_loader
from fairmot.data.joint_dataset import JointDataset
from fairmot.formats.images import write_image
from fairmot.utils.seed import make_rng

CPU = torch.device("cpu")
SLIM = ["MODEL.BACKBONE", "yolo", "MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "INPUT.SIZE_HW", "(64, 96)"]
VARIANTS = ["fused", "channels-last", "accumulate 2", "ema", "bf16", "device targets", "all"]
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Avoid waiting between threads on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight images of 54x96 with four people each."""
    root, rng = tmp_path_factory.mktemp("imagess"), make_rng(1)
    lines = []
    for frame in range(1, 9):
        noise = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
        image = np.asarray(cv2.resize(noise, (96, 54)), dtype=np.uint8)
        write_image(root / "A" / "img1" / f"{frame:06d}.jpg", image)
        boxes = np.concatenate([rng.uniform(0, 40, (4, 2)), rng.uniform(8, 30, (4, 2))], axis=1).round(1).tolist()
        lines += [",".join(map(str, (frame, person, *box, 1, 1, 1))) for person, box in enumerate(boxes, 1)]
    (root / "A" / "gt").mkdir()
    (root / "A" / "gt" / "gt.txt").write_text("\n".join(lines) + "\n")
    return str(root)


def read_rows(tmp_path: Path, images: str | None, *overrides: str, device: str = "cpu") -> dict[str, Row]:
    """Run the tool and return its rows by their names."""
    path = tmp_path / "train.json"
    images = [] if images is None else ["--images", images]
    arguments = ["--device", device, "--repeats", "1", *images, "--json", str(path)]
    assert main(["benchmark", "train", *arguments, *SLIM, *overrides]) == 0
    return {row["name"]: row for row in json.loads(path.read_text())["rows"]}


def select(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Time only these variants."""
    choose = benchmark_train.choose_variants
    monkeypatch.setattr(
        benchmark_train,
        "choose_variants",
        lambda cfg, **how: {name: keys for name, keys in choose(cfg, **how).items() if name in names},
    )


def test_train_rows_one_for_each_variant(tmp_path: Path, images: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = read_rows(tmp_path, images, "DATA.WORKERS", "0")
    assert list(rows) == [f"training {variant} 2x64x96" for variant in VARIANTS]
    for row in rows.values():
        assert row["unit"] == "images/s"
        assert row["ratio"] == pytest.approx(row["ours"] / row["reference"])
        for side in ("ours", "reference"):
            assert 0 <= row[f"waiting_{side}"] <= 1
            assert math.isfinite(row[f"peak_mib_{side}"])
    assert len({row["reference"] for row in rows.values()}) == 1
    facts = json.loads((tmp_path / "train.json").read_text())
    assert facts["machine"]["torch"] == torch.__version__
    assert facts["training"] == {"backbone": "yolo", "batch": "2x64x96", "workers": 0, "images": images}
    shown = capsys.readouterr()
    assert all(name in shown.out for name in rows)
    assert "failed" not in shown.err


def test_train_rows_with_workers(
    tmp_path: Path, images: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    select(monkeypatch, "device targets")
    (row,) = read_rows(tmp_path, images, "DATA.WORKERS", "1").values()
    assert 0 <= row["waiting_ours"] <= 1
    assert "failed" not in capsys.readouterr().err


def test_train_rows_synthetic_images_odd_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (benchmark_data, benchmark_train):
        monkeypatch.setattr(module, "SYNTHETIC_COUNT", 2)
    select(monkeypatch, "fused", "accumulate 2")
    rows = read_rows(tmp_path, None, "DATA.WORKERS", "0", "SOLVER.BATCH_SIZE", "3")
    assert list(rows) == ["training fused 3x64x96"], "an odd batch has no halves"
    assert "images synthetic" in capsys.readouterr().out


@pytest.mark.slow
def test_train_rows_slow_variant_has_a_low_ratio(tmp_path: Path, images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self, model: object, *, decay: float) -> None: ...

        def update_parameters(self, model: object) -> None:
            time.sleep(0.4)

    monkeypatch.setattr(train_state, "average_of", Slow)
    select(monkeypatch, "ema")
    row = read_rows(tmp_path, images, "DATA.WORKERS", "0")["training ema 2x64x96"]
    assert row["ratio"] < 0.8
    assert row["waiting_ours"] < row["waiting_reference"]


@pytest.mark.slow
def test_train_rows_slow_data_is_waiting(tmp_path: Path, images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = JointDataset.__getitem__

    def slow(self: JointDataset, key: Any) -> object:
        time.sleep(0.1)
        return load(self, key)

    monkeypatch.setattr(JointDataset, "__getitem__", slow)
    select(monkeypatch, "all")
    rows = read_rows(tmp_path, images, "DATA.WORKERS", "0")
    assert all(0.4 < row["waiting_ours"] <= 1 for row in rows.values())


def test_train_rows_failing_compiler_drops_only_its_row(
    tmp_path: Path, images: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(model: object) -> None:
        raise RuntimeError("no compiler\nhere")

    monkeypatch.setattr(torch, "compile", fail)
    select(monkeypatch, "compiled", "fused")
    rows = read_rows(tmp_path, images, "DATA.WORKERS", "0", "SOLVER.COMPILE", "True")
    assert list(rows) == ["training fused 2x64x96"]
    error = capsys.readouterr().err
    assert "fairmot benchmark: training compiled failed: RuntimeError: no compiler here\n" in error


def test_choose_variants_change_only_their_own_keys() -> None:
    cfg = load_cfg(None, ["SOLVER.PRECISION", "bf16"])
    plain = changed(cfg, BASELINE_KEYS)
    assert (plain.SOLVER.PRECISION, plain.SOLVER.FUSED, plain.DATA.TARGETS) == ("fp32", False, "host")
    assert cfg.SOLVER.PRECISION == "bf16"
    variants = choose_variants(cfg, device=torch.device("cuda"), compiles=True)
    assert list(variants) == [*VARIANTS[:-1], "fp16", "prefetch", "compiled", "all"]
    assert variants["all"] == {
        "SOLVER.FUSED": True,
        "SOLVER.CHANNELS_LAST": True,
        "SOLVER.PRECISION": "bf16",
        "DATA.PREFETCH": True,
        "DATA.TARGETS": "device",
    }
    assert all(BASELINE_KEYS[key] != value for keys in variants.values() for key, value in keys.items())


def test_run_alternately_uses_equal_batches_and_leaves_none(images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both runs train on the same images in a round and on others in the next; one step per turn is not timed."""
    cfg = changed(
        load_cfg(None, [*SLIM, "DATA.WORKERS", "0", "DATA.ROOT", images, "SOLVER.BATCH_SIZE", "2"]), BASELINE_KEYS
    )
    loader = build_train_loader(cfg, build_train_dataset(cfg))
    drawn: list[int] = []
    epoch = loader.epoch

    def counted(number: int, start_batch: int = 0) -> Iterator[Any]:
        for batch in epoch(number, start_batch):
            drawn.append(number)
            yield batch

    monkeypatch.setattr(loader, "epoch", counted)
    seen: dict[str, list[tuple[str, ...]]] = {}
    make = benchmark_train.make_trainer

    def watched(way: Any, **arguments: Any) -> Any:
        trainer = make(way, **arguments)
        step, names = trainer.train_step, seen.setdefault(str(way.SOLVER.FUSED), [])

        def train_step(batch: Any) -> Any:
            names.append(batch.image_paths)
            return step(batch)

        monkeypatch.setattr(trainer, "train_step", train_step)
        return trainer

    monkeypatch.setattr(benchmark_train, "make_trainer", watched)
    variants = {BASELINE: cfg, "fused": changed(cfg, {"SOLVER.FUSED": True})}
    training_runs = {name: TrainingRun(variant, loader, device=CPU, steps=2) for name, variant in variants.items()}
    run_alternately(training_runs, repeats=1)
    assert seen["False"][3:] == seen["True"]
    assert len(seen["True"]) == 2 * 3
    assert seen["True"][:3] != seen["True"][3:]
    assert drawn == [0] * 3 * 4 + [1] * 2 * 4
    assert all(len(run.seconds) == len(run.waiting) == 1 for run in training_runs.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "/nowhere"], "--images /nowhere: no such folder"),
        (["--json", "README.md/x.json"], "cannot be written"),
        (["SOLVER.BATCH_SIZE", "0"], "SOLVER.BATCH_SIZE"),
    ],
)
def test_benchmark_train_wrong_options_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "train", "--device", "cpu", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_benchmark_train_too_few_images_are_refused(images: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["benchmark", "train", "--device", "cpu", "--images", images, *SLIM]
    assert main([*arguments, "SOLVER.BATCH_SIZE", "4"]) == 2
    assert "--images: 8 images, expected at least 12 (3 x SOLVER.BATCH_SIZE)" in capsys.readouterr().err


@pytest.mark.gpu
def test_train_rows_cuda_add_fp16_prefetch_and_compilation(
    tmp_path: Path, images: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["DATA.WORKERS", "1", "SOLVER.BATCH_SIZE", "2"]
    rows = read_rows(tmp_path, images, *small, device="cuda")
    wanted = [*VARIANTS[:-1], "fp16", "prefetch", "compiled", "all"]
    assert list(rows) == [f"training {variant} 2x64x96" for variant in wanted], capsys.readouterr().err
    for row in rows.values():
        assert 0 <= row["waiting_ours"] <= 1
        assert row["peak_mib_ours"] > 0
    without = read_rows(tmp_path, images, *small, "SOLVER.COMPILE", "False", device="cuda")
    assert "training compiled 2x64x96" not in without

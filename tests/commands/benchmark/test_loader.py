"""Rows of the data benchmark; the reference loader equals ours."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fairmot.cli import main
from fairmot.codec.encode import encode
from fairmot.commands.benchmark import label_index
from fairmot.commands.benchmark.loader import write_synthetic
from fairmot.commands.benchmark.reference.loader import reference_batch, reference_item
from fairmot.data.augment.affine import AugmentOptions, draw_augmentation
from fairmot.data.joint_dataset import read_augmented
from fairmot.data.samples import Sample
from fairmot.formats.images import read_image, write_image
from fairmot.utils.seed import make_rng


def write_sample(folder: Path, number: int) -> Sample:
    """Write an image of 54x96 with four people."""
    rng = make_rng(number)
    noise = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    write_image(folder / f"{number:06d}.png", np.asarray(cv2.resize(noise, (96, 54)), dtype=np.uint8))
    boxes_tlwh = np.concatenate([rng.uniform(0, 40, (4, 2)), rng.uniform(8, 30, (4, 2))], axis=1)
    return Sample(folder / f"{number:06d}.png", boxes_tlwh, np.arange(4) + number, np.zeros(4, dtype=np.int64))


def test_data_rows_have_loader_extras_and_index(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_index, "LABEL_FILES", 40)
    sequence = tmp_path / "root" / "A"
    samples = [write_sample(sequence / "img1", number) for number in (1, 2, 3)]
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


def test_write_synthetic_frames_have_the_size_of_mot17(tmp_path: Path) -> None:
    files = sorted((write_synthetic(tmp_path) / "synthetic" / "img1").iterdir())
    assert len(files) == 8
    assert all(150_000 < file.stat().st_size < 350_000 for file in files)
    assert read_image(files[0]).shape == (1080, 1920, 3)


@pytest.mark.parametrize("seed", range(6))
def test_reference_item_equals_ours(tmp_path: Path, seed: int) -> None:
    sample, options, input_hw = write_sample(tmp_path, seed), AugmentOptions(implementation="full"), (96, 160)
    draw = draw_augmentation(make_rng(seed), options)
    reference = reference_batch([reference_item(sample, draw, options, input_hw=input_hw)] * 2)
    ours = read_augmented(sample, draw, options, input_hw=input_hw)
    targets = encode(ours.boxes_xyxy, ours.identities, input_hw=input_hw)
    kept = reference["reg_mask"][0].bool()
    assert reference["image"].shape == (2, 3, 96, 160)
    pixels = reference["image"][0].permute(1, 2, 0).mul(255).numpy()
    assert np.abs(pixels - ours.image).mean() < 0.5
    np.testing.assert_allclose(reference["hm"][0], targets.heatmap, atol=1e-6)
    np.testing.assert_allclose(reference["wh"][0][kept], targets.sizes_ltrb, atol=1e-4)
    np.testing.assert_allclose(reference["reg"][0][kept], targets.offsets, atol=1e-4)
    assert reference["ind"][0][kept].tolist() == targets.indices.tolist()
    assert reference["ids"][0][kept].tolist() == targets.identities.tolist()

import filecmp
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.locations import ROOT

from fairmot.cli import run_tool
from fairmot.commands.synthesize import sequence_seed
from fairmot.config.load import load_cfg
from fairmot.data.build import build_train_dataset
from fairmot.data.readers.base import Source
from fairmot.data.readers.crowdhuman import CrowdHumanReader
from fairmot.formats.motchallenge import find_sequences, list_images, read_boxes, read_sequence_info
from fairmot.structures.annotations import Annotations
from fairmot.synthetic.options import WorldOptions
from fairmot.synthetic.render import Renderer
from fairmot.synthetic.still_images import ANNOTATION, write_still_images
from fairmot.synthetic.world import DISTRACTOR, PEDESTRIAN, build_world

CONFIGS = ROOT / "configs"
SMALL = ["--frames", "6", "--size", "90x160", "--people", "4"]


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_sequence_is_a_motchallenge_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*SMALL, "--output", str(tmp_path / "syn"), "--sequences", "2", "--seed", "3", "--fps", "25"]
    assert run_tool("synthesize", argv) == 0
    sequences = find_sequences(tmp_path / "syn")
    assert [folder.name for folder in sequences] == sorted(f"SYN-easy-{sequence_seed(3, k):04d}" for k in range(2))
    info = read_sequence_info(sequences[0])
    assert (info.length, info.frame_rate, info.image_hw) == (6, 25.0, (90, 160))
    images = list_images(sequences[0] / "img1")
    assert [path.name for path in images] == [f"{number:06d}.jpg" for number in range(1, 7)]
    assert cv2.imread(str(images[0])).shape == (90, 160, 3)
    truth = read_boxes(sequences[0] / "gt" / "gt.txt", "ground_truth")
    assert truth.columns == 9
    assert truth.frames.max() <= 6
    assert set(np.unique(truth.classes)) <= {1, 2, 7, 8}
    assert np.array_equal(truth.confidences == 1, truth.classes == 1)
    assert np.all((truth.visibilities >= 0) & (truth.visibilities <= 1))
    assert len({(frame, who) for frame, who in zip(truth.frames, truth.ids, strict=True)}) == len(truth)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "pairs cross at IoU > 0.3" in lines[0]
    assert "frames/s" in lines[0]


def test_same_seed_in_another_process_gives_same_bytes(tmp_path: Path) -> None:
    argv = [*SMALL, "--preset", "hard", "--seed", "7"]
    assert run_tool("synthesize", [*argv, "--output", str(tmp_path / "one")]) == 0
    code = "import sys; from fairmot.cli import run_tool; sys.exit(run_tool('synthesize', sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, *argv, "--output", str(tmp_path / "two")], check=True)
    names = files(tmp_path / "one")
    assert names == files(tmp_path / "two")
    assert len(names) == 8
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", names, shallow=False)[0] == names


def test_other_seed_gives_another_sequence(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        assert run_tool("synthesize", [*SMALL, "--seed", seed, "--output", str(tmp_path)]) == 0
    first, second = find_sequences(tmp_path)
    assert (first / "gt" / "gt.txt").read_text() != (second / "gt" / "gt.txt").read_text()


def test_seeds_of_sequences_differ() -> None:
    seeds = {sequence_seed(seed, index) for seed in range(20) for index in range(20)}
    assert len(seeds) == 400


def test_seed_defaults_to_the_configuration(tmp_path: Path) -> None:
    assert run_tool("synthesize", [*SMALL, "--output", str(tmp_path), "SEED", "12"]) == 0
    assert [folder.name for folder in find_sequences(tmp_path)] == [f"SYN-easy-{sequence_seed(12, 0):04d}"]


def test_existing_sequence_needs_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*SMALL, "--seed", "1", "--output", str(tmp_path)]
    assert run_tool("synthesize", argv) == 0
    folder = find_sequences(tmp_path)[0]
    (folder / "gt" / "gt.txt").write_text("")
    capsys.readouterr()
    assert run_tool("synthesize", argv) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert "--overwrite" in error[0]
    assert run_tool("synthesize", [*argv, "--overwrite"]) == 0
    assert (folder / "gt" / "gt.txt").read_text() != ""
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_height_and_width_replace_size(tmp_path: Path) -> None:
    argv = ["--frames", "1", "--people", "1", "--height", "100", "--width", "120", "--output", str(tmp_path)]
    assert run_tool("synthesize", argv) == 0
    assert read_sequence_info(find_sequences(tmp_path)[0]).image_hw == (100, 120)


STILLS = ["--layout", "crowdhuman", "--size", "90x160", "--seed", "3"]


def stills(root: Path, box: str = "full") -> Annotations:
    reader = CrowdHumanReader(Source(root, box=box))
    (unit,) = reader.plan().units
    return reader.read(unit)


def test_stills_are_read_as_crowdhuman(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool("synthesize", [*STILLS, "--output", str(tmp_path / "syn"), "--sequences", "3"]) == 0
    block, visible = stills(tmp_path / "syn"), stills(tmp_path / "syn", "visible")
    assert block.images == tuple(f"Images/SYN-easy-{sequence_seed(3, k):04d}-000001.jpg" for k in range(3))
    assert files(tmp_path / "syn") == sorted(["annotation_train.odgt", *block.images])
    assert all(cv2.imread(str(tmp_path / "syn" / name)).shape == (90, 160, 3) for name in block.images)
    assert block.counts.min() >= 1
    assert len(block.ids) == len(visible.ids)
    assert set(block.ids.tolist()) == {-1}
    assert np.all((visible.boxes_tlwh[:, :2] >= 0) & (visible.boxes_tlwh[:, 2:] >= 1))
    assert np.all(visible.boxes_tlwh[:, :2] + visible.boxes_tlwh[:, 2:] <= [160, 90])
    line = capsys.readouterr().out
    assert f"3 images, {len(block.ids)} people, {block.left_out} ignored" in line


def test_stills_equal_the_rendered_ground_truth(tmp_path: Path) -> None:
    argv = [*STILLS, "--preset", "hard", "--frames", "2", "--output", str(tmp_path)]
    assert run_tool("synthesize", argv) == 0
    options = WorldOptions("hard", sequence_seed(3, 0), 2, (90, 160))
    frames = list(Renderer(build_world(options)).frames())
    expected, hidden = [], 0
    for frame in frames:
        is_visible = np.isin(frame.ground_truth.ids, frame.instances)
        expected.append(frame.ground_truth[is_visible & (frame.ground_truth.classes == PEDESTRIAN)].boxes_tlwh)
        hidden += int((is_visible & (frame.ground_truth.classes != PEDESTRIAN)).sum())
    block = stills(tmp_path)
    assert block.counts.tolist() == [len(boxes) for boxes in expected]
    assert np.array_equal(block.boxes_tlwh, np.concatenate(expected).round(2).astype(np.float32))
    assert block.left_out == hidden > 0
    rows = [row for line in (tmp_path / ANNOTATION).read_text().splitlines() for row in json.loads(line)["gtboxes"]]
    kinds = np.concatenate(
        [frame.ground_truth.classes[np.isin(frame.ground_truth.ids, frame.instances)] for frame in frames]
    )
    assert [row["tag"] == "mask" for row in rows] == (kinds == DISTRACTOR).tolist()
    assert [row["extra"]["ignore"] for row in rows] == (kinds != PEDESTRIAN).astype(int).tolist()
    assert {row["extra"]["occ"] for row in rows} == {0, 1}


def test_box_identity_config_gives_each_box_an_identity(tmp_path: Path) -> None:
    argv = [*STILLS, "--sequences", "2", "--people", "4", "--output", str(tmp_path / "stills")]
    assert run_tool("synthesize", argv) == 0
    pretraining = load_cfg(CONFIGS / "synthetic_box_identity.yaml", ["DATA.ROOT", str(tmp_path)])
    dataset = build_train_dataset(pretraining)
    assert len(dataset) == 2
    assert dataset.identity_counts == (dataset.samples.num_boxes,) == (len(stills(tmp_path / "stills").ids),)
    finetuning = load_cfg(CONFIGS / "synthetic_finetune.yaml")
    assert f"{pretraining.OUTPUT}/last.pt" == finetuning.MODEL.WEIGHTS
    assert dict(pretraining.MODEL) == {**finetuning.MODEL, "WEIGHTS": ""}


def test_stills_do_not_depend_on_the_process_count(tmp_path: Path) -> None:
    plans = [WorldOptions("easy", seed, 1, (90, 160)) for seed in (1, 2, 1)]
    for processes in (1, 2):
        assert (
            len(list(write_still_images(plans, tmp_path / str(processes), processes=processes))) == 2
        )  # one seed twice
    names = files(tmp_path / "1")
    assert names == files(tmp_path / "2")
    assert len(names) == 3
    assert filecmp.cmpfiles(tmp_path / "1", tmp_path / "2", names, shallow=False)[0] == names


def test_stills_replace_only_stills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*STILLS, "--output", str(tmp_path)]
    (tmp_path / "notes.txt").write_text("mine")
    assert run_tool("synthesize", argv) == 0
    (tmp_path / ANNOTATION).write_text("")
    assert run_tool("synthesize", argv) == 2
    assert capsys.readouterr().err.count("--overwrite") == 1
    assert run_tool("synthesize", [*argv, "--overwrite", "--sequences", "2"]) == 0
    assert len(stills(tmp_path).images) == 2
    (tmp_path / "Images" / "273271,c9db000d5146c15.jpg").write_text("a photograph")
    assert run_tool("synthesize", [*argv, "--overwrite"]) == 2
    assert "has other files than SYN-*.jpg" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Images", ANNOTATION, "notes.txt"]
    assert (tmp_path / "Images" / "273271,c9db000d5146c15.jpg").read_text() == "a photograph"
    (tmp_path / "Images").rename(tmp_path / "CrowdHuman_train")
    assert run_tool("synthesize", [*argv, "--overwrite"]) == 2
    assert "no rendered images next to it" in capsys.readouterr().err
    assert (tmp_path / ANNOTATION).exists()


def test_failed_stills_leave_existing_files_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_tool("synthesize", [*STILLS, "--output", str(tmp_path)]) == 0
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    monkeypatch.setattr("fairmot.synthetic.write.cv2.imencode", lambda *_: (False, None))
    with pytest.raises(RuntimeError, match="could not encode"):
        list(write_still_images([WorldOptions("easy", 9, 1, (90, 160))], tmp_path, overwrite=True))
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--preset", "medium"], "easy, hard"),
        (["--size", "480"], "--size"),
        (["--size", "10x10"], "height"),
        (["--frames", "0"], "frames"),
        (["--sequences", "0"], "--sequences"),
        (["--seed", "-1"], "--seed"),
        (["--people", "0"], "people"),
        (["--fps", "0"], "fps"),
        (["SEEDS", "1"], "SEEDS"),
        (["--config", "absent.yaml"], "absent.yaml"),
        (["--layout", "coco"], "mot, crowdhuman"),
        (["--layout", "crowdhuman", "--frames", "0"], "frames"),
    ],
)
def test_invalid_option_is_one_line_and_exit_code_2(
    argv: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tool("synthesize", ["--output", str(tmp_path / "syn"), *argv]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert named in error[0]
    assert not (tmp_path / "syn").exists()


def test_output_is_required() -> None:
    assert run_tool("synthesize", []) == 2

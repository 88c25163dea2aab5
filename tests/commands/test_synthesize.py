import filecmp
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from fairmot.cli import run_tool
from fairmot.commands.synthesize import sequence_seed
from fairmot.formats.motchallenge import find_sequences, list_images, read_boxes, read_sequence_info

SMALL = ["--frames", "6", "--size", "90x160", "--people", "4"]


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_sequence_is_a_motchallenge_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*SMALL, "--output", str(tmp_path / "syn"), "--sequences", "2", "--seed", "3", "--rate", "25"]
    assert run_tool("synthesize", argv) == 0
    sequences = find_sequences(tmp_path / "syn")
    assert [folder.name for folder in sequences] == sorted(f"SYN-easy-{sequence_seed(3, k):04d}" for k in range(2))
    info = read_sequence_info(sequences[0])
    assert (info.length, info.frame_rate, info.image_hw) == (6, 25.0, (90, 160))
    images = list_images(sequences[0] / "img1")
    assert [path.name for path in images] == [f"{number:06d}.jpg" for number in range(1, 7)]
    assert cv2.imread(str(images[0])).shape == (90, 160, 3)
    truth = read_boxes(sequences[0] / "gt" / "gt.txt", "truth")
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


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    argv = [*SMALL, "--preset", "hard", "--seed", "7"]
    assert run_tool("synthesize", [*argv, "--output", str(tmp_path / "one")]) == 0
    code = "import sys; from fairmot.cli import run_tool; sys.exit(run_tool('synthesize', sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, *argv, "--output", str(tmp_path / "two")], check=True)
    names = files(tmp_path / "one")
    assert names == files(tmp_path / "two")
    assert len(names) == 8
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", names, shallow=False)[0] == names


def test_another_seed_gives_another_sequence(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        assert run_tool("synthesize", [*SMALL, "--seed", seed, "--output", str(tmp_path)]) == 0
    first, second = find_sequences(tmp_path)
    assert (first / "gt" / "gt.txt").read_text() != (second / "gt" / "gt.txt").read_text()


def test_seeds_of_sequences_differ() -> None:
    seeds = {sequence_seed(seed, index) for seed in range(20) for index in range(20)}
    assert len(seeds) == 400


def test_the_seed_comes_from_the_configuration_unless_given(tmp_path: Path) -> None:
    assert run_tool("synthesize", [*SMALL, "--output", str(tmp_path), "SEED", "12"]) == 0
    assert [folder.name for folder in find_sequences(tmp_path)] == [f"SYN-easy-{sequence_seed(12, 0):04d}"]


def test_what_exists_is_refused_unless_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        (["--rate", "0"], "rate"),
        (["SEEDS", "1"], "SEEDS"),
        (["--config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    argv: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tool("synthesize", ["--output", str(tmp_path / "syn"), *argv]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert named in error[0]
    assert not (tmp_path / "syn").exists()


def test_the_output_is_needed() -> None:
    assert run_tool("synthesize", []) == 2

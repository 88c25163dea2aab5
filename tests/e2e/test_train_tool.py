"""Training, resuming, tracking and scoring as a user does it, on a world of a few small frames."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from helpers.small_runs import TRAINING

from fairmot.cli import main
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.formats.motchallenge import read_boxes

pytestmark = pytest.mark.e2e
SMALL = [*TRAINING, "MODEL.REID_DIM", "8", "SOLVER.LOG_EVERY", "2"]


@pytest.fixture(scope="module")
def world(render_world):
    return render_world(frames=12, val_frames=12)


@pytest.fixture(scope="module")
def config(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(f"DATA: {{ROOT: {world}, TRAIN: [train], VAL: [val]}}\nSOLVER: {{VAL_EVERY: 1}}\n")
    return str(path)


def train(config, output, *extra):
    return main(["train", "--config", config, "--output", str(output), *SMALL, *extra])


def states_equal(a, b):
    return all(torch.equal(a[key], b[key]) for key in a) and a.keys() == b.keys()


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "run"
    assert train(config, output, "SOLVER.EPOCHS", "2") == 0
    return output


def test_train_writes_documented_files(trained):
    assert {"last.pt", "best.pt", "config.yaml", "run.log", "metrics.jsonl", "tensorboard"} <= {
        path.name for path in trained.iterdir()
    }
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"HOTA", "MOTA", "IDF1"} <= rows[0].keys()
    assert re.search(r"epoch 2/2: total \S+ heatmap", (trained / "run.log").read_text())
    saved = torch.load(trained / "last.pt", weights_only=True)
    assert saved["cfg"]["MODEL"]["WIDTH"] == 0.125
    assert saved["progress"]["epoch"] == 2


def test_train_writes_tensorboard_scalars_and_heatmaps(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {
        "loss/total",
        "loss/identity",
        "rate/backbone",
        "rate/criterion_no_decay",
        "balance/s_det",
        "validation/HOTA",
    } <= set(tags["scalars"])
    assert "heatmap/0" in tags["images"]


def test_train_resume_equals_uninterrupted_run(config, trained, tmp_path):
    output = tmp_path / "run"
    assert train(config, output, "SOLVER.EPOCHS", "1") == 0
    assert train(config, output, "SOLVER.EPOCHS", "2", "--resume") == 0
    whole, resumed = read_checkpoint(trained / "last.pt"), read_checkpoint(output / "last.pt")
    assert states_equal(whole["model"], resumed["model"])
    assert states_equal(whole["criterion"], resumed["criterion"])
    assert whole["progress"] == resumed["progress"]


def test_sigterm_leaves_a_checkpoint_that_resumes_exactly(config, tmp_path):
    """The real signal, to a real process with loader workers, in the middle of an epoch."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = ("SOLVER.EPOCHS", "4", "SOLVER.VAL_EVERY", "0", "DATA.WORKERS", "1")
    command = [sys.executable, "-m", "fairmot", "train", "--config", config, "--output", str(broken), *SMALL, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            break
    rest = process.stdout.read()
    assert process.wait(timeout=60) == 143
    assert "interrupted after" in rest
    stopped = read_checkpoint(broken / "last.pt")["progress"]
    assert 2 <= stopped["epoch"] < 4
    assert train(config, broken, *options, "--resume") == 0
    assert train(config, whole, *options) == 0
    one, other = read_checkpoint(whole / "last.pt"), read_checkpoint(broken / "last.pt")
    assert states_equal(one["model"], other["model"])
    assert one["progress"] == other["progress"]


def test_track_writes_results_video_and_sheet(world, config, trained, tmp_path):
    output = tmp_path / "tracks"
    arguments = ["track", "--config", config, "--weights", str(trained / "last.pt"), "--input", str(world / "val")]
    assert main([*arguments, "--output", str(output), "--video", *SMALL, "TRACKER.CONF_THRESHOLD", "0.1"]) == 0
    (result,) = (path for path in output.glob("*.txt"))
    table = read_boxes(result, "results")
    assert len(table) == 0 or table.frames.max() <= 12
    assert result.with_suffix(".mp4").stat().st_size > 0
    assert result.with_suffix(".png").stat().st_size > 0


def test_eval_writes_scores_of_trained_weights(world, config, trained, tmp_path):
    output = tmp_path / "scores"
    arguments = ["eval", "--config", config, "--weights", str(trained / "last.pt"), "--gt", str(world / "val")]
    assert main([*arguments, "--output", str(output), *SMALL]) == 0
    scores = json.loads((output / "metrics.json").read_text())
    (name,) = (path.name for path in (world / "val").iterdir())
    assert set(scores) == {"COMBINED", name}
    assert np.isfinite(scores["COMBINED"]["MOTA"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["DATA.ROOT", "/nowhere"], "DATA.ROOT: /nowhere: no such folder"),
        (["DATA.TRAIN", "none"], "DATA.TRAIN: 'none': no such folder"),
        (["DATA.VAL", "none"], "DATA.VAL: 'none': no such folder"),
        (["DEVICE", "cuda:77"], "DEVICE = 'cuda:77': this machine has"),
        (["MODEL.WEIGHTS", "none.pth"], "none.pth: no such file"),
        (["--resume"], "last.pt: no such file"),
        (["SOLVER.EPOCH", "3"], "unknown key SOLVER.EPOCH"),
        (["MODEL.NORM", "frozen"], "MODEL.NORM = 'frozen': norms stay as MODEL.WEIGHTS loads them"),
        (["SOLVER.ACCUMULATION_STEPS", "3"], "SOLVER.BATCH_SIZE = 4 cannot be divided"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_train_with_wrong_input_is_one_line_and_exit_code_2(config, tmp_path, capsys, arguments, message):
    assert train(config, tmp_path / "run", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.pt"))


def test_train_refuses_overwriting_and_changed_config(config, trained, capsys):
    before = (trained / "last.pt").read_bytes()
    assert train(config, trained, "SOLVER.EPOCHS", "2") == 2
    assert "continue with --resume" in capsys.readouterr().err
    assert train(config, trained, "--resume", "SOLVER.BASE_LR", "0.5") == 2
    assert "SOLVER.BASE_LR 0.002 -> 0.5" in capsys.readouterr().err
    assert (trained / "last.pt").read_bytes() == before


def test_damaged_checkpoint_is_refused_and_previous_offered(config, trained, tmp_path, capsys):
    output = tmp_path / "run"
    shutil.copytree(trained, output)
    content = bytearray((output / "last.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (output / "last.pt").write_bytes(content)
    assert train(config, output, "SOLVER.EPOCHS", "3", "--resume") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    previous = output / "previous.pt"
    assert f"continue with --resume-from {previous}" in error
    assert train(config, output, "SOLVER.EPOCHS", "3", "--resume-from", str(previous)) == 0
    assert read_checkpoint(output / "last.pt")["progress"]["epoch"] == 3


def test_resume_from_another_run_does_not_overwrite(config, trained, tmp_path, capsys):
    output = tmp_path / "run"
    shutil.copytree(trained, output)
    assert train(config, output, "SOLVER.EPOCHS", "3", "--resume-from", str(trained / "last.pt")) == 2
    assert "belongs to another run: choose another --output" in capsys.readouterr().err


def test_resume_on_other_images_is_refused(world, config, trained, tmp_path, capsys):
    output, root = tmp_path / "run", tmp_path / "data"
    shutil.copytree(trained, output)
    shutil.copytree(world / "val", root / "val")
    (first, *_) = sorted((world / "train").iterdir())
    shutil.copytree(first, root / "train" / first.name)
    assert train(config, output, "SOLVER.EPOCHS", "3", "--resume", "DATA.ROOT", str(root)) == 2
    assert "the run started with 24 images, now there are 12" in capsys.readouterr().err


def test_newer_or_missing_checkpoint_format_is_one_line_and_exit_code_2(config, trained, tmp_path, capsys):
    saved = read_checkpoint(trained / "last.pt")
    for version, message in (
        (2, "unknown checkpoint format 2"),
        (None, "not a training checkpoint of FairMOT: format"),
    ):
        content = {**saved, "format": version} if version else {k: v for k, v in saved.items() if k != "format"}
        torch.save(content, tmp_path / "last.pt")
        assert train(config, tmp_path, "--resume") == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_resume_from_plain_weights_is_refused(config, tmp_path, capsys):
    torch.save({"state_dict": {}}, tmp_path / "last.pt")
    assert train(config, tmp_path, "--resume") == 2
    assert "not a training checkpoint" in capsys.readouterr().err


def test_track_without_weights_or_input_is_refused(config, tmp_path, capsys):
    assert main(["track", "--config", config, "--output", str(tmp_path)]) == 2
    assert "--weights and --input" in capsys.readouterr().err


def test_rebuild_index_reads_cached_labels_again(world, config, tmp_path, monkeypatch):
    """A ground truth file rewritten with its old size and time is reread only by --rebuild-index."""
    root = tmp_path / "data"
    shutil.copytree(world / "train", root / "train")
    common = ["DATA.ROOT", str(root), "DATA.VAL", "()", "SOLVER.MAX_STEPS", "1", "DATA.CACHE", str(tmp_path / "cache")]
    assert train(config, tmp_path / "a", *common) == 0
    (truth, *_) = sorted(root.rglob("gt.txt"))
    status, text = truth.stat(), truth.read_text()
    first = text.splitlines()[0]
    truth.write_text("x" * len(first) + text[len(first) :])
    os.utime(truth, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert train(config, tmp_path / "b", *common) == 0
    assert train(config, tmp_path / "c", *common, "--rebuild-index") == 2


def test_identity_explosion_stops_and_leak_warns(world, config, tmp_path, capsys):
    assert train(config, tmp_path / "leak", "DATA.VAL", "train", "SOLVER.MAX_STEPS", "1", "SOLVER.VAL_EVERY", "0") == 0
    assert "warning: " in capsys.readouterr().out
    sequence = next((world / "train").iterdir())
    copy = tmp_path / "data" / sequence.name
    shutil.copytree(sequence, copy)
    rows = [line.split(",") for line in (copy / "gt" / "gt.txt").read_text().splitlines()]
    broken = [",".join([row[0], str(number), *row[2:]]) for number, row in enumerate(rows, 1)]
    (copy / "gt" / "gt.txt").write_text("\n".join(broken))
    exploded = ["DATA.ROOT", str(tmp_path / "data"), "DATA.TRAIN", ".", "DATA.VAL", "()", "SOLVER.MAX_STEPS", "1"]
    assert train(config, tmp_path / "exploded", *exploded) == 2
    assert "identity explosion" in capsys.readouterr().err
    assert not (tmp_path / "exploded").exists()
    assert train(config, tmp_path / "exploded", *exploded, "DATA.CHECK", "False") == 0

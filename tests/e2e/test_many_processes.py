"""Training by torchrun as a user starts it: a killed process, a restart, a signal, distributed validation."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.small_runs import TRAINING

from fairmot.formats.checkpoint import read_checkpoint

pytestmark = pytest.mark.e2e
SMALL = [*TRAINING, "MODEL.REID_DIM", "8", "SOLVER.EMA_DECAY", "0.9"]


@pytest.fixture(scope="module")
def world(render_world):
    return render_world(frames=8, val_frames=8, val_sequences=3)


def start(world, output, *options, launcher=()):
    """Start two processes; their output is one stream of lines."""
    torchrun = [
        sys.executable,
        "-u",
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--standalone",
        *launcher,
    ]
    data = ["DATA.ROOT", str(world), "DATA.TRAIN", "train"]
    config = world / "empty.yaml"
    config.write_text("{}\n")
    train = ["-m", "fairmot", "train", "--config", str(config), "--output", str(output), *SMALL, *data, *options]
    return subprocess.Popen(
        [*torchrun, *train], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def read_until(process, text):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} never came:\n{''.join(lines)}")


def workers_of(process):
    """Return the process ids of the two that train, by rank."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            variables = dict(
                entry.split("=", 1) for entry in (folder / "environ").read_text().split("\0") if "=" in entry
            )
        except OSError:
            continue
        if parent == process.pid and "RANK" in variables:
            found.append((int(variables["RANK"]), int(folder.name)))
    return [pid for _, pid in sorted(found)]


@pytest.mark.slow
def test_killed_rank_ends_all_and_restart_resumes(world, tmp_path):
    output = tmp_path / "run"
    options = ["SOLVER.EPOCHS", "5", "DATA.VAL", "val", "SOLVER.VAL_EVERY", "5"]
    process = start(world, output, *options, launcher=["--max-restarts", "1"])
    lines = read_until(process, "epoch 2/5")
    os.kill(workers_of(process)[1], signal.SIGKILL)
    rest = process.stdout.read()
    assert process.wait(timeout=120) == 0, rest
    assert "rank 0 cannot reach the others: if another one ended, its message gives the reason" in rest
    assert "resumed at epoch" in rest
    assert "finished after 20 steps" in rest
    assert "".join(lines).count("16 images") == 1  # one process logs
    saved = read_checkpoint(output / "last.pt")
    assert saved["progress"]["epoch"] == 5
    assert saved["ema"]["updates"] == 20
    (row,) = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert row["epoch"] == 5


@pytest.mark.slow
def test_signal_to_torchrun_ends_all_ranks_with_a_checkpoint(world, tmp_path):
    process = start(world, tmp_path / "run", "SOLVER.EPOCHS", "500")
    read_until(process, "epoch 2/500")
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(timeout=60) != 0
    assert "interrupted after" in rest
    assert read_checkpoint(tmp_path / "run" / "last.pt")["progress"]["step"] >= 8


@pytest.mark.slow
def test_restart_does_not_resume_another_run(world, tmp_path):
    """The first start refuses a checkpoint in the way, and so does the second."""
    output = tmp_path / "run"
    output.mkdir()
    (output / "last.pt").write_bytes(b"")
    torch.save({"launch": "another torchrun"}, output / "last.pt")
    before = (output / "last.pt").read_bytes()
    process = start(world, output, "SOLVER.EPOCHS", "2", launcher=["--max-restarts", "1"])
    text = process.stdout.read()
    assert process.wait(timeout=120) != 0
    assert text.count("last.pt exists: continue with --resume") == 2
    assert (output / "last.pt").read_bytes() == before


@pytest.mark.slow
def test_input_error_of_main_process_ends_all_in_lines(world, tmp_path):
    process = start(world, tmp_path / "run", "DATA.TRAIN", "none")
    output = process.stdout.read()
    assert process.wait(timeout=60) != 0
    assert "fairmot train: DATA.TRAIN: 'none': no such folder" in output
    assert "rank 1: stopped because rank 0 failed; see its message" in output
    assert 'File "' + str(tmp_path) not in output
    assert not (tmp_path / "run").exists()

"""Slurm script scripts/slurm_train.sh with fake Slurm commands: start, resume and requeue."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from helpers.locations import ROOT

SCRIPT = ROOT / "scripts" / "slurm_train.sh"
STANDINS = {
    # Saves where it is told to, when it starts or when it is signalled, and ends with the code it is given.
    "srun": """
printf '%s\\n' "$@" >"$BOX/srun"
printf '%s %s\\n' "$TORCH_ELASTIC_SHUTDOWN_TIMEOUT" "$TORCH_DISABLE_SHARE_RDZV_TCP_STORE" >"$BOX/env"
save() { if [[ -n "${SAVES:-}" ]]; then mkdir -p out && date +%N >out/new.pt && mv out/new.pt out/last.pt; fi; }
trap 'sleep 0.2; save; exit "${CODE:-0}"' TERM
echo $$ >"$BOX/new" && mv "$BOX/new" "$BOX/pid"
while [[ -n "${LASTS:-}" ]]; do sleep 0.05; done
save
exit "${CODE:-0}"
""",
    "scontrol": """
case "$1" in
    show) printf 'alpha\\nbeta\\n' ;;
    requeue) echo "$2" >>"$BOX/requeued" ;;
esac
""",
    "scancel": 'echo "$*" >>"$BOX/scancel"; kill -TERM "$(cat "$BOX/pid")"',
}
ARGUMENTS = ["--config", "my config.yaml", "--output", "out"]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name, text in STANDINS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "my config.yaml").touch()
    return tmp_path


def start(box: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    slurm = {"SLURM_JOB_ID": "41234", "SLURM_JOB_NODELIST": "[alpha,beta]", "SLURM_GPUS_ON_NODE": "8"}
    environment = {"PATH": f"{box / 'bin'}:{os.environ['PATH']}", "BOX": str(box), **slurm, **variables}
    return subprocess.Popen(
        ["bash", str(SCRIPT), *arguments], env=environment, cwd=box, text=True, stderr=subprocess.PIPE
    )


def finish(job: subprocess.Popen[str]) -> tuple[int, list[str]]:
    _, errors = job.communicate(timeout=20)
    return job.returncode, errors.splitlines()


def near_the_limit(box: Path, *arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Start, wait until srun runs, and signal the script as Slurm does."""
    job = start(box, *arguments, LASTS="1", **variables)
    deadline = time.monotonic() + 20
    while not (box / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    job.send_signal(signal.SIGUSR1)
    return finish(job)


def started(box: Path) -> list[str]:
    return (box / "srun").read_text().splitlines()


def is_requeued(box: Path) -> bool:
    return (box / "requeued").exists()


def test_slurm_new_run_starts_torchrun_on_each_node(box: Path) -> None:
    assert finish(start(box, *ARGUMENTS, "SOLVER.BATCH_SIZE", "96", SAVES="1")) == (0, [])
    assert started(box) == [
        "--nodes=2", "--ntasks-per-node=1", "--kill-on-bad-exit=0", "--wait=180",
        "torchrun", "--nnodes=2", "--nproc-per-node=8", "--rdzv-backend=c10d", "--rdzv-endpoint=alpha:21234",
        "--rdzv-id=41234.0", "--max-restarts=3",
        "-m", "fairmot", "train", "--config", "my config.yaml", "--output", "out", "SOLVER.BATCH_SIZE", "96",
    ]  # fmt: skip
    assert (box / "env").read_text() == "180 1\n"
    assert not is_requeued(box)


def test_slurm_checkpoint_is_resumed_in_the_virtual_environment(box: Path) -> None:
    (box / "out").mkdir()
    (box / "out" / "last.pt").touch()
    (box / ".venv" / "bin").mkdir(parents=True)
    (box / ".venv" / "bin" / "torchrun").touch(mode=0o755)
    variables = {"SLURM_RESTART_COUNT": "2", "GPUS_PER_NODE": "3", "MAX_RESTARTS": "0"}
    assert finish(start(box, *ARGUMENTS, "SEED", "1", **variables)) == (0, [])
    words = started(box)
    assert words[-7:] == ["--config", "my config.yaml", "--output", "out", "--resume", "SEED", "1"]
    assert {".venv/bin/torchrun", "--rdzv-id=41234.2", "--nproc-per-node=3", "--max-restarts=0"} < set(words)


@pytest.mark.parametrize("before", ["", "older"])
def test_slurm_time_limit_saves_and_requeues(box: Path, before: str) -> None:
    if before:
        (box / "out").mkdir()
        (box / "out" / "last.pt").touch()
    code, lines = near_the_limit(box, *ARGUMENTS, SAVES="1", CODE="1")
    assert code == 0
    assert lines == ["slurm_train.sh: the time limit is near: saving", "slurm_train.sh: queued again"]
    assert (box / "scancel").read_text() == "--signal=TERM 41234\n"
    assert (box / "requeued").read_text() == "41234\n"


def test_slurm_finished_run_is_not_requeued(box: Path) -> None:
    assert near_the_limit(box, *ARGUMENTS, SAVES="1", CODE="0")[0] == 0
    assert not is_requeued(box)


def test_slurm_run_without_a_checkpoint_is_not_requeued(box: Path) -> None:
    (box / "out").mkdir()
    (box / "out" / "last.pt").touch()
    code, lines = near_the_limit(box, *ARGUMENTS, CODE="1")
    assert code == 1
    assert lines[-1] == "slurm_train.sh: out/last.pt is no newer than the start: not queued again"
    assert not is_requeued(box)


def test_slurm_failed_run_is_not_requeued(box: Path) -> None:
    assert finish(start(box, *ARGUMENTS, SAVES="1", CODE="7")) == (
        7,
        ["slurm_train.sh: ended with code 7; not queued again"],
    )
    assert not is_requeued(box)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: sbatch"),
        (ARGUMENTS[:2], "usage: sbatch"),
        ([*ARGUMENTS[2:], *ARGUMENTS[:2]], "usage: sbatch"),
        ([*ARGUMENTS, "--resume"], "--resume is added where DIR/last.pt exists"),
        ([*ARGUMENTS, "--rebuild-index", "SEED"], "usage: sbatch"),
        ([*ARGUMENTS, "SEED"], "usage: sbatch"),
        (["--config", "none.yaml", "--output", "out"], "none.yaml: no such file"),
    ],
)
def test_slurm_wrong_arguments_start_nothing(box: Path, arguments: list[str], words: str) -> None:
    code, lines = finish(start(box, *arguments))
    assert code == 2
    assert words in "\n".join(lines)
    assert not (box / "srun").exists()


def test_slurm_outside_a_job_is_refused(box: Path) -> None:
    code, lines = finish(start(box, *ARGUMENTS, SLURM_JOB_ID=""))
    assert (code, lines) == (2, ["slurm_train.sh: this is no Slurm job: submit it with sbatch"])


def test_slurm_options_precede_the_first_command() -> None:
    lines = SCRIPT.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    head = lines[: next(place for place, line in enumerate(lines) if line and not line.startswith("#"))]
    assert {"#SBATCH --requeue", "#SBATCH --signal=B:USR1@300", "#SBATCH --open-mode=append"} < set(head)

"""Checkpoints after full disks, size limits, kills and stops, each in a process of its own.

That process runs this file: `python test_full_disk.py SCENARIO FOLDER` prints its results as JSON and ends, after a
disk error, as the command line does: one line on stderr, exit code 2.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest
import torch

from fairmot.formats.checkpoint import read_checkpoint, write_checkpoint
from fairmot.utils.errors import InputError

KILLS = 8
OPERATIONS = {"open", "os.link", "os.rename", "os.remove", "os.listdir", "os.scandir"}  # as Python audits them
MOUNT = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'  # unmounted when the process ends


def make(epoch, *, size):
    """Return a checkpoint in which every number is its epoch."""
    return {
        "model": {"a": torch.full((size,), float(epoch)), "b": torch.full((3,), epoch)},
        "progress": {"epoch": epoch},
    }


def read_epoch(path):
    """Return the epoch of a complete checkpoint, else None."""
    try:
        content = read_checkpoint(path)
    except InputError:
        return None
    epoch = content["progress"]["epoch"]
    return epoch if all(bool((value == epoch).all()) for value in content["model"].values()) else None


class Run:
    """Folder with two checkpoints, of epochs 1 and 2."""

    def __init__(self, folder, *, size):
        self.folder, self.size = folder, size
        self.last, self.previous = folder / "last.pt", folder / "previous.pt"
        for epoch in (1, 2):
            self.write(epoch)

    def write(self, epoch, *, size=None):
        write_checkpoint(self.last, make(epoch, size=size or self.size), previous=self.previous)

    def refusal(self, epoch, **options):
        """Return the error message of writing the next checkpoint."""
        try:
            self.write(epoch, **options)
        except InputError as error:
            return str(error)
        return ""

    def epochs(self):
        return [read_epoch(self.previous), read_epoch(self.last)]

    def parts(self):
        return sorted(file.name for file in self.folder.iterdir() if ".part" in file.name)

    def state(self):
        return [*self.epochs(), *self.parts()]


def fill(path):
    """Write until the disk is full; return the error."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            return error.strerror


def run_full_disk(folder):
    run, filler = Run(folder, size=100_000), folder / "filler"
    found = {"filler": fill(filler), "lines": [], "states": []}
    full = filler.stat().st_size
    for room in (0, 40_960, 307_200, 716_800):  # of the required 800,000 bytes
        os.truncate(filler, full - room)
        found["lines"].append(run.refusal(3, size=200_000))
        found["states"].append(run.state())
    filler.unlink()
    run.write(3, size=200_000)
    return {**found, "afterwards": run.state()}


def run_limits(folder):
    """A limit on the file size stands in for a quota; Python ignores its signal."""
    run = Run(folder, size=5_000)
    size = run.last.stat().st_size
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    lines, states = set(), []
    for limit in range(0, size, 997):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        lines.add(run.refusal(3))
        states.append(run.state())
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    return {"lines": sorted(lines), "states": states}


def fork(work):
    """Run `work` in a fork of this process, which has imported PyTorch; return its number."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def kill_writers(folder):
    """Kill successive writers at random times."""
    run = Run(folder, size=500_000)
    rng = random.Random(0)
    found = []
    for _ in range(KILLS):
        before = read_epoch(run.last)
        child = fork(lambda start=before + 1: [run.write(epoch) for epoch in count(start)])
        time.sleep(rng.uniform(0.02, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        epochs, parts = run.epochs(), run.parts()
        foreign = [name for name in parts if f".{child}." not in name]
        found.append({"before": before, "epochs": epochs, "parts": len(parts), "foreign": foreign})
    return found


def stop_at(step, run, epoch):
    """Write a checkpoint, but exit before the `step`-th file operation; return whether it was complete."""
    steps = count(1)

    def count_down(event, _):
        if event in OPERATIONS and next(steps) == step:
            os._exit(1)

    def doomed():
        sys.addaudithook(count_down)
        run.write(epoch)

    _, status = os.waitpid(fork(doomed), 0)
    return os.waitstatus_to_exitcode(status) == 0


def stop_writers(folder):
    """Each round starts from the state that the one before left."""
    run, rounds = Run(folder, size=100), []
    for step in count(1):
        before = read_epoch(run.last)
        done = stop_at(step, run, before + 1)
        rounds.append({"before": before, "epochs": run.epochs(), "parts": len(run.parts())})
        if done:
            break
    return rounds


def stop_writers_after_damage(folder):
    """`last.pt` is damaged: `previous.pt` must remain until the new checkpoint is complete."""
    epochs = []
    for step in count(1):
        (folder / str(step)).mkdir()
        run = Run(folder / str(step), size=100)
        content = bytearray(run.last.read_bytes())
        content[content.index(make(2, size=100)["model"]["a"].numpy().tobytes())] ^= 1
        run.last.write_bytes(content)
        done = stop_at(step, run, 3)
        epochs.append(run.epochs())
        if done:
            break
    return epochs


def run_interruptions(folder):
    works = {"kills": kill_writers, "stops": stop_writers, "damage": stop_writers_after_damage, "limits": run_limits}
    for name in works:
        (folder / name).mkdir()
    found = {name: work(folder / name) for name, work in works.items()}
    return {**found, "lines": found["limits"]["lines"]}


def start(scenario, folder, *, prefix=()):
    command = [*prefix, sys.executable, __file__, scenario, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def interruptions(tmp_path_factory):
    """Return the results after killed, stopped and limited writers."""
    folder = tmp_path_factory.mktemp("interruptions")
    process = start("interruptions", folder)
    line = f"{folder / 'limits' / 'last.pt'}: cannot be written: File too large; the existing file is unchanged"
    assert (process.returncode, process.stderr) == (2, f"{line}\n")
    found = json.loads(process.stdout)
    assert found["lines"] == [line]
    return found


def mounter(folder):
    """Return a command prefix that mounts a small disk on `folder` for one command; skips if that is not permitted."""
    reasons = []
    for options in ("-m", "-rm"):
        prefix = ["unshare", options, "sh", "-c", MOUNT, str(folder)]
        try:
            trial = subprocess.run([*prefix, "true"], capture_output=True, text=True, timeout=10, check=False)
        except FileNotFoundError as error:
            pytest.skip(f"no small file system can be mounted here: {error}")
        if trial.returncode == 0:
            return prefix
        reasons.append(" ".join(trial.stderr.split()))
    pytest.skip(f"no small file system can be mounted here: {'; '.join(reasons)}")


def test_full_disk_keeps_the_last_valid_checkpoints(tmp_path):
    process = start("full_disk", tmp_path, prefix=mounter(tmp_path))
    line = f"{tmp_path / 'last.pt'}: cannot be written: No space left on device; the existing file is unchanged"
    assert (process.returncode, process.stderr) == (2, f"{line}\n")
    found = json.loads(process.stdout)
    assert found["filler"] == "No space left on device"
    assert found["lines"] == [line] * 4
    assert found["states"] == [[1, 2]] * 4
    assert found["afterwards"] == [2, 3]


def test_size_limit_keeps_the_last_valid_checkpoints(interruptions):
    states = interruptions["limits"]["states"]
    assert len(states) > 20
    assert states == [[1, 2]] * len(states)


def test_kills_leave_two_valid_checkpoints_and_few_leftovers(interruptions):
    kills = interruptions["kills"]
    assert len(kills) == KILLS
    for kill in kills:
        previous, last = kill["epochs"]
        assert last >= kill["before"]
        assert previous < last  # by more than one if the kill followed the renaming
        assert kill["foreign"] == []  # of processes killed earlier
    assert any(kill["parts"] for kill in kills), "no kill during writing"
    assert kills[-1]["epochs"][1] > 2


def test_stop_before_any_file_operation_leaves_valid_checkpoints(interruptions):
    stops = interruptions["stops"]
    assert len(stops) > 10
    for stop in stops:
        previous, last = stop["epochs"]
        assert last in (stop["before"], stop["before"] + 1)
        assert previous < last
        assert stop["parts"] <= 4  # two of the process before and its own
    assert (stops[0]["epochs"], stops[-1]["parts"]) == ([1, 2], 0)


def test_stop_with_a_damaged_last_checkpoint_keeps_the_previous(interruptions):
    epochs = interruptions["damage"]
    assert all(previous == 1 or last == 3 for previous, last in epochs)
    assert (epochs[0], epochs[-1]) == ([1, None], [None, 3])


if __name__ == "__main__":
    torch.set_num_threads(1)  # forked copies have no threads
    scenarios = {"full_disk": run_full_disk, "interruptions": run_interruptions}
    facts = scenarios[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps(facts))
    if "lines" in facts:
        print(facts["lines"][-1], file=sys.stderr)
        sys.exit(2)

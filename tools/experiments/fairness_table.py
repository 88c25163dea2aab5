"""Table of the effect of each training option, for docs/results.md: trains and scores one configuration per row.

    python tools/experiments/fairness_table.py --work runs/fairness/runs                # all rows
    python tools/experiments/fairness_table.py --work runs/fairness/runs --rows 'dim*'  # selected rows
    python tools/experiments/fairness_table.py --suite real --work runs/fairness_real --data data/mot17-half

Suite `synthetic` (configs/fairness.yaml, about three minutes on two cores per run) renders missing data first. Suite
`real` makes one short run of each option on MOT17, scores one sequence, and reports the losses. Runs with scores are
skipped, runs with a checkpoint are resumed. The table is also written to `WORK/table.md`. Exit code 0; 1 if a run
failed, with the last line of its log; 2 for invalid usage; 128 + n after signal n, which also terminates the child
processes.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fairness_rows import TableRow, all_rows, choose_rows
from fairness_scores import format_real_table, format_table, is_scored

from fairmot.formats.atomic import write_text
from fairmot.utils.errors import InputError
from fairmot.utils.parallel import available_cores

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "fairness.yaml"
FAIRMOT = (sys.executable, "-m", "fairmot")
TRAINING_WORLD = (  # the quickstart's
    "--sequences", "48", "--frames", "20", "--fps", "10", "--people", "22", "--seed", "1",
)  # fmt: skip
HELD_OUT_WORLD = ("--sequences", "4", "--frames", "150", "--seed", "3001")
SHORT = (
    "INPUT.SIZE_HW", "(160,288)", "SOLVER.BATCH_SIZE", "4", "SOLVER.MAX_STEPS", "60", "SOLVER.LOG_EVERY", "1",
    "SOLVER.FAIRNESS_EVERY", "20",
)  # fmt: skip
DONE = (" finished after ", " step limit after ")  # in the last log line of a completed training


@dataclass(frozen=True)
class FairnessSuite:
    """Rows, common overrides, and data: `train` is DATA.ROOT, `gt` the evaluated sequences."""

    rows: tuple[TableRow, ...]
    overrides: tuple[str, ...]
    train: Path
    gt: Path


@dataclass(frozen=True)
class CommandJob:
    """Commands of `fairmot` to run in order, and the name of their log."""

    name: str
    commands: tuple[tuple[str, ...], ...]


def make_suite(name: str, work: Path, data: Path | None) -> FairnessSuite:
    """Return a suite by name. `data` contains train/ and heldout/ (`synthetic`) or train/ and val/ (`real`)."""
    if name == "synthetic":
        folder = work.parent / "data" if data is None else data
        return FairnessSuite(all_rows(), (), folder / "train", folder / "heldout")
    if data is None:
        raise InputError("--data: the real suite needs a folder with train/ and val/")
    sequences = sorted(path for path in (data / "val").glob("*") if path.is_dir())
    if not (data / "train").is_dir() or not sequences:
        raise InputError(f"--data: {data} has no train/ or no sequence in val/")
    return FairnessSuite(tuple(replace(row, seeds=(1,)) for row in all_rows()), SHORT, data / "train", sequences[0])


def make_data_jobs(suite: FairnessSuite) -> list[CommandJob]:
    """Return the jobs that render missing synthetic data into temporary folders."""
    worlds = {suite.train: TRAINING_WORLD, suite.gt: HELD_OUT_WORLD}
    absent = {folder: world for folder, world in worlds.items() if not folder.exists()}
    return [
        CommandJob(
            f"data-{folder.name}", (("synthesize", "--output", str(_unfinished(folder)), "--overwrite", *world),)
        )
        for folder, world in absent.items()
    ]


def rename_rendered(suite: FairnessSuite) -> None:
    """Rename the temporary folders of rendered data."""
    for folder in (suite.train, suite.gt):
        if not folder.exists():
            _unfinished(folder).rename(folder)


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.part")


def make_jobs(suite: FairnessSuite, rows: Sequence[TableRow], work: Path) -> list[CommandJob]:
    """Return a job for each training of `rows` without scores: train or resume, then score."""
    jobs = []
    for run, seed in dict.fromkeys((row.run, seed) for row in rows for seed in row.seeds):
        own = [row for row in rows if row.run == run and not is_scored(row.scores(work, seed))]
        if own:
            folder = own[0].folder(work, seed)
            train = [] if is_trained(folder) else [training(suite, own[0], work, seed)]
            jobs.append(CommandJob(folder.name, (*train, *(scoring(suite, row, work, seed) for row in own))))
    return jobs


def training(suite: FairnessSuite, row: TableRow, work: Path, seed: int) -> tuple[str, ...]:
    """Return the arguments of `fairmot` that train a row, resumed from its last checkpoint if there is one."""
    folder = row.folder(work, seed)
    resume = ["--resume"] if (folder / "last.pt").exists() else []
    options = ["--config", str(CONFIG), *resume, "--output", str(folder)]
    return ("train", *options, "DATA.ROOT", str(suite.train), "SEED", str(seed), *suite.overrides, *row.overrides)


def scoring(suite: FairnessSuite, row: TableRow, work: Path, seed: int) -> tuple[str, ...]:
    """Return the arguments of `fairmot` that evaluate the last checkpoint of a row."""
    weights, output = row.folder(work, seed) / "last.pt", row.scores(work, seed)
    options = ["--config", str(CONFIG), "--weights", str(weights), "--gt", str(suite.gt), "--output", str(output)]
    prefix = ["PREDICT.REID_PREFIX", str(row.prefix)] if row.prefix else []
    return ("eval", *options, "EVAL.REID", "True", *suite.overrides, *row.overrides, *prefix)


def is_trained(folder: Path) -> bool:
    """Whether the log shows a completed training, and the checkpoint exists."""
    log = folder / "run.log"
    return (folder / "last.pt").exists() and log.exists() and any(text in last_line(log) for text in DONE)


def last_line(path: Path) -> str:
    """Return the last non-blank line of a text file, "" if there is none."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class ChildProcesses:
    """Running child processes, each with one thread. After a signal they are terminated and no other is started."""

    def __init__(self, program: Sequence[str], work: Path) -> None:
        self.stopped_by = 0
        self._program = tuple(program)
        self._work = work
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.RLock()

    def run(self, job: CommandJob) -> str:
        """Run the commands of a job; return "", or the name and last log line of a failed one."""
        log = self._work / f"{job.name}.log"
        for command in job.commands:
            code = self._run(command, log)
            if code:
                return f"{job.name}: {command[0]} ended with code {code}: {last_line(log)} ({log})"
        return ""

    def _run(self, command: Sequence[str], log: Path) -> int:
        with log.open("ab") as file, self._lock:
            if self.stopped_by:
                return 128 + self.stopped_by
            child = subprocess.Popen(
                [*self._program, *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C reaches only this process, which sends SIGTERM
            )
            self._running.add(child)
        try:
            return child.wait()
        finally:
            with self._lock:
                self._running.discard(child)

    def stop(self, number: int, frame: object = None) -> None:
        """Handle a signal: terminate all child processes."""
        del frame
        with self._lock:
            self.stopped_by = number
            for child in self._running:
                child.terminate()

    @contextmanager
    def terminate_on_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM in the block; restore the previous handlers afterwards."""
        previous = {number: signal.signal(number, self.stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def run_all(children: ChildProcesses, jobs: Sequence[CommandJob], *, workers: int) -> list[str]:
    """Run jobs concurrently and print a line for each; return the failures."""

    def timed(job: CommandJob) -> str:
        started = time.monotonic()
        failure = children.run(job)
        if not children.stopped_by:
            print(f"failed: {failure}" if failure else f"{job.name}: {time.monotonic() - started:.0f} s", flush=True)
        return failure

    with ThreadPoolExecutor(workers) as pool:
        return [failure for failure in pool.map(timed, jobs) if failure]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Table of the effect of each training option")
    parser.add_argument("--work", type=Path, default=Path("runs/fairness/runs"), help="folder of the runs")
    parser.add_argument("--data", type=Path, help="folder with train/ and heldout/ (default: WORK/../data)")
    parser.add_argument("--suite", choices=("synthetic", "real"), default="synthetic")
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="names or patterns (default: all rows)")
    parser.add_argument("--jobs", type=int, default=available_cores(), help="processes at a time (default: the cores)")
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace, program: Sequence[str]) -> int:
    """Run the missing jobs, print the table of the available scores, and return the exit code."""
    if arguments.jobs < 1:
        raise InputError(f"--jobs: {arguments.jobs} is below 1")
    work = arguments.work.resolve()
    suite = make_suite(arguments.suite, work, arguments.data and arguments.data.resolve())
    rows = choose_rows(suite.rows, arguments.rows)
    work.mkdir(parents=True, exist_ok=True)
    children = ChildProcesses(program, work)
    with children.terminate_on_signals():
        failures = run_all(children, make_data_jobs(suite), workers=arguments.jobs)
        if not failures:
            rename_rendered(suite)
            failures = run_all(children, make_jobs(suite, rows, work), workers=arguments.jobs)
    if children.stopped_by:
        name = signal.Signals(children.stopped_by).name
        print(f"fairness_table: ended by {name}; repeat the command to continue", file=sys.stderr)
        return 128 + children.stopped_by
    text = (format_table if arguments.suite == "synthetic" else format_real_table)(suite.rows, work)
    write_text(work / "table.md", text)
    print(text, end="")
    return 1 if failures else 0


def main(argv: Sequence[str] | None = None, *, program: Sequence[str] = FAIRMOT) -> int:
    """Run the benchmark; return the exit code. An input error is one line on stderr."""
    try:
        return run(parse_args(argv), program)
    except InputError as error:
        print(f"fairness_table: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

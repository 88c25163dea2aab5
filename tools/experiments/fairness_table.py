"""What does each switch of training change? Trains a row a switch, scores each, prints the table of docs/results.md.

    python tools/experiments/fairness_table.py --work runs/fairness/runs                # all rows; goes on where it was
    python tools/experiments/fairness_table.py --work runs/fairness/runs --rows 'dim*'  # some rows
    python tools/experiments/fairness_table.py --suite real --work runs/fairness_real --data ../shared/data/mot17-half

Suite `synthetic` (configs/fairness.yaml, about three minutes of two cores a run) renders its data first where they are
absent. Suite `real` makes one short run of each switch on real frames, scores one sequence, and shows whether losses
fall. A run that has scores is not made again, one that has a checkpoint goes on from it. The table goes to
`WORK/table.md` too. Exit code 0; 1 where a run failed, with its log's last line; 2 for wrong use; 128 + n where signal
n ended it, and with it the processes that it had started.
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

from fairness_rows import Row, all_rows, choose_rows
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
DONE = (" finished after ", " step limit after ")  # how the log of a whole training ends


@dataclass(frozen=True)
class Suite:
    """Rows, what all of them share, and the data: `train` is DATA.ROOT, `truth` what is scored."""

    rows: tuple[Row, ...]
    overrides: tuple[str, ...]
    train: Path
    truth: Path


@dataclass(frozen=True)
class Job:
    """Commands of `fairmot` that must follow one another, and the name that their log has."""

    name: str
    commands: tuple[tuple[str, ...], ...]


def make_suite(name: str, work: Path, data: Path | None) -> Suite:
    """Return a suite by name; `data` holds train/ and heldout/, of `real` train/ and val/."""
    if name == "synthetic":
        place = work.parent / "data" if data is None else data
        return Suite(all_rows(), (), place / "train", place / "heldout")
    if data is None:
        raise InputError("--data: the real suite needs a folder with train/ and val/")
    sequences = sorted(path for path in (data / "val").glob("*") if path.is_dir())
    if not (data / "train").is_dir() or not sequences:
        raise InputError(f"--data: {data} has no train/ or no sequence in val/")
    return Suite(tuple(replace(row, seeds=(1,)) for row in all_rows()), SHORT, data / "train", sequences[0])


def make_data_jobs(suite: Suite) -> list[Job]:
    """Return what renders the synthetic data that are absent; a folder gets its name when it is complete."""
    worlds = {suite.train: TRAINING_WORLD, suite.truth: HELD_OUT_WORLD}
    absent = {place: world for place, world in worlds.items() if not place.exists()}
    return [
        Job(f"data-{place.name}", (("synthesize", "--output", str(_unfinished(place)), "--overwrite", *world),))
        for place, world in absent.items()
    ]


def name_rendered(suite: Suite) -> None:
    """Give rendered folders their names."""
    for place in (suite.train, suite.truth):
        if not place.exists():
            _unfinished(place).rename(place)


def _unfinished(place: Path) -> Path:
    return place.with_name(f".{place.name}.part")


def make_jobs(suite: Suite, rows: Sequence[Row], work: Path) -> list[Job]:
    """Return a job for each training of `rows` that lacks scores: to train, or go on, and to score."""
    jobs = []
    for run, seed in dict.fromkeys((row.run, seed) for row in rows for seed in row.seeds):
        own = [row for row in rows if row.run == run and not is_scored(row.scores(work, seed))]
        if own:
            folder = own[0].folder(work, seed)
            train = [] if is_trained(folder) else [training(suite, own[0], work, seed)]
            jobs.append(Job(folder.name, (*train, *(scoring(suite, row, work, seed) for row in own))))
    return jobs


def training(suite: Suite, row: Row, work: Path, seed: int) -> tuple[str, ...]:
    """Return the arguments of `fairmot` that train a row, from its last checkpoint where there is one."""
    folder = row.folder(work, seed)
    resume = ["--resume"] if (folder / "last.pt").exists() else []
    options = ["--config", str(CONFIG), *resume, "--output", str(folder)]
    return ("train", *options, "DATA.ROOT", str(suite.train), "SEED", str(seed), *suite.overrides, *row.overrides)


def scoring(suite: Suite, row: Row, work: Path, seed: int) -> tuple[str, ...]:
    """Return the arguments of `fairmot` that track and score with a row's last checkpoint."""
    weights, output = row.folder(work, seed) / "last.pt", row.scores(work, seed)
    options = ["--config", str(CONFIG), "--weights", str(weights), "--gt", str(suite.truth), "--output", str(output)]
    prefix = ["PREDICT.REID_PREFIX", str(row.prefix)] if row.prefix else []
    return ("eval", *options, "EVAL.REID", "True", *suite.overrides, *row.overrides, *prefix)


def is_trained(folder: Path) -> bool:
    """Whether the run's log ends as that of a whole training does, and its checkpoint is there."""
    log = folder / "run.log"
    return (folder / "last.pt").exists() and log.exists() and any(text in last_line(log) for text in DONE)


def last_line(path: Path) -> str:
    """Return the last line of a text that holds something, "" where there is none."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Children:
    """The processes under way, each of one thread. A signal to this one ends them, and no other starts."""

    def __init__(self, program: Sequence[str], work: Path) -> None:
        self.stopped_by = 0
        self._program = tuple(program)
        self._work = work
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.RLock()

    def do(self, job: Job) -> str:
        """Run the commands of a job; return "" or, where one fails, its name and its log's last line."""
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
                start_new_session=True,  # Ctrl-C comes to us, and goes on as SIGTERM
            )
            self._running.add(child)
        try:
            return child.wait()
        finally:
            with self._lock:
                self._running.discard(child)

    def stop(self, number: int, frame: object = None) -> None:
        """Answer a signal."""
        del frame
        with self._lock:
            self.stopped_by = number
            for child in self._running:
                child.terminate()

    @contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Answer SIGINT and SIGTERM in the block; put the old handlers back afterwards."""
        before = {number: signal.signal(number, self.stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def do_all(children: Children, jobs: Sequence[Job], *, at_a_time: int) -> list[str]:
    """Do jobs side by side, with a line as each ends; return what went wrong, a line each."""

    def timed(job: Job) -> str:
        started = time.monotonic()
        failure = children.do(job)
        if not children.stopped_by:
            print(f"failed: {failure}" if failure else f"{job.name}: {time.monotonic() - started:.0f} s", flush=True)
        return failure

    with ThreadPoolExecutor(at_a_time) as pool:
        return [failure for failure in pool.map(timed, jobs) if failure]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="One table of what each switch of training changes")
    parser.add_argument("--work", type=Path, default=Path("runs/fairness/runs"), help="folder of the runs")
    parser.add_argument("--data", type=Path, help="folder with train/ and heldout/ (default: data beside WORK)")
    parser.add_argument("--suite", choices=("synthetic", "real"), default="synthetic")
    parser.add_argument("--rows", nargs="+", default=[], metavar="NAME", help="names or patterns (default: all rows)")
    parser.add_argument("--jobs", type=int, default=available_cores(), help="processes at a time (default: the cores)")
    return parser.parse_args(argv)


def run(arguments: argparse.Namespace, program: Sequence[str]) -> int:
    """Make what is missing, print the table of what is there, and return the exit code."""
    if arguments.jobs < 1:
        raise InputError(f"--jobs: {arguments.jobs} is below 1")
    work = arguments.work.resolve()
    suite = make_suite(arguments.suite, work, arguments.data and arguments.data.resolve())
    rows = choose_rows(suite.rows, arguments.rows)
    work.mkdir(parents=True, exist_ok=True)
    children = Children(program, work)
    with children.ended_by_signals():
        failures = do_all(children, make_data_jobs(suite), at_a_time=arguments.jobs)
        if not failures:
            name_rendered(suite)
            failures = do_all(children, make_jobs(suite, rows, work), at_a_time=arguments.jobs)
    if children.stopped_by:
        name = signal.Signals(children.stopped_by).name
        print(f"fairness_table: ended by {name}; the same command goes on from here", file=sys.stderr)
        return 128 + children.stopped_by
    text = (format_table if arguments.suite == "synthetic" else format_real_table)(suite.rows, work)
    write_text(work / "table.md", text)
    print(text, end="")
    return 1 if failures else 0


def main(argv: Sequence[str] | None = None, *, program: Sequence[str] = FAIRMOT) -> int:
    """Run the benchmark; a user's mistake is one line on stderr and exit code 2."""
    try:
        return run(parse_args(argv), program)
    except InputError as error:
        print(f"fairness_table: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

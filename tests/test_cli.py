"""Command line: dispatch, exit codes and help. Jobs are replaced by a stand-in."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from helpers.generated_files import ROOT, generated_files

import fairmot
from fairmot.cli import JOBS, main, run_tool
from fairmot.commands.track.interrupt import Interrupted
from fairmot.utils.errors import InputError

Job = Callable[[argparse.Namespace], int]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job], None]:
    """Replace `fairmot.commands.track.command.main` by a function."""

    def install(run: Job) -> None:
        module = ModuleType("fairmot.commands.track.command")
        module.EXAMPLES = "fairmot track\n"  # type: ignore[attr-defined]
        module.add_arguments = lambda parser: parser.add_argument("--count", type=int, default=0)  # type: ignore[attr-defined]
        module.main = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fairmot.commands.track.command", module)

    return install


def raising(error: BaseException) -> Job:
    def run(arguments: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize("path", generated_files(), ids=lambda path: path.stem)
def test_generated_file_is_current(path: Path) -> None:
    """To renew: `python tests/helpers/generated_files.py`."""
    assert path.read_text(encoding="utf-8") == generated_files()[path]


def test_snapshots_no_other_files() -> None:
    assert set((ROOT / "tests/snapshots").iterdir()) <= set(generated_files())


def test_main_without_arguments_shows_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: fairmot" in capsys.readouterr().out


def test_main_version_from_process_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fairmot", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"fairmot {fairmot.__version__}\n"


def test_main_unknown_job_lists_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    expected = f"fairmot: unknown job 'trian'; choose from {', '.join(JOBS)}\n"
    assert capsys.readouterr() == ("", expected)


def test_job_gets_arguments_and_returns_exit_code(job: Callable[[Job], None]) -> None:
    job(lambda arguments: arguments.count)
    assert main(["track", "--count", "0"]) == 0
    assert run_tool("track", ["--count", "3"]) == 3


def test_job_help_and_invalid_option(job: Callable[[Job], None], capsys: pytest.CaptureFixture[str]) -> None:
    job(lambda _: 0)
    assert main(["track", "--help"]) == 0
    assert "--count" in capsys.readouterr().out
    assert main(["track", "--count", "many"]) == 2
    assert "--count" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("gt.txt:7: 3 columns, expected 7"), 2, "gt.txt:7: 3 columns, expected 7"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(signal.SIGTERM), 143, "interrupted"),
    ],
)
def test_job_error_is_one_line_and_an_exit_code(
    job: Callable[[Job], None], capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    job(raising(error))
    assert main(["track"]) == code
    assert capsys.readouterr() == ("", f"fairmot track: {message}\n")


def test_job_defect_keeps_traceback(job: Callable[[Job], None]) -> None:
    job(raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["track"])


STAND_IN = """
import os, sys
from types import ModuleType
from fairmot.cli import main
module = ModuleType("fairmot.commands.track.command")
module.EXAMPLES = ""
module.add_arguments = lambda parser: None
module.main = lambda _: eval(sys.argv[1])
sys.modules["fairmot.commands.track.command"] = module
sys.exit(main(sys.argv[2:]))
"""


def run_process(work: str, *arguments: str, stdout: int | None = None) -> tuple[int, str]:
    """Run a job that evaluates `work`; return its exit code and stderr. stdout: None = a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", STAND_IN, work, *arguments]
    out = writing if stdout is None else stdout
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, env=buffered, timeout=30, check=False)
    os.close(writing)
    return done.returncode, done.stderr


def test_closed_stdout_ends_job_quietly() -> None:
    assert run_process("[print('much', end=500 * ' ') for _ in range(5000)]", "track") == (141, "")
    assert run_process("print(10**6 * 'much')", "track") == (141, "")  # written at once, nothing is left to flush
    assert run_process("print('little') or 3", "track") == (3, "")  # finished before the pipe was written to
    assert run_process("0", "--help") == (0, "")
    assert run_process("0", "track", "--help") == (0, "")


@pytest.mark.parametrize("body", ["print('log', file=sys.stderr, flush=True)", "raise InputError('wrong')"])
def test_closed_stderr_ends_job_with_141(body: str) -> None:
    code = f"""
import sys, types
from fairmot import cli
from fairmot.utils.errors import InputError
def main(arguments):
    for _ in range(9):
        {body}
    return 0
cli.load_job = lambda job: types.SimpleNamespace(EXAMPLES="", add_arguments=lambda parser: None, main=main)
sys.exit(cli.run_tool("track", []))
"""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=writer, cwd=ROOT, check=False)
    os.close(writer)
    assert (done.returncode, done.stdout) == (141, b"")


def test_broken_pipe_other_than_stdout_keeps_traceback() -> None:
    work = "(_ for _ in ()).throw(BrokenPipeError('a worker died'))"
    code, shown = run_process(work, "track", stdout=subprocess.DEVNULL)
    assert (code, shown.splitlines()[-1]) == (1, "BrokenPipeError: a worker died")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_on_stdout_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run_process("print('little') or 0", "track", stdout=full.fileno())
    assert ended == (2, "fairmot: standard output: cannot be written: No space left on device\n")

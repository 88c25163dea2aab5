"""The command line's own behaviour, with a stand-in job: no job is run here."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import fairmot
from fairmot.cli import JOBS, main, run_tool
from fairmot.commands.track.interrupt import Interrupted
from fairmot.utils.errors import InputError

Job = Callable[[argparse.Namespace], int]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job], None]:
    """Put a function in the place of `fairmot.commands.track.command.main`."""

    def install(run: Job) -> None:
        module = ModuleType("fairmot.commands.track.command")
        module.add_arguments = lambda parser: parser.add_argument("--count", type=int, default=0)  # type: ignore[attr-defined]
        module.main = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fairmot.commands.track.command", module)

    return install


def test_help_lists_every_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown and text in shown for name, text in JOBS.items())


def test_no_arguments_show_the_help_and_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: fairmot" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fairmot {fairmot.__version__}\n"


def test_arguments_default_to_the_process_s_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fairmot", "--version"])
    assert main() == 0
    assert "fairmot" in capsys.readouterr().out


def test_an_unknown_job_is_one_line_that_lists_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"fairmot: unknown job 'trian'; choose from {', '.join(JOBS)}\n"


def test_a_job_gets_its_arguments_and_gives_the_exit_code(job: Callable[[Job], None]) -> None:
    job(lambda arguments: arguments.count)
    assert main(["track", "--count", "0"]) == 0
    assert run_tool("track", ["--count", "3"]) == 3


def test_a_user_s_mistake_is_one_line_and_exit_code_2(
    job: Callable[[Job], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise InputError("gt.txt:7: 3 columns, at least 7 wanted")

    job(run)
    assert main(["track"]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "fairmot track: gt.txt:7: 3 columns, at least 7 wanted\n")


def test_a_defect_keeps_its_traceback(job: Callable[[Job], None]) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise RuntimeError("a bug")

    job(run)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["track"])


def test_an_interrupt_is_one_line(job: Callable[[Job], None], capsys: pytest.CaptureFixture[str]) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    job(run)
    assert main(["track"]) == 130
    assert capsys.readouterr().err == "fairmot track: interrupted\n"


def test_a_signal_that_a_job_has_heard_gives_its_code(job: Callable[[Job], None]) -> None:
    def run(arguments: argparse.Namespace) -> int:
        raise Interrupted(signal.SIGTERM)

    job(run)
    assert main(["track"]) == 143


STAND_IN = """
import os, sys
from types import ModuleType
from fairmot.cli import main
module = ModuleType("fairmot.commands.track.command")
module.add_arguments = lambda parser: None
module.main = lambda _: eval(sys.argv[1])
sys.modules["fairmot.commands.track.command"] = module
sys.exit(main(sys.argv[2:]))
"""


def end_of(work: str, *given: str, stdout: int | None = None) -> tuple[int, str]:
    """Run a job that does `work`, to an output that nobody reads where none is given; return its code and stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", STAND_IN, work, *given]
    out = writing if stdout is None else stdout
    held_back = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(
        command, stdout=out, stderr=subprocess.PIPE, text=True, env=held_back, timeout=30, check=False
    )
    os.close(writing)
    return done.returncode, done.stderr


def test_a_reader_that_has_gone_ends_a_job_quietly() -> None:
    assert end_of("[print('much', end=500 * ' ') for _ in range(5000)]", "track") == (141, "")
    assert end_of("print(10**6 * 'much')", "track") == (141, "")  # goes out at once, and leaves nothing to be flushed
    assert end_of("print('little') or 3", "track") == (3, "")  # done before anything was refused
    assert end_of("0", "--help") == (0, "")
    assert end_of("0", "track", "--help") == (0, "")


def test_another_broken_pipe_keeps_its_traceback() -> None:
    code, shown = end_of("(_ for _ in ()).throw(BrokenPipeError('a worker died'))", "track", stdout=subprocess.DEVNULL)
    assert (code, shown.splitlines()[-1]) == (1, "BrokenPipeError: a worker died")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_an_output_that_takes_nothing_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = end_of("print('little') or 0", "track", stdout=full.fileno())
    assert ended == (2, "fairmot: standard output: cannot be written: No space left on device\n")


def test_a_job_s_help_and_wrong_options(job: Callable[[Job], None], capsys: pytest.CaptureFixture[str]) -> None:
    job(lambda _: 0)
    assert main(["track", "--help"]) == 0
    assert "--count" in capsys.readouterr().out
    assert main(["track", "--count", "many"]) == 2
    assert "--count" in capsys.readouterr().err

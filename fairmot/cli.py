"""The command line: `fairmot JOB --config FILE [options] KEY VALUE ...`; `tools/JOB.py` are shims over `run_tool`."""

import argparse
import select
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn, TextIO

from fairmot import __version__
from fairmot.formats.text_io import discard_rest
from fairmot.utils.errors import InputError

JOBS = {
    "train": "train a model on MOTChallenge sequences",
    "track": "track sequences, image folders, videos, cameras or a detection cache",
    "eval": "track and score sequences, or score result files that exist",
    "convert": "turn published weights into ours, or ours into published",
    "benchmark": "time the network beside a reference",
    "tune": "search the tracker's keys over detection caches, against ground truth",
    "synthesize": "render a synthetic world of walking people as MOTChallenge sequences, or as still images",
    "inspect_data": "look a data set through before a training does: counts, pictures, mistakes, a corrected copy",
}

MODULES = {"eval": "evaluate.command", "convert": "convert", "synthesize": "synthesize"}  # default: JOB.command

INTERRUPTED, UNREAD = 130, 141  # exit codes, as shells give them for SIGINT and SIGPIPE


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help shows the options)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fairmot JOB ...`; return the exit code: 0 done, 2 wrong use or input, and those of `run_tool`."""
    return _while_it_is_read(partial(_run_any, list(sys.argv[1:] if argv is None else argv)))


def run_tool(job: str, argv: Sequence[str] | None = None) -> int:
    """Parse `argv` with the job's own parser and run it; a user's mistake is one line on stderr and exit code 2.

    After Ctrl-C the code is 130, after a SIGTERM that the job has heard 143, and 141 where whoever read what the job
    prints (`| head -1`) went before the job was done.
    """
    return _while_it_is_read(partial(_run_job, job, argv))


def _run_any(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--version"]:
        print(f"fairmot {__version__}")
        return 0
    if arguments and arguments[0] in JOBS:
        return _run_job(arguments[0], arguments[1:])
    jobs = "\n".join(f"  {name:<14}{text}" for name, text in JOBS.items())
    wanted = not arguments or arguments[0] in ("-h", "--help")
    text = (
        f"usage: fairmot JOB [options] [KEY VALUE ...]\n\njobs:\n{jobs}\n\n`fairmot JOB --help` shows a job's options."
    )
    print(
        text if wanted else f"fairmot: unknown job {arguments[0]!r}; choose from {', '.join(JOBS)}",
        file=sys.stdout if wanted else sys.stderr,
    )
    return 0 if wanted and arguments else 2


def _run_job(job: str, argv: Sequence[str] | None) -> int:
    module = import_module(f"fairmot.commands.{MODULES.get(job, f'{job}.command')}")
    parser = _Parser(
        prog=f"fairmot {job}", description=JOBS[job], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    module.add_arguments(parser)
    try:
        arguments = parser.parse_intermixed_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return int(module.main(arguments))
    except InputError as error:
        print(f"fairmot {job}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"fairmot {job}: interrupted", file=sys.stderr)
        return int(getattr(stop, "code", INTERRUPTED))


def _while_it_is_read(work: Callable[[], int]) -> int:
    """Return the exit code of `work` once what it printed is out; quiet where nobody reads that any more."""
    code = UNREAD
    try:
        code = work()
        return code if _flush() else code or 2
    except BrokenPipeError:
        unread = [stream for stream in (sys.stdout, sys.stderr) if stream is not None and _is_unread(stream)]
        if not unread:  # another pipe's, which is a defect
            raise
        for stream in unread:
            discard_rest(stream)
    return code


def _flush() -> bool:
    """Hand what was printed to the system; say so in one line, and return False, where a disk refuses it."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_rest(sys.stdout)
        print(f"fairmot: standard output: cannot be written: {error.strerror or error}", file=sys.stderr)
        return False
    return True


def _is_unread(stream: TextIO) -> bool:
    """Tell whether a stream is a pipe whose reader has gone."""
    watch = select.poll()
    try:
        watch.register(stream.fileno(), 0)
    except (OSError, ValueError):  # no file of the system's
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))

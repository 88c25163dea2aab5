"""Command line: `fairmot JOB [options] [KEY VALUE ...]`; `tools/JOB.py` calls `run_tool`."""

import argparse
import select
import sys
from collections.abc import Sequence
from importlib import import_module
from textwrap import indent
from types import ModuleType
from typing import NoReturn, TextIO

from fairmot import __version__
from fairmot.formats.text_io import discard_rest
from fairmot.utils.errors import InputError

JOBS = {
    "train": "train a model on one or several datasets",
    "track": "track sequences, image folders, videos, cameras or streams; or run the tracker on a detection cache",
    "eval": "score result files, or track sequences with a model and score the results",
    "convert": "convert weights between the parameter names of FairMOT's reference implementation and of this package",
    "benchmark": "measure speed: model, training step, data loader, tracker, evaluation",
    "tune": "search tracker parameters on detection caches with ground truth",
    "synthesize": "render a synthetic dataset of walking people: MOTChallenge sequences or still images",
    "inspect_data": "validate a dataset: statistics, sample images, label checks, corrected copy",
}
MODULES = {"eval": "evaluate.command", "convert": "convert", "synthesize": "synthesize"}  # default: JOB.command
INTERRUPTED, BROKEN_PIPE = 130, 141  # exit codes, as shells report SIGINT and SIGPIPE


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Appends the default of an option that has one; wraps the help, not the examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = action.option_strings and action.default not in (None, False, [], argparse.SUPPRESS)
        return f"{action.help} (default: %(default)s)" if has_default else action.help


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help shows the options)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fairmot JOB ...` and return the exit code of `run_tool`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in JOBS:
        return run_tool(arguments[0], arguments[1:])
    if arguments and arguments[0] not in ("-h", "--help", "--version"):
        print(f"fairmot: unknown job {arguments[0]!r}; choose from {', '.join(JOBS)}", file=sys.stderr)
        return 2
    print(f"fairmot {__version__}" if arguments[:1] == ["--version"] else usage())
    return _flush(0 if arguments else 2)


def usage() -> str:
    """Return the help text of `fairmot` itself."""
    jobs = "\n".join(f"  {name:<14}{description}" for name, description in JOBS.items())
    return (
        f"usage: fairmot JOB [options] [KEY VALUE ...]\n\njobs:\n{jobs}\n\n`fairmot JOB --help` shows a job's options."
    )


def build_parser(job: str, module: ModuleType) -> argparse.ArgumentParser:
    """Return the parser of a job, whose options and examples its module declares."""
    examples = f"examples:\n{indent(module.EXAMPLES, '  ')}"
    parser = _Parser(prog=f"fairmot {job}", description=JOBS[job], epilog=examples, formatter_class=_HelpFormatter)
    module.add_arguments(parser)
    return parser


def load_job(job: str) -> ModuleType:
    """Import the module of a job: `EXAMPLES`, `add_arguments(parser)` and `main(arguments) -> exit code`."""
    return import_module(f"fairmot.commands.{MODULES.get(job, f'{job}.command')}")


def run_tool(job: str, argv: Sequence[str] | None = None) -> int:
    """Parse `argv` (None: the process's) and run a job; return the exit code.

    0: success. 2: wrong usage or input, reported in one line on stderr. 130: Ctrl-C. 143: a SIGTERM that the job
    handled. 141: the reader of standard output closed it (`| head -1`) before the job had finished.
    """
    module = load_job(job)
    try:
        arguments = build_parser(job, module).parse_intermixed_args(argv)
    except SystemExit as stop:  # after --help or wrong usage
        return _flush(int(stop.code or 0))
    try:
        try:
            code = int(module.main(arguments))
        except InputError as error:
            print(f"fairmot {job}: {error}", file=sys.stderr)
            code = 2
        except KeyboardInterrupt as stop:
            print(f"fairmot {job}: interrupted", file=sys.stderr)
            code = int(getattr(stop, "code", INTERRUPTED))
        return _flush(code)
    except BrokenPipeError:
        broken = [stream for stream in (sys.stdout, sys.stderr) if stream is not None and _is_broken(stream)]
        if not broken:  # another pipe
            raise
        for stream in broken:
            discard_rest(stream)
        return BROKEN_PIPE


def _is_broken(stream: TextIO) -> bool:
    """Whether a stream is a pipe that its reader has closed."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):  # not a file of the operating system
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _flush(code: int) -> int:
    """Flush standard output; return `code`, or 2 in place of 0 where the output cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        discard_rest(sys.stdout)  # the interpreter flushes again at exit
        if not isinstance(error, BrokenPipeError):
            print(f"fairmot: standard output: cannot be written: {error.strerror or error}", file=sys.stderr)
            return code or 2
    return code

"""The command line: `fairmot JOB --config FILE [options] KEY VALUE ...`; `tools/JOB.py` are shims over `run_tool`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from fairmot import __version__
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


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help shows the options)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fairmot JOB ...`; return the exit code: 0 done, 2 wrong use or input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--version"]:
        print(f"fairmot {__version__}")
        return 0
    if arguments and arguments[0] in JOBS:
        return run_tool(arguments[0], arguments[1:])
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


def run_tool(job: str, argv: Sequence[str] | None = None) -> int:
    """Parse `argv` with the job's own parser and run it; a user's mistake is one line on stderr and exit code 2."""
    module = import_module(f"fairmot.commands.{'evaluate' if job == 'eval' else job}")
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
    except KeyboardInterrupt:
        print(f"fairmot {job}: interrupted", file=sys.stderr)
        return 130

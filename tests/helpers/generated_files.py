"""Committed files that are generated from the package: the help of each job.

To renew them after a change of options or keys: `python tests/helpers/generated_files.py`.
"""

import os
from pathlib import Path
from unittest import mock

from fairmot.cli import JOBS, build_parser, load_job, usage

ROOT = Path(__file__).parents[2]


def help_of(job: str) -> str:
    """Return the help text of a job, 100 columns wide; of `fairmot` itself for an empty name."""
    if not job:
        return f"{usage()}\n"
    with mock.patch.dict(os.environ, COLUMNS="100"):
        return build_parser(job, load_job(job)).format_help()


def generated_files() -> dict[Path, str]:
    """Return the content of each generated file."""
    return {ROOT / f"tests/snapshots/help_{job or 'fairmot'}.txt": help_of(job) for job in ("", *JOBS)}


if __name__ == "__main__":
    for path, text in generated_files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

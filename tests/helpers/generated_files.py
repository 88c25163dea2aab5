"""Committed files that are generated from the package: the help of each job, and docs/configuration.md.

To renew them after a change of options or keys: `python tests/helpers/generated_files.py`.
"""

import os
import textwrap
from pathlib import Path
from unittest import mock

from fairmot.cli import JOBS, build_parser, load_job, usage
from fairmot.config.datasets import DATASETS
from fairmot.config.defaults import DATASET, GENERAL, SECTIONS
from fairmot.config.keys import Key
from fairmot.config.tracker_presets import KEPT, PRESETS

ROOT = Path(__file__).parents[2]


def help_of(job: str) -> str:
    """Return the help text of a job, 100 columns wide; of `fairmot` itself for an empty name."""
    if not job:
        return f"{usage()}\n"
    with mock.patch.dict(os.environ, COLUMNS="100"):
        return build_parser(job, load_job(job)).format_help()


INTRODUCTION = """
A configuration is a YAML file of sections and keys. `_BASE_: other.yaml` inherits from another file. Overrides on the
command line, `SECTION.KEY VALUE`, come last. An unknown key, a wrong type and a value out of range are errors
before any work starts. Sizes are (height, width).
"""
DATASET_INTRODUCTION = "Keys of one dataset, which is added, or changed where the name is one of "
PRESET_INTRODUCTION = f"""
`TRACKER.PRESET` sets all keys of the section apart from {", ".join(KEPT)}. Keys that are given together with a preset
take precedence over it. The presets differ from the defaults in:
"""


def configuration_page() -> str:
    """Return docs/configuration.md."""
    names = f"{DATASET_INTRODUCTION}{', '.join(f'`{name}`' for name in DATASETS)}."
    presets = [f"- `{name}`: {describe_preset(values)}" for name, values in PRESETS.items()]
    parts = [
        "# Configuration reference",
        "<!-- Generated from fairmot/config by `python tests/helpers/generated_files.py`; do not edit. -->",
        wrap(INTRODUCTION),
        key_table("General", GENERAL),
    ]
    for name, keys in SECTIONS.items():
        parts.append(key_table(name, keys))
        if name == "DATA":
            parts += [key_table("DATA.SETS.NAME", DATASET), wrap(names)]
    return "\n\n".join([*parts, "## Tracker presets", wrap(PRESET_INTRODUCTION), "\n".join(map(wrap, presets))]) + "\n"


def describe_preset(values: dict[str, object]) -> str:
    return ", ".join(f"`{key} {value}`" for key, value in values.items()) or "nothing"


def key_table(title: str, keys: dict[str, Key]) -> str:
    """Return a section of the page."""
    lines = [row("Key", "Default", "Type", "Values", "Unit", "Description"), row(*["---"] * 6)]
    for name, key in keys.items():
        values = ", ".join(f"`{value}`" for value in key.choices) or key.values or limits_of(key)
        default = f"`{key.default}`" if key.default != "" else ""
        lines.append(row(f"`{name}`", default, f"`{key.type_name}`", values, key.unit, key.description))
    return "\n".join([f"## {title}", "", *lines])


def limits_of(key: Key) -> str:
    if key.minimum is not None and key.maximum is not None:
        return f"`{key.minimum} to {key.maximum}`"
    limits = {">": key.above, ">=": key.minimum, "<": key.below, "<=": key.maximum}
    return ", ".join(f"`{sign} {limit}`" for sign, limit in limits.items() if limit is not None)


def row(*cells: str) -> str:
    return f"| {' | '.join(cell for cell in cells)} |"


def wrap(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120, break_on_hyphens=False, break_long_words=False)


def generated_files() -> dict[Path, str]:
    """Return the content of each generated file."""
    helps = {ROOT / f"tests/snapshots/help_{job or 'fairmot'}.txt": help_of(job) for job in ("", *JOBS)}
    return {**helps, ROOT / "docs/configuration.md": configuration_page()}


if __name__ == "__main__":
    for path, text in generated_files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

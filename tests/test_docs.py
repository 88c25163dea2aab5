"""The documentation: code blocks, command lines, configuration keys, links, line lengths and tables."""

import argparse
import ast
import builtins
import json
import re
import shlex
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from helpers.locations import ROOT
from helpers.markdown import LINK, anchors, code_blocks, commands, figures, inline_code, prose, table_rows

from fairmot import cli
from fairmot.config.defaults import default_cfg
from fairmot.config.load import load_cfg

PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
OLD_NAMES = ("CHANGELOG.md",)  # pages that quote keys and options that no longer exist
SECTIONS = "|".join(name for name, value in default_cfg().items() if isinstance(value, dict))
KEY = re.compile(rf"(?<![\w./])(?:{SECTIONS})\.[A-Z_0-9]+(?![\w.<]*[<\w])")
REPOSITORY_PATH = re.compile(r"^(?:fairmot|tests|tools|configs|scripts|docs|examples)/[\w./-]+$")
EXTERNAL = ("np.", "sv.", "torch.", "found.", "print", "frame.copy")  # calls and attributes of other packages
EXTERNAL_METHODS = {"annotate", "items", "round", "tolist"}
FREE_NAMES = {"frame", "found", "np", "predictor", "tracker", "images_B3HW"}  # values that a block expects

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
current_pages = pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in OLD_NAMES], ids=lambda page: str(page.relative_to(ROOT))
)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pages
def test_lines_outside_tables_at_most_120_columns(page: Path) -> None:
    lines = [
        f"{number}: {len(line)} columns"
        for number, line in enumerate(read(page).splitlines(), 1)
        if len(line) > 120 and not line.lstrip().startswith("|") and "http" not in line
    ]
    assert not lines


@pages
def test_tables_at_most_8_columns_and_one_figure_per_cell(page: Path) -> None:
    rows = list(table_rows(read(page)))
    assert not [number for number, cells in rows if len(cells) > 8]
    assert not [(number, cell) for number, cells in rows for cell in cells if len(figures(cell)) > 1]


@pages
def test_links_and_images_resolve(page: Path) -> None:
    for target in LINK.findall(prose(read(page))):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(read(linked)), target


@current_pages
def test_paths_and_keys_in_inline_code_exist(page: Path) -> None:
    for span in inline_code(read(page)):
        path = span.partition("::")[0].rstrip("/")
        if REPOSITORY_PATH.match(path):
            assert (ROOT / path).exists(), span
        for key in KEY.findall(span):
            assert key_exists(key), key


def key_exists(key: str) -> bool:
    node = default_cfg()
    for name in key.split("."):
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True


@pages
def test_python_blocks_compile_and_import_what_exists(page: Path) -> None:
    for block in code_blocks(read(page)):
        if block.language != "python":
            continue
        tree = ast.parse(block.code, filename=f"{page.name}:{block.line}")
        assert not free_names(tree) - FREE_NAMES, f"line {block.line}"
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fairmot"):
                module = import_module(str(node.module))
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "fairmot":
                assert hasattr(import_module("fairmot"), node.attr), ast.unparse(node)


@pages
def test_python_blocks_use_attributes_and_arguments_of_the_package(page: Path) -> None:
    for block in code_blocks(read(page)):
        tree = ast.parse(block.code) if block.language == "python" else ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.Call | ast.Attribute) and ast.unparse(node).startswith(EXTERNAL):
                continue
            if isinstance(node, ast.Attribute):
                assert node.attr in package_names() | EXTERNAL_METHODS, ast.unparse(node)
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                assert keyword.arg is None or keyword.arg in package_names(), ast.unparse(node)


@cache
def package_names() -> frozenset[str]:
    """Return the names of functions, parameters and fields that the package defines."""
    names = set[str]()
    for path in (ROOT / "fairmot").rglob("*.py"):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.AnnAssign):
                names.add(getattr(node.target, "id", "") or getattr(node.target, "attr", ""))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return frozenset(names)


def free_names(tree: ast.Module) -> set[str]:
    """Return the names that a block reads and neither binds nor imports."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    bound |= {(name.asname or name.name).partition(".")[0] for node in imports for name in node.names}
    return {node.id for node in names} - bound - set(dir(builtins))


def test_tracker_blocks_without_files_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = [block for block in code_blocks(read(ROOT / "docs/tracking.md")) if "TrackerOptions" in block.code]
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block.code, f"tracking.md:{block.line}", "exec"), {})
    assert capsys.readouterr().out.startswith("1 [1 2] [[103.0, 53.0, 40.0, 100.0], [303.0, 63.0, 35.0, 90.0]]")


@pages
def test_yaml_and_json_blocks_parse(page: Path, tmp_path: Path) -> None:
    for block in code_blocks(read(page)):
        if block.language == "json":
            assert all(json.loads(line) for line in block.code.splitlines())
        if block.language == "yaml" and isinstance(yaml.safe_load(block.code), dict):
            path = tmp_path / "block.yaml"
            path.write_text(block.code, encoding="utf-8")
            load_cfg(path)


@pages
def test_commands_in_shell_blocks_parse(page: Path) -> None:
    for block in code_blocks(read(page)):
        for words in commands(block.code) if block.language == "bash" else ():
            check_command(words, complete=True)


@current_pages
def test_commands_in_inline_code_parse(page: Path) -> None:
    for span in inline_code(read(page)):
        if re.match(r"(OMP_NUM_THREADS=1 )?(fairmot|python tools/\S+|bash|torchrun) ", span):
            check_command(shlex.split(span), complete=False)


def check_command(words: Sequence[str], *, complete: bool) -> None:
    """Check a command line with the parser of its job; without `complete`, the names of its options only."""
    words = [word for word in words if word != "..." and not re.fullmatch(r"\w+=\d+", word)]
    if words[:1] == ["timeout"]:
        words = words[4:]
    if words[:1] == ["torchrun"]:
        words = ["python", *words[words.index("tools/train.py") :]] if "tools/train.py" in words else []
    if not words:
        return
    script = next((word for word in words[:2] if word.startswith(("tools/", "scripts/", "examples/"))), None)
    assert script is None or (ROOT / script).is_file(), script
    if words[0] == "python" and script and script.startswith("tools/experiments/"):
        check_script_options(ROOT / script, words[2:])
    elif words[0] == "python" and script and script.startswith("tools/"):
        check_job(Path(script).stem, words[2:], complete=complete)
    elif words[0] == "fairmot":
        assert words[1] in cli.JOBS or words[1] in ("JOB", "--version"), words
        if words[1] in cli.JOBS:
            check_job(words[1], words[2:], complete=complete)


def check_script_options(script: Path, words: Sequence[str]) -> None:
    text = read(script)
    missing = [word for word in words if word.startswith("--") and f'"{word}"' not in text]
    assert not missing, f"{script.name}: {missing}"


def check_job(job: str, words: Sequence[str], *, complete: bool) -> None:
    parser = job_parser(job)
    known = {option for action in parser._actions for option in action.option_strings}
    assert not [word for word in words if word.startswith("--") and word not in known], words
    if not complete:
        return
    arguments = parser.parse_intermixed_args([word for word in words if word not in ("KEY", "VALUE")])
    config = getattr(arguments, "config", None)
    shipped = config is not None and str(config).startswith("configs/")
    load_cfg(ROOT / config if shipped else None, getattr(arguments, "overrides", ()))


class Parser(argparse.ArgumentParser):
    """Parser that fails the test instead of ending the process."""

    def error(self, message: str) -> None:  # type: ignore[override]
        pytest.fail(f"{self.prog}: {message}")


def job_parser(job: str) -> argparse.ArgumentParser:
    module = import_module(f"fairmot.commands.{cli.MODULES.get(job, f'{job}.command')}")
    parser = Parser(prog=f"fairmot {job}")
    module.add_arguments(parser)
    return parser


def test_readme_at_most_120_lines() -> None:
    assert len(read(ROOT / "README.md").splitlines()) <= 120


def test_docs_and_configs_name_no_path_outside_the_repository() -> None:
    files = [*PAGES, *(ROOT / "configs").glob("*.yaml")]
    assert not [path.name for path in files if "../shared" in read(path)]


def test_architecture_page_lists_every_package() -> None:
    rows = [cells[0] for _, cells in table_rows(read(ROOT / "docs/architecture.md"))]
    listed = {cell.strip("`") for cell in rows if cell.startswith("`")}
    packages = {path.parent.name for path in (ROOT / "fairmot").glob("*/__init__.py")}
    assert listed == {"cli", *packages}

"""Rules of docs/architecture.md: imports, sizes, parameters, configuration."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.locations import ROOT

MODULES = sorted((ROOT / "fairmot").rglob("*.py"))
HEAVY = (
    "torch",
    "torchvision",
    "cv2",
    "scipy",
    "pandas",
    "matplotlib",
    "motmetrics",
    "trackeval",
    "tensorboard",
    "numpy",
)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions of a file except Triton kernels, which take many pointers and strides."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_kernel(node):
            yield node


def is_kernel(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator).startswith("triton.jit") for decorator in node.decorator_list)


def loaded_after(statement: str, names: tuple[str, ...]) -> set[str]:
    """Run `statement` in a fresh interpreter; return which of `names` it loaded."""
    code = f"{statement}\nimport sys\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_contracts_hold() -> None:
    """The layers and forbidden imports of pyproject.toml."""
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent)) or shutil.which("lint-imports")
    if command is None:
        pytest.fail("lint-imports is not installed; install the development tools: pip install -e '.[dev]'")
    done = subprocess.run([command, "--no-cache"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("package", ["tracking", "evaluation"])
def test_tracking_and_scoring_never_load_torch(package: str) -> None:
    modules = [name_of(path) for path in MODULES if path.parent.name == package and path.stem != "__init__"]
    assert modules
    statement = "\n".join(f"import {module}" for module in modules)
    assert loaded_after(statement, ("torch", "torchvision")) == set()


def test_import_of_the_command_line_is_cheap() -> None:
    assert loaded_after("import fairmot, fairmot.cli", HEAVY) == set()


def test_public_names_are_loaded_on_first_use() -> None:
    names = "from fairmot import Detections, Tracks, build_model, build_tracker, load_cfg, load_weights, __version__"
    assert loaded_after(names, ("torch", "fairmot.tracking.build")) == {"torch", "fairmot.tracking.build"}
    with pytest.raises(AssertionError, match="cannot import name 'nonsense'"):
        loaded_after("from fairmot import nonsense", ())


def test_modules_and_functions_are_small() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count >= 400} == {}
    sizes = {
        f"{name_of(path)}.{node.name}": node.end_lineno - node.lineno + 1
        for path in MODULES
        for node in functions(path)
        if node.end_lineno
    }
    assert {name: count for name, count in sizes.items() if count > 50} == {}


def test_functions_take_few_parameters() -> None:
    """At most eight besides self, and no positional boolean."""
    wide, flags = [], []
    for path in MODULES:
        for node in functions(path):
            named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if len([argument for argument in named if argument.arg not in ("self", "cls")]) > 8:
                wide.append(f"{name_of(path)}.{node.name}")
            constants = [value for value in node.args.defaults if isinstance(value, ast.Constant)]
            if any(isinstance(value.value, bool) for value in constants):
                flags.append(f"{name_of(path)}.{node.name}")
    assert wide == []
    assert flags == []


def test_init_files_are_empty() -> None:
    full = [name_of(path) for path in MODULES if path.name == "__init__.py" and path.read_text().strip()]
    assert full == ["fairmot.__init__"]


def test_tools_are_shims() -> None:
    tools = sorted((ROOT / "tools").glob("*.py"))
    assert {"train", "track", "eval", "convert", "synthesize"} <= {tool.stem for tool in tools}
    for tool in tools:
        assert len(tool.read_text(encoding="utf-8").splitlines()) <= 6, tool.name


def test_only_builders_and_commands_take_the_configuration() -> None:
    """No function outside commands/, config/ and the build.py files takes a `cfg` parameter."""
    for path in MODULES:
        if path.name == "build.py" or {"commands", "config"} & set(path.parts):
            continue
        takers = [
            node.name
            for node in functions(path)
            if any(argument.arg == "cfg" for argument in ast.walk(node.args) if isinstance(argument, ast.arg))
        ]
        assert not takers, f"{name_of(path)}: {takers}"

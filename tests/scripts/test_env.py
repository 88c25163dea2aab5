"""Environment set-up of scripts/_env.sh with fake Python and pip: one line per missing requirement, idempotent runs."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.locations import ROOT

TOOLS = ("bash", "cat", "cut", "sha256sum", "sed", "tail", "mkdir", "cp")
PYTHON = """#!/bin/bash
case "$*" in
    *version_info*) exit "${WRONG_VERSION:-0}" ;;
    *"import ensurepip"*) exit "${NO_VENV:-0}" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *"import cython_bbox"*) exit "${NO_BBOX:-1}" ;;
    *sysconfig*) echo "$INCLUDE" ;;
    "-m pip --version") exit "${NO_PIP:-0}" ;;
    "-m ensurepip") exit "${NO_PIP:-0}" ;;
    "-m pip "*install*) echo "$*" >>"$CALLS"; echo "ERROR: no matching distribution"; exit "${PIP_FAILS:-0}" ;;
    *"import cv2"*) [[ -z "${CV2:-}" ]] || { printf 'Traceback\\n%s\\n' "$CV2" >&2; exit 1; } ;;
    --version) echo "Python 3.12.1" ;;
esac
"""

Prepare = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A repository of three files, and a PATH with a few tools, a fake python3 and a fake gcc."""
    repo, path = tmp_path / "a repo", tmp_path / "bin"
    (repo / "scripts").mkdir(parents=True)
    path.mkdir()
    for name in ("scripts/_env.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, repo / name)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (path / tool).symlink_to(found)
    for name, text in (("python3", PYTHON), ("gcc", '#!/bin/bash\nexit "${GCC_FAILS:-0}"\n')):
        (path / name).write_text(text)
        (path / name).chmod(0o755)
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "Python.h").touch()
    return tmp_path


@pytest.fixture
def prepare(box: Path) -> Prepare:
    def run(extras: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(box / "bin"),
            "CALLS": str(box / "calls"),
            "INCLUDE": str(box / "include"),
            **variables,
        }
        script = f'source "{box}/a repo/scripts/_env.sh"; prepare_environment {extras}; echo ready'
        return subprocess.run(
            [str(box / "bin" / "bash"), "-c", script, "scripts/test.sh"],
            capture_output=True, text=True, env=environment, cwd="/", check=False,
        )  # fmt: skip

    return run


def installs(box: Path) -> list[str]:
    calls = box / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert "ready" not in done.stdout
    line = done.stderr.splitlines()[-1]
    assert line.startswith("test.sh: ")
    return line


def test_env_first_run_installs_and_second_run_does_nothing(box: Path, prepare: Prepare) -> None:
    first = prepare()
    assert first.returncode == 0, first.stderr
    assert "Making" in first.stdout
    assert installs(box) == ["-m pip --disable-pip-version-check --no-input install -c constraints.txt -e ."]
    second = prepare()
    assert (second.stdout, second.stderr) == ("ready\n", "")
    assert len(installs(box)) == 1


def test_env_dev_installation_satisfies_a_plain_run_only(box: Path, prepare: Prepare) -> None:
    prepare()
    prepare("dev")
    assert installs(box)[-1].endswith("-e .[dev]")
    prepare("dev")
    prepare()
    assert len(installs(box)) == 2


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_env_changed_requirements_are_installed_again(box: Path, prepare: Prepare, name: str) -> None:
    prepare("dev")
    with (box / "a repo" / name).open("a") as file:
        file.write("# changed\n")
    assert prepare("dev").returncode == 0
    assert len(installs(box)) == 2


def test_env_without_python_is_one_line(box: Path, prepare: Prepare) -> None:
    (box / "bin" / "python3").unlink()
    assert "apt-get install python3" in refusal(prepare())


def test_env_python_of_an_unsupported_version_is_refused(prepare: Prepare) -> None:
    assert "Python 3.11, 3.12 or 3.13 not found" in refusal(prepare(WRONG_VERSION="1"))
    assert "PYTHON=/no/such is not" in refusal(prepare(PYTHON="/no/such"))


def test_env_python_variable_selects_the_interpreter(box: Path, prepare: Prepare) -> None:
    (box / "bin" / "python3").rename(box / "mine")
    assert prepare(PYTHON=str(box / "mine")).returncode == 0


def test_env_without_venv_module_is_one_line(box: Path, prepare: Prepare) -> None:
    assert "apt-get install python3-venv" in refusal(prepare(NO_VENV="1"))
    assert not (box / "a repo" / ".venv").exists()


def test_env_without_compiler_is_refused_unless_built(box: Path, prepare: Prepare) -> None:
    (box / "bin" / "gcc").unlink()
    assert "no C compiler (gcc)" in refusal(prepare())
    assert "no C compiler (clang-99)" in refusal(prepare(CC="clang-99"))
    assert installs(box) == []
    assert prepare(NO_BBOX="0").returncode == 0


def test_env_without_python_headers_is_one_line(box: Path, prepare: Prepare) -> None:
    assert "apt-get install python3-dev" in refusal(prepare(INCLUDE="/nowhere"))
    assert "C library headers: apt-get install build-essential" in refusal(prepare(GCC_FAILS="1"))
    assert installs(box) == []


def test_env_failed_pip_prints_its_log_and_is_retried(box: Path, prepare: Prepare) -> None:
    done = prepare(PIP_FAILS="1")
    assert "pip failed" in refusal(done)
    assert "no matching distribution" in done.stderr
    assert prepare().returncode == 0
    assert len(installs(box)) == 2


def test_env_opencv_without_library_names_the_package(prepare: Prepare) -> None:
    error = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    assert refusal(prepare(CV2=error)).endswith("OpenCV needs libGL.so.1: apt-get install libgl1 libglib2.0-0")
    assert refusal(prepare(CV2="ImportError: odd")).endswith("OpenCV does not load: ImportError: odd")
    assert prepare().returncode == 0


def test_env_broken_venv_is_named_and_kept(box: Path, prepare: Prepare) -> None:
    prepare()
    environment = box / "a repo" / ".venv"
    (environment / ".installed-plain").unlink()
    assert "holds Python 3.12.1" in refusal(prepare(WRONG_VERSION="1"))
    assert "no pip: apt-get install python3-venv" in refusal(prepare(NO_PIP="1"))
    (environment / "bin" / "python").unlink()
    assert "does not run" in refusal(prepare())
    assert environment.is_dir()

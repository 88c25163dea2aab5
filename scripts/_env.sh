# shellcheck shell=bash
# Sourced by the other scripts. `prepare_environment [EXTRAS]` creates or reuses .venv in the repository and installs
# FairMOT into it if something changed. A missing system package is reported in one line.
# Sets FAIRMOT_ROOT (the repository), VENV and VENV_PYTHON; works from any folder. PYTHON selects the interpreter.
set -euo pipefail

FAIRMOT_ROOT="$(cd -- "${BASH_SOURCE[0]%/*}/.." && pwd -P)"
VENV="$FAIRMOT_ROOT/.venv"
VENV_PYTHON="$VENV/bin/python"

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

prepare_environment() {
    local extras="${1:-}" key
    key="$(environment_key)"
    if is_installed "$key" "$extras"; then
        return
    fi
    if [[ -e "$VENV" ]]; then
        check_venv
        check_compiler "$VENV_PYTHON"
    else
        local python
        python="$(choose_python)" || exit 1
        check_compiler "$python"
        make_venv "$python"
    fi
    install_fairmot "$extras"
    check_opencv
    printf '%s\n' "$key" >"$(stamp_file "$extras")"
}

# Hash of what an installation depends on: declared packages, pinned versions, path of the editable package.
environment_key() {
    { printf '%s\n' "$FAIRMOT_ROOT" && cat "$FAIRMOT_ROOT/pyproject.toml" "$FAIRMOT_ROOT/constraints.txt"; } |
        sha256sum | cut -d ' ' -f 1
}

stamp_file() {
    printf '%s\n' "$VENV/.installed-${1:-plain}"
}

# An installation with the development tools includes the plain one.
is_installed() {
    local key="$1" extras="$2" name
    [[ -x "$VENV_PYTHON" ]] || return 1
    for name in "$extras" dev; do
        if [[ "$(cat "$(stamp_file "$name")" 2>/dev/null)" == "$key" ]]; then
            return 0
        fi
    done
    return 1
}

python_fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

choose_python() {
    local candidate
    if [[ -n "${PYTHON:-}" ]]; then
        python_fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13"
        printf '%s\n' "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        if python_fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 not found: apt-get install python3 python3-venv python3-dev, or set PYTHON to one"
}

check_venv() {
    if [[ ! -x "$VENV_PYTHON" ]] || ! "$VENV_PYTHON" -c '' >/dev/null 2>&1; then
        fail "$VENV does not run (half made, or its Python is gone): remove it and start again"
    fi
    python_fits "$VENV_PYTHON" ||
        fail "$VENV holds $("$VENV_PYTHON" --version), where 3.11 to 3.13 is needed: remove it and start again"
    if ! "$VENV_PYTHON" -m pip --version >/dev/null 2>&1; then
        "$VENV_PYTHON" -m ensurepip >/dev/null 2>&1 || fail "$VENV has no pip: apt-get install python3-venv"
    fi
}

make_venv() {
    local python="$1"
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        fail "$python cannot make virtual environments: apt-get install python3-venv"
    printf 'Making %s with %s\n' "$VENV" "$("$python" --version)"
    "$python" -m venv "$VENV" || fail "$python could not make $VENV"
}

# cython-bbox is built from source; nothing to check once it is installed.
check_compiler() {
    local python="$1" compiler="${CC:-gcc}" include
    if "$python" -c 'import cython_bbox' >/dev/null 2>&1; then
        return
    fi
    command -v "$compiler" >/dev/null 2>&1 ||
        fail "no C compiler ($compiler), which cython-bbox is built with: apt-get install build-essential"
    include="$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')"
    [[ -f "$include/Python.h" ]] ||
        fail "no Python.h, which cython-bbox is built with: apt-get install python3-dev"
    "$compiler" -I "$include" -E - >/dev/null 2>&1 <<<'#include <Python.h>' ||
        fail "$compiler finds no C library headers: apt-get install build-essential"
}

install_fairmot() {
    local target="." log="$VENV/install.log" pip=("$VENV_PYTHON" -m pip --disable-pip-version-check --no-input)
    [[ -z "$1" ]] || target=".[$1]"
    printf 'Installing FairMOT into %s (a first time takes minutes; log: %s)\n' "$VENV" "$log"
    if ! (cd -- "$FAIRMOT_ROOT" && "${pip[@]}" install -c constraints.txt -e "$target") >"$log" 2>&1; then
        tail -n 15 -- "$log" >&2
        fail "pip failed; the lines above end its log, $log"
    fi
}

check_opencv() {
    local error library
    if error="$("$VENV_PYTHON" -c 'import cv2' 2>&1)"; then
        return
    fi
    library="$(sed -n 's/^ImportError: \(lib[^:]*\): cannot open shared object.*/\1/p' <<<"$error")"
    [[ -z "$library" ]] || fail "OpenCV needs $library: apt-get install libgl1 libglib2.0-0"
    fail "OpenCV does not load: ${error##*$'\n'}"
}

#!/usr/bin/env bash
# Check that the versions pinned in constraints.txt have wheels for each supported Python, except cython-bbox, which is
# built from source. Reads the metadata of the package index; installs nothing.
# Usage: bash scripts/check_wheels.sh [3.11 3.12 3.13]
set -euo pipefail

# shellcheck source=scripts/_env.sh
source "${BASH_SOURCE[0]%/*}/_env.sh"

has_wheels() {
    local version="$1"
    shift
    "$python" -m pip install --quiet --disable-pip-version-check --dry-run --ignore-installed --no-deps \
        --only-binary=:all: --python-version "$version" --target "$scratch/target" "$@" >"$scratch/log" 2>&1
}

check_version() {
    local version="$1" pin missing=()
    if has_wheels "$version" -r "$scratch/pins"; then
        printf 'Python %s: all %d pinned versions have wheels\n' "$version" "$(wc -l <"$scratch/pins")"
        return
    fi
    while read -r pin; do
        has_wheels "$version" "$pin" || missing+=("$pin")
    done <"$scratch/pins"
    ((${#missing[@]})) || fail "pip failed for Python $version: $(tail -n 1 "$scratch/log")"
    fail "Python $version has no wheels for: ${missing[*]}"
}

python="$VENV_PYTHON"
[[ -x "$python" ]] || python="$(choose_python)" || exit 1
"$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip: apt-get install python3-pip"
scratch="$(mktemp -d)"
trap 'rm -rf -- "$scratch"' EXIT
grep '^[^#].*==' "$FAIRMOT_ROOT/constraints.txt" | grep -v '^cython-bbox==' >"$scratch/pins"
[[ $# -gt 0 ]] || set -- 3.11 3.12 3.13
for version in "$@"; do
    check_version "$version"
done

#!/usr/bin/env bash
# From a fresh machine to a green suite: format, lint, types, import contracts, tests with branch coverage.
#   bash scripts/test.sh [pytest options]
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/_env.sh"
prepare_environment dev
cd -- "$FAIRMOT_ROOT"
bin="$VENV/bin"
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/lint-imports" --no-cache
cores="$(nproc)" # as many processes, four at most; a file's tests stay together, since they share what they set up
"$VENV_PYTHON" -m pytest -n "$((cores < 4 ? cores : 4))" --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=90 "$@"

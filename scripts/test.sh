#!/usr/bin/env bash
# Installs FairMOT with the development tools, then runs lint, format, types, import contracts and tests with coverage.
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
cores="$(nproc)" # at most four processes; the tests of a file share fixtures and stay together
"$VENV_PYTHON" -m pytest -n "$((cores < 4 ? cores : 4))" --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=90 "$@"

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
"$VENV_PYTHON" -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=90 "$@"

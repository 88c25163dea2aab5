"""Paths of the repository, of the committed arrays of the reference implementation, and of the data beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "parity" / "fixtures"
SHARED = ROOT.parent / "shared"

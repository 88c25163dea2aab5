"""Same as `fairmot convert`."""

from fairmot.cli import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool("convert"))

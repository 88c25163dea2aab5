"""Same as `fairmot tune`."""

from fairmot.cli import run_tool

if __name__ == "__main__":
    raise SystemExit(run_tool("tune"))

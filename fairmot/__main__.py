"""`python -m fairmot`: the same as `fairmot`."""

from fairmot.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

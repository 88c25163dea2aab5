"""`tools/tune.py` killed among its trials, and gone on with."""

import csv
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from helpers.locations import ROOT
from helpers.tune_worlds import write_world

from fairmot.cli import main

TOOL = ROOT / "tools" / "tune.py"
FINISHED = "SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'"


def count_finished(study: Path) -> int:
    if not study.exists():
        return 0
    with closing(sqlite3.connect(f"file:{study}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute(FINISHED).fetchone()[0])
        except sqlite3.OperationalError:  # its tables are being made
            return 0


@pytest.mark.e2e
def test_a_killed_run_is_gone_on_with(tmp_path):
    world, output = tmp_path / "world", tmp_path / "out"
    write_world(world, frames=20)
    options = ["--caches", f"{world}/caches", "--gt", f"{world}/gt", "--output", f"{output}", "--keys", "BUFFER"]
    run = subprocess.Popen([sys.executable, str(TOOL), *options, "--trials", "5000"], stderr=subprocess.PIPE, text=True)
    try:
        while count_finished(output / "study.db") < 3 and run.poll() is None:
            time.sleep(0.05)
    finally:
        run.kill()
    _, errors = run.communicate()
    kept = count_finished(output / "study.db")
    assert kept >= 3, errors
    assert not (output / "best.yaml").exists()
    assert main(["tune", *options, "--resume", "--trials", str(kept + 4), "--processes", "1"]) == 0
    with (output / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(kept + 4))
    assert rows[0]["TRACKER.BUFFER"] == "30"
    assert max(float(row["HOTA"]) for row in rows) >= float(rows[0]["HOTA"])

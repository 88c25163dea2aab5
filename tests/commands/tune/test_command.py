import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.locations import ROOT
from helpers.tune_worlds import write_world

from fairmot.cli import main
from fairmot.config.load import load_cfg
from fairmot.formats.images import read_image

FIGURES = ("tuning_history.png", "tuning_importances.png", "tuning_slices.png")
FILES = ("best.yaml", "study.log", "trials.csv", *FIGURES)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tune") / "world"
    write_world(folder, ("A", "B", "C"), frames=20)
    return folder


def call(world, output, *more, trials=5, processes=1):
    places = ["--caches", str(world / "caches"), "--gt", str(world / "gt"), "--output", str(output)]
    return main(["tune", *places, "--trials", str(trials), "--processes", str(processes), *more])


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    output = tmp_path_factory.mktemp("done") / "out"
    assert call(world, output, "TRACKER.PRESET", "byte", "TRACKER.BUFFER", "20", "--holdout", "B") == 0
    return output


def read_rows(output):
    with (output / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_tune_writes_configuration_trials_and_figures(done):
    assert sorted(path.name for path in done.iterdir()) == sorted(FILES)
    rows = read_rows(done)
    assert [int(row["trial"]) for row in rows] == list(range(5))
    assert {"HOTA", "IDF1", "MOTA", "IDSW", "seconds", "TRACKER.SECOND_THRESHOLD"} <= rows[0].keys()
    assert (rows[0]["TRACKER.BUFFER"], rows[0]["TRACKER.CONF_THRESHOLD"]) == ("20", "0.4")
    assert all(read_image(done / name).std() > 10 for name in FIGURES)


def test_best_yaml_is_a_tracker_section_not_worse_than_the_start(done):
    rows = read_rows(done)
    best = max(rows, key=lambda row: float(row["HOTA"]))
    assert float(best["HOTA"]) >= float(rows[0]["HOTA"])
    plain, cfg = load_cfg(None, ["TRACKER.PRESET", "byte"]), load_cfg(done / "best.yaml")
    assert (cfg.TRACKER.PRESET, cfg.TRACKER.SECOND_ASSOCIATION) == ("byte", True)
    for name, value in cfg.TRACKER.items():
        column = f"TRACKER.{name}"
        if column in best:
            assert best[column] == str(value)
        else:
            assert value == plain.TRACKER[name]
    assert {name: keys for name, keys in cfg.items() if name != "TRACKER"} == {
        name: keys for name, keys in plain.items() if name != "TRACKER"
    }


def test_best_yaml_states_its_origin(done):
    text = (done / "best.yaml").read_text()
    assert "the best by HOTA" in text
    assert "tuned:" in text
    assert "; A, C\n" in text
    assert "; B\n" in text
    if load_cfg(done / "best.yaml").TRACKER.BUFFER != 20:
        assert "# was 20" in text


def test_tune_resumed_with_two_processes_equals_one_run(world, tmp_path, capsys):
    keys = ("--keys", "CONF_THRESHOLD", "BUFFER", "--metric", "IDF1")
    assert call(world, tmp_path / "once", *keys, processes=2, trials=3) == 0
    shown = capsys.readouterr().out
    assert "held out, best" in shown
    assert "wrote" in shown
    assert call(world, tmp_path / "twice", *keys, processes=2, trials=2) == 0
    assert call(world, tmp_path / "twice", *keys, "--resume", processes=2, trials=3) == 0
    once, twice = (
        [{name: value for name, value in row.items() if name != "seconds"} for row in read_rows(tmp_path / name)]
        for name in ("once", "twice")
    )
    assert once == twice
    best, again = ((tmp_path / name / "best.yaml").read_text() for name in ("once", "twice"))
    assert best == again


def test_tune_of_one_trial_returns_the_start(world, tmp_path, capsys):
    assert call(world, tmp_path / "out", "--keys", "BUFFER", "--holdout", "0", trials=1) == 0
    shown = capsys.readouterr()
    assert "no trial is better" in shown.out
    assert "held out" not in shown.out
    assert "warning: nothing is held out" in shown.err
    assert load_cfg(tmp_path / "out" / "best.yaml") == load_cfg()


WRONG = {
    "--keys: unknown TRACKER.SPEED": ("--keys", "TRACKER.SPEED"),
    "(overrides KEY VALUE go before --keys)": ("--keys", "BUFFER", "TRACKER.PRESET", "byte"),
    "no effect unless TRACKER.SECOND_ASSOCIATION is on": ("--keys", "SECOND_THRESHOLD"),
    "--holdout: Z is not a sequence": ("--holdout", "Z"),
    "--trials 0": ("--trials", "0"),
    "--processes -1": ("--processes", "-1"),
    "no such study": ("--resume",),
    "invalid choice: 'F1'": ("--metric", "F1"),
    "unknown key TRACKER.SPEED": ("TRACKER.SPEED", "1"),
}


@pytest.mark.parametrize("message", WRONG)
def test_tune_with_wrong_options_writes_nothing(world, tmp_path, capsys, message):
    assert call(world, tmp_path / "out", *WRONG[message]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert message in shown.err
    assert not (tmp_path / "out").exists()


def test_tune_existing_study_is_not_overwritten(world, done, tmp_path, capsys):
    shutil.copytree(done, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert call(world, tmp_path / "out") == 2
    assert "exists: continue it with --resume" in capsys.readouterr().err
    assert call(world, tmp_path / "out", "--resume", "--metric", "MOTA") == 2
    assert "was started with other" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def count_finished(study: Path) -> int:
    """Return the number of completed trials in a journal file (state 1 of operation 6, SET_TRIAL_STATE_VALUES)."""
    if not study.exists():
        return 0
    lines = [line for line in study.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return sum(log["op_code"] == 6 and log["state"] == 1 for log in map(json.loads, lines))


@pytest.mark.e2e
def test_tune_killed_run_is_resumed(tmp_path):
    world, output = tmp_path / "world", tmp_path / "out"
    write_world(world, frames=20)
    options = ["--caches", f"{world}/caches", "--gt", f"{world}/gt", "--output", f"{output}", "--keys", "BUFFER"]
    run = subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "tune.py"), *options, "--trials", "5000"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while count_finished(output / "study.log") < 3 and run.poll() is None:
            time.sleep(0.05)
    finally:
        run.kill()
    _, errors = run.communicate()
    kept = count_finished(output / "study.log")
    assert kept >= 3, errors
    assert not (output / "best.yaml").exists()
    assert main(["tune", *options, "--resume", "--trials", str(kept + 4), "--processes", "1"]) == 0
    with (output / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(kept + 4))
    assert rows[0]["TRACKER.BUFFER"] == "30"
    assert max(float(row["HOTA"]) for row in rows) >= float(rows[0]["HOTA"])

import csv
import shutil

import pytest
from helpers.tune_worlds import write_world

from fairmot.cli import main
from fairmot.config.load import load_cfg
from fairmot.formats.images import read_image

FILES = ("best.yaml", "study.db", "trials.csv", "tuning.png")


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


def rows_of(output):
    with (output / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_it_writes(done):
    assert sorted(path.name for path in done.iterdir()) == sorted(FILES)
    rows = rows_of(done)
    assert [int(row["trial"]) for row in rows] == list(range(5))
    assert {"HOTA", "IDF1", "MOTA", "IDSW", "seconds", "TRACKER.SECOND_THRESHOLD"} <= rows[0].keys()
    assert (rows[0]["TRACKER.BUFFER"], rows[0]["TRACKER.CONF_THRESHOLD"]) == ("20", "0.4")
    assert read_image(done / "tuning.png").std() > 10


def test_the_best_is_a_configuration_of_the_tracker_alone_and_not_worse_than_the_start(done):
    rows = rows_of(done)
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


def test_the_best_tells_where_it_comes_from(done):
    text = (done / "best.yaml").read_text()
    assert "the best by HOTA" in text
    assert "tuned:" in text
    assert "; A, C\n" in text
    assert "; B\n" in text
    if load_cfg(done / "best.yaml").TRACKER.BUFFER != 20:
        assert "# was 20" in text


def test_two_processes_and_a_resume_give_the_same_as_one_run(world, tmp_path, capsys):
    keys = ("--keys", "CONF_THRESHOLD", "BUFFER", "--metric", "IDF1")
    assert call(world, tmp_path / "once", *keys, processes=2, trials=3) == 0
    shown = capsys.readouterr().out
    assert "held out, best" in shown
    assert "wrote" in shown
    assert call(world, tmp_path / "twice", *keys, processes=2, trials=2) == 0
    assert call(world, tmp_path / "twice", *keys, "--resume", processes=2, trials=3) == 0
    once, twice = (
        [{name: value for name, value in row.items() if name != "seconds"} for row in rows_of(tmp_path / name)]
        for name in ("once", "twice")
    )
    assert once == twice
    best, again = ((tmp_path / name / "best.yaml").read_text() for name in ("once", "twice"))
    assert best == again


def test_the_only_trial_is_the_start(world, tmp_path, capsys):
    assert call(world, tmp_path / "out", "--keys", "BUFFER", "--holdout", "0", trials=1) == 0
    shown = capsys.readouterr()
    assert "no trial is better" in shown.out
    assert "held out" not in shown.out
    assert "warning: nothing is held out" in shown.err
    assert load_cfg(tmp_path / "out" / "best.yaml") == load_cfg()


WRONG = {
    "--keys: unknown TRACKER.SPEED": ("--keys", "TRACKER.SPEED"),
    "(overrides KEY VALUE stand before --keys)": ("--keys", "BUFFER", "TRACKER.PRESET", "byte"),
    "no effect unless TRACKER.SECOND_ASSOCIATION is on": ("--keys", "SECOND_THRESHOLD"),
    "--holdout: Z is no sequence": ("--holdout", "Z"),
    "--trials 0": ("--trials", "0"),
    "--processes -1": ("--processes", "-1"),
    "no such study": ("--resume",),
    "invalid choice: 'F1'": ("--metric", "F1"),
    "unknown key TRACKER.SPEED": ("TRACKER.SPEED", "1"),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_use_is_one_line_and_writes_nothing(world, tmp_path, capsys, message):
    assert call(world, tmp_path / "out", *WRONG[message]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert message in shown.err
    assert not (tmp_path / "out").exists()


def test_a_study_that_is_there_is_not_written_over(world, done, tmp_path, capsys):
    shutil.copytree(done, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert call(world, tmp_path / "out") == 2
    assert "exists: go on with --resume" in capsys.readouterr().err
    assert call(world, tmp_path / "out", "--resume", "--metric", "MOTA") == 2
    assert "was begun with other" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before

"""The fairness table's pure parts, and its running of commands, with a stand-in for `fairmot`."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import fairness_scores as scoring
import fairness_table as bench
import numpy as np
import pytest
from fairness_rows import all_rows, choose_rows
from torch.utils.tensorboard import SummaryWriter

from fairmot.commands import synthesize
from fairmot.commands.evaluate import command as evaluate
from fairmot.commands.train import command as train
from fairmot.config.load import load_cfg
from fairmot.utils.errors import InputError

STAND_IN = """
import json, os, sys, time
from pathlib import Path

calls, mode, command, *argv = sys.argv[1:]
output = Path(argv[argv.index("--output") + 1])
with open(calls, "a") as file:
    file.write(json.dumps([command, *argv]) + "\\n")
output.mkdir(parents=True, exist_ok=True)
if mode == "sleep":
    (output / "pid").write_text(str(os.getpid()))
    time.sleep(60)
if mode and mode in output.name:
    print("first line")
    sys.exit("LOSS.BALANCE: it broke")
assert os.environ["OMP_NUM_THREADS"] == "1"
if command == "train":
    (output / "last.pt").touch()
    (output / "run.log").write_text("12:00 epoch 4/4\\n12:00 finished after 960 steps -> here\\n")
if command == "eval":
    seed = int(output.parent.name[-1])
    scores = dict.fromkeys(["HOTA", "MOTA", "IDF1"], 0.5 + seed / 100)
    (output / "metrics.json").write_text(json.dumps({"COMBINED": {**scores, "IDSW": 10 * seed}}))
    (output / "reid.json").write_text(json.dumps({"TPR@FAR=0.1": None if "partial" in str(output) else 0.9}))
"""


class Fake:
    """Stands in for `fairmot`; `calls` are the arguments of each call so far."""

    def __init__(self, tmp_path: Path) -> None:
        self.file, self.log, self.work = tmp_path / "fake.py", tmp_path / "calls", tmp_path / "runs"
        self.file.write_text(STAND_IN)

    def main(self, *argv: str, mode: str = "") -> int:
        program = (sys.executable, str(self.file), str(self.log), mode)
        return bench.main(["--work", str(self.work), "--jobs", "4", *argv], program=program)

    def calls(self) -> list[list[str]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path)


def folders(calls, command):
    return sorted(Path(call[call.index("--output") + 1]).name for call in calls if call[0] == command)


def test_rows_are_different_and_their_overrides_are_keys():
    rows = all_rows()
    assert len({row.key for row in rows}) == len({row.label for row in rows}) == len(rows) == 18
    assert {row.base for row in rows} <= {row.key for row in rows}
    cfgs = {row.key: load_cfg(bench.CONFIG, [*bench.SHORT, *row.overrides]) for row in rows}
    assert cfgs["dim64"] == load_cfg(bench.CONFIG, list(bench.SHORT))
    assert all(cfgs[key] != cfgs["dim64"] for key in cfgs if key != "dim64")
    assert (cfgs["identity-triplet"].LOSS.IDENTITY, cfgs["identity-triplet"].DATA.IMAGES_PER_SEQUENCE) == ("triplet", 2)
    assert cfgs["nested-16"].MODEL.REID_NESTED == (64, 32, 16)


def test_commands_are_those_of_the_tools(tmp_path):
    suite = bench.make_suite("synthetic", tmp_path / "runs", None)
    (row,) = choose_rows(suite.rows, ["nested-16"])
    parsers = [argparse.ArgumentParser() for _ in range(3)]
    for parser, tool in zip(parsers, (train, evaluate, synthesize), strict=True):
        tool.add_arguments(parser)
    learn = parsers[0].parse_intermixed_args(bench.training(suite, row, tmp_path / "runs", 3)[1:])
    cfg = load_cfg(learn.config, learn.overrides)
    assert (learn.output, learn.resume, cfg.SEED) == (tmp_path / "runs" / "nested-seed3", False, 3)
    assert Path(cfg.DATA.ROOT) == tmp_path / "data" / "train"
    score = parsers[1].parse_intermixed_args(bench.scoring(suite, row, tmp_path / "runs", 3)[1:])
    cfg = load_cfg(score.config, score.overrides)
    assert score.weights == learn.output / "last.pt"
    assert score.output == learn.output / "score-16"
    assert (cfg.PREDICT.REID_PREFIX, cfg.MODEL.REID_NESTED, cfg.EVAL.REID) == (16, (64, 32, 16), True)
    worlds = [parsers[2].parse_args(job.commands[0][1:]) for job in bench.make_data_jobs(suite)]
    assert [(world.sequences, world.frames, world.seed) for world in worlds] == [(48, 20, 1), (4, 150, 3001)]


def test_everything_is_made_once_and_the_rest_is_gone_on_with(fake, capsys):
    assert fake.main() == 0
    calls = fake.calls()
    assert [call[0] for call in calls[:2]] == ["synthesize"] * 2
    assert sorted(path.name for path in (fake.work.parent / "data").iterdir()) == ["heldout", "train"]
    trained = folders(calls, "train")
    assert len(trained) == len(set(trained)) == 4 * 3 + 3 + 4 + 4 + 1
    assert len([call for call in calls if call[0] == "eval"]) == len(trained) + 2
    assert not any("--resume" in call for call in calls)
    text = (fake.work / "table.md").read_text()
    assert capsys.readouterr().out.endswith(text)
    assert "| dimension 64 | 1, 2, 3 | 52.0 ± 1.0 | 52.0 ± 1.0 | 52.0 ± 1.0 | 20.0 ± 10.0 | 90.0 ± 0.0 |" in text
    assert "| identity partial_fc | 1 | 51.0 | 51.0 | 51.0 | 10 | - |" in text
    assert "Missing" not in text

    assert fake.main() == 0
    assert fake.calls() == []

    (fake.work / "nested-seed1" / "score-32" / "reid.json").unlink()  # not scored to its end
    (fake.work / "dim32-seed2" / "score" / "metrics.json").unlink()  # nor trained
    (fake.work / "dim32-seed2" / "run.log").write_text("12:00 interrupted after 8 steps -> here; go on with --resume\n")
    (fake.work / "dim16-seed3" / "score" / "metrics.json").unlink()
    (fake.work / "dim16-seed3" / "last.pt").unlink()
    assert fake.main() == 0
    calls = fake.calls()
    assert folders(calls, "train") == ["dim16-seed3", "dim32-seed2"]
    assert ["dim32-seed2" in " ".join(call) for call in calls if "--resume" in call] == [True]
    assert folders(calls, "eval") == ["score", "score", "score-32"]


def test_chosen_rows_are_made_and_all_that_exist_are_shown(fake, capsys):
    assert fake.main("--rows", "dim64", "identity-*") == 0
    fake.calls()
    assert fake.main("--rows", "nested-32") == 0
    assert folders(fake.calls(), "train") == ["nested-seed1"]
    text = (fake.work / "table.md").read_text()
    assert all(label in text for label in ("| dimension 64 |", "| identity circle |", "| nested, first 32 |"))
    assert "Missing: balance-pcgrad-seed1/score\n" in text
    assert "| nested, first 32 | dimension 32 |" not in text  # which has no scores yet
    capsys.readouterr()
    assert fake.main("--rows", "dim65") == 2
    assert capsys.readouterr().err.startswith("fairness_table: --rows: no row 'dim65'; choose from dim128, ")
    assert fake.main("--jobs", "0") == 2


def test_a_row_that_fails_is_named_and_the_others_go_on(fake, capsys):
    assert fake.main("--rows", "balance-*", mode="balance-pcgrad-seed1") == 1
    out = capsys.readouterr().out
    assert "failed: balance-pcgrad-seed1: train ended with code 1: LOSS.BALANCE: it broke" in out
    assert "| balance mgda_ub | 1 | 51.0 |" in out
    assert "Missing: balance-pcgrad-seed1/score\n" in out
    assert fake.main("--rows", "balance-*") == 0


def test_data_that_cannot_be_rendered_stop_the_rest(fake, capsys):
    assert fake.main(mode=".heldout") == 1
    assert {call[0] for call in fake.calls()} == {"synthesize"}
    assert not (fake.work.parent / "data" / "heldout").exists()
    assert "failed: data-heldout: synthesize ended" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_children_and_starts_no_other(fake, capsys, number):
    for name in ("train", "heldout"):
        (fake.work.parent / "data" / name).mkdir(parents=True)
    before = signal.getsignal(number)

    def send() -> None:
        deadline = time.monotonic() + 30
        while len(list(fake.work.glob("*/pid"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    started = time.monotonic()
    assert fake.main("--rows", "balance-*", "--jobs", "2", mode="sleep") == 128 + number
    thread.join()
    assert time.monotonic() - started < 30
    pids = [int(path.read_text()) for path in fake.work.glob("*/pid")]
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert f"ended by {number.name}" in capsys.readouterr().err
    assert signal.getsignal(number) is before
    assert not (fake.work / "table.md").exists()


def test_adopted_runs_are_scored_and_not_trained(fake):
    folder = fake.work / "dim64-seed1"
    folder.mkdir(parents=True)
    (folder / "last.pt").touch()
    (folder / "run.log").write_text("1 finished after 960 steps -> elsewhere/last.pt\n\n")
    (fake.work.parent / "place" / "train").mkdir(parents=True)
    (fake.work.parent / "place" / "heldout").mkdir()
    assert fake.main("--rows", "dim64", "--data", str(fake.work.parent / "place")) == 0
    calls = fake.calls()
    assert folders(calls, "train") == ["dim64-seed2", "dim64-seed3"]
    assert len(folders(calls, "eval")) == 3
    assert str(fake.work.parent / "place" / "heldout") in calls[-1]


def test_paired_differences_and_their_intervals():
    base = {seed: np.array([value]) for seed, value in ((1, 10.0), (2, 20.0), (3, 33.0))}
    own = {seed: base[seed] + step for seed, step in ((1, 1.0), (2, 2.0), (3, 3.0))}
    difference, margin = scoring.compare(own, base, (np.array([5.0]), 4))
    assert difference.tolist() == [2.0]
    assert margin[0] == pytest.approx(4.3026527 * 1 / np.sqrt(3))  # t at 97.5 % with 2 degrees of freedom
    single, wide = scoring.compare({2: np.array([26.0])}, base, (np.array([5.0]), 4))
    assert single.tolist() == [5.0]  # 26 to the mean of all three
    assert wide[0] == pytest.approx(2.7764451 * np.sqrt(1 + 1 / 3) * 5)
    _, unknown = scoring.compare({2: np.array([26.0])}, base, scoring.pooled_spread([]))
    assert np.isnan(unknown).all()


def test_what_is_beyond_its_interval_is_bold(tmp_path):
    def write(folder: str, hota: float) -> None:
        (tmp_path / folder).mkdir(parents=True)
        scores = {"HOTA": hota, "MOTA": 0.5, "IDF1": 0.5, "IDSW": 7}
        (tmp_path / folder / "metrics.json").write_text(json.dumps({"COMBINED": scores}))
        (tmp_path / folder / "reid.json").write_text(json.dumps({"TPR@FAR=0.1": 0.8}))

    for seed, hota in enumerate((0.50, 0.51, 0.52), 1):
        write(f"dim64-seed{seed}/score", hota)
        write(f"dim16-seed{seed}/score", hota - 0.05 + 0.001 * seed)
    write("balance-fixed-seed1/score", 0.40)
    write("balance-pcgrad-seed1/score", 0.51)
    lines = scoring.format_table(all_rows(), tmp_path).splitlines()
    assert (
        "| dimension 16 | dimension 64 | **-4.8 ± 0.2** | +0.0 ± 0.0 | +0.0 ± 0.0 | +0.0 ± 0.0 | +0.0 ± 0.0 |" in lines
    )
    (fixed,) = (line for line in lines if line.startswith("| balance fixed | dimension 64"))
    (pcgrad,) = (line for line in lines if line.startswith("| balance pcgrad | dimension 64"))
    # the seeds spread by 1.0 and 1.1, together 1.05 with 4 degrees of freedom
    assert fixed.startswith("| balance fixed | dimension 64 | **-11.0 ± 3.4** |")
    assert pcgrad.startswith("| balance pcgrad | dimension 64 | +0.0 ± 3.4 |")
    assert any(
        line.startswith("Rows of one seed, against the mean of the base's S: 2.78 x sqrt(1 + 1 / S) x")
        for line in lines
    )


def test_the_real_suite_takes_the_first_sequence_and_one_seed(tmp_path):
    for name in ("train/A", "val/S2", "val/S1"):
        (tmp_path / name).mkdir(parents=True)
    suite = bench.make_suite("real", tmp_path / "runs", tmp_path)
    assert suite.truth == tmp_path / "val" / "S1"
    assert {row.seeds for row in suite.rows} == {(1,)}
    assert "SOLVER.MAX_STEPS" in bench.training(suite, suite.rows[0], tmp_path / "runs", 1)
    for data in (None, tmp_path / "train"):
        with pytest.raises(InputError, match=r"^--data: "):
            bench.make_suite("real", tmp_path, data)


def test_the_real_table_tells_how_losses_went(tmp_path):
    (row,) = choose_rows(all_rows(), ["balance-fixed"])
    folder, scores = row.folder(tmp_path, 1), row.scores(tmp_path, 1)
    for first in (1, 21):  # a run and its resume
        with SummaryWriter(str(folder / "tensorboard")) as writer:
            for step in range(first, first + 20):
                writer.add_scalar("loss/heatmap", 5.0 - step / 10, step)
                writer.add_scalar("loss/identity", 7.0, step)
    (scores / "results").mkdir(parents=True)
    (scores / "results" / "S.txt").write_text("1,1,0,0,9,9,1,-1,-1,-1\n" * 3)
    (scores / "metrics.json").write_text(json.dumps({"COMBINED": dict.fromkeys(scoring.METRICS, 0)}))
    (scores / "reid.json").write_text(json.dumps({"TPR@FAR=0.1": 0.25}))
    lines = scoring.format_real_table([row], tmp_path).splitlines()
    assert lines[2] == "| balance fixed | 4.450 -> 1.450 | 7.000 -> 7.000 | 3 | 25.0 |"

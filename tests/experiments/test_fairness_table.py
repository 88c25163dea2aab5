import json
import sys

import fairness_table as script
from fairness_rows import all_rows

from fairmot.config.load import load_cfg

STAND_IN = """
import json, os, sys
from pathlib import Path

calls, command, *argv = sys.argv[1:]
output = Path(argv[argv.index("--output") + 1])
with open(calls, "a") as file:
    file.write(json.dumps([command, *argv]) + "\\n")
output.mkdir(parents=True, exist_ok=True)
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


def test_fairness_table_runs_the_chosen_rows_once(tmp_path, capsys):
    fake, log, work = tmp_path / "fake.py", tmp_path / "calls", tmp_path / "runs"
    fake.write_text(STAND_IN)
    argv, program = (
        ["--work", str(work), "--jobs", "2", "--rows", "dim64", "identity-*"],
        (sys.executable, str(fake), str(log)),
    )
    assert script.main(argv, program=program) == 0
    calls = [json.loads(line)[0] for line in log.read_text().splitlines()]
    assert [calls.count(name) for name in ("synthesize", "train", "eval")] == [2, 7, 7]
    table = (work / "table.md").read_text()
    assert capsys.readouterr().out.endswith(table)
    assert "| dimension 64 | 1, 2, 3 | 52.0 ± 1.0 |" in table
    log.unlink()
    assert script.main(argv, program=program) == 0
    assert not log.exists()


def test_all_rows_differ_and_are_valid_configurations():
    rows = all_rows()
    cfgs = [load_cfg(script.CONFIG, [*script.SHORT, *row.overrides]) for row in rows]
    assert len({row.key for row in rows}) == len(rows) == 18
    assert [
        row.key for row, cfg in zip(rows, cfgs, strict=True) if cfg == load_cfg(script.CONFIG, list(script.SHORT))
    ] == ["dim64"]

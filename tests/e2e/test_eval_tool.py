"""`fairmot eval` end to end."""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.locations import ROOT

from fairmot.cli import main
from fairmot.commands.track.interrupt import Interrupted
from fairmot.commands.track.options import Outputs, TrackOptions

pytestmark = pytest.mark.e2e
SEQINFO = "[Sequence]\nname={name}\nseqLength=4\nframeRate=30\nimWidth=100\nimHeight=100\n"


@pytest.fixture
def root(tmp_path):
    """Two sequences of one person for 4 frames, found in all of STREET and in half of SQUARE."""
    for name, found in (("STREET", 4), ("SQUARE", 2)):
        (tmp_path / "gt" / name / "gt").mkdir(parents=True)
        (tmp_path / "gt" / name / "seqinfo.ini").write_text(SEQINFO.format(name=name))
        gt = [f"{frame},1,10,10,20,40,1,1,1\n" for frame in range(1, 5)]
        (tmp_path / "gt" / name / "gt" / "gt.txt").write_text("".join(gt))
        (tmp_path / "results").mkdir(exist_ok=True)
        lines = [f"{frame},3,10,10,20,40,0.9,-1,-1,-1\n" for frame in range(1, found + 1)]
        (tmp_path / "results" / f"{name}.txt").write_text("".join(lines))
    return tmp_path


def options(root, *more):
    return ["--results", f"{root}/results", "--gt", f"{root}/gt", "--output", f"{root}/out", *more]


def refuse(capsys, root, *more, without=()):
    """Run, expect exit code 2 and nothing written; return the one line on stderr."""
    given = options(root, *more)
    for name in without:
        at = given.index(name)
        del given[at : at + 2]
    assert main(["eval", *given]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert not (root / "out").exists()
    return captured.err.strip()


def test_scores_a_folder_of_results(capsys, root):
    (root / "results" / "OTHER.txt").touch()
    assert main(["eval", *options(root, "EVAL.PROTOCOL", "mot17")]) == 0
    captured = capsys.readouterr()
    metrics = json.loads((root / "out" / "metrics.json").read_text())
    assert list(metrics) == ["COMBINED", "SQUARE", "STREET"]
    assert metrics["COMBINED"]["MOTA"] == 0.75
    assert metrics["COMBINED"]["CLR_FN"] == 2
    lines = captured.out.splitlines()
    assert lines[0] == "protocol mot17 (EVAL.PROTOCOL), scores by trackeval"
    assert [line.split()[0] for line in lines[1:5]] == ["sequence", "SQUARE", "STREET", "COMBINED"]
    assert lines[5] == f"wrote {root}/out/metrics.json, {root}/out/events"
    assert captured.err == f"fairmot eval: {root}/results: no ground truth for OTHER.txt; not scored\n"
    events = (root / "out" / "events" / "SQUARE.csv").read_text().splitlines()
    assert events[1:] == ["1,MATCH,1,3,1.000000", "2,MATCH,1,3,1.000000", "3,MISS,1,,", "4,MISS,1,,"]


def test_motmetrics_without_events(capsys, root):
    assert main(["eval", *options(root, "EVAL.EVENTS", "False", "EVAL.BACKEND", "motmetrics")]) == 0
    assert sorted(path.name for path in (root / "out").iterdir()) == ["metrics.json"]
    assert json.loads((root / "out" / "metrics.json").read_text())["COMBINED"]["MOTA"] == 0.75
    first, _, row, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("protocol mot17 (the ground truth has no box of class 6")
    assert first.endswith("scores by motmetrics")
    assert row.split()[:5] == ["SQUARE", "-", "-", "-", "50.0"]


def test_configuration_file_sets_the_protocol(capsys, root):
    (root / "eval.yaml").write_text("EVAL:\n  PROTOCOL: mot20\n")
    assert main(["eval", "--config", f"{root}/eval.yaml", *options(root)]) == 0
    assert capsys.readouterr().out.startswith("protocol mot20")


def test_eval_of_results_does_not_import_torch(root):
    code = f"""
import sys
from fairmot.cli import run_tool
assert run_tool("eval", {options(root)!r}) == 0
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True)


def test_tools_script_runs_eval(root):
    shim = [sys.executable, str(ROOT / "tools" / "eval.py"), *options(root)]
    done = subprocess.run(shim, cwd=root, check=True, capture_output=True, text=True)
    assert "COMBINED" in done.stdout
    assert done.stderr == ""


def test_invalid_input_gives_one_line(capsys, root):
    (root / "results" / "STREET.txt").write_text("1,3,10,10,20,40,0.9\n2,3,10,ten,20,40,0.9\n")
    assert "STREET.txt:2: not a row of numbers" in refuse(capsys, root)
    (root / "results" / "STREET.txt").write_text("1,3,10,10,20,40,0.9\n1,3,10,11,20,40,0.9\n")
    assert "STREET.txt:2: identity 3 is in frame 1 twice" in refuse(capsys, root)
    (root / "results" / "STREET.txt").write_text("5,3,10,10,20,40,0.9\n")
    assert "STREET.txt:1: frame 5 is beyond the sequence's 4 frames" in refuse(capsys, root)
    (root / "results" / "STREET.txt").unlink()
    assert "STREET.txt: no such result file" in refuse(capsys, root)


def test_invalid_classes_are_named_by_line(capsys, root):
    (root / "results" / "STREET.txt").write_text("1,3,10,10,20,40,0.9,2\n")
    assert "STREET.txt:1: class 2 in column 8: only people are scored" in refuse(capsys, root)
    (root / "gt" / "STREET" / "gt" / "gt.txt").write_text("1,1,10,10,20,40,1,1,1\n2,1,10,10,20,40,1,0,1\n")
    assert "gt.txt:2: class 0 is not one of MOTChallenge's, 1 to 13" in refuse(capsys, root)


def test_invalid_arguments_give_one_line(capsys, root):
    assert "either --results" in refuse(capsys, root, "--weights", "w.pt")
    assert "either --results" in refuse(capsys, root, without=["--results"])
    assert "needs --config" in refuse(capsys, root, "--weights", "w.pt", without=["--results"])
    assert "EVAL.PROTOCOL: unknown 'mot18'" in refuse(capsys, root, "EVAL.PROTOCOL", "mot18")
    assert "come in pairs" in refuse(capsys, root, "EVAL.PROTOCOL")
    assert "nowhere: no such folder" in refuse(capsys, root, "--gt", f"{root}/nowhere")
    assert "--video: only with --weights" in refuse(capsys, root, "--video")
    assert "--no-pipeline: only with --weights" in refuse(capsys, root, "--no-pipeline", "EVAL.PROTOCOL", "mot17")
    assert main(["eval", *options(root, "--output", f"{root}/results/SQUARE.txt")]) == 2
    assert "is a file; expected a folder" in capsys.readouterr().err


@pytest.fixture
def fake_tracker(monkeypatch, root):
    """Replacement of the network: copies the existing results."""
    calls = []

    def track(cfg, *, weights, source, output, options):
        calls.append(argparse.Namespace(weights=weights, source=source, output=output, options=options))
        output.mkdir(parents=True)
        written = [output / path.name for path in sorted((root / "results").glob("*.txt"))]
        for path in written:
            path.write_text((root / "results" / path.name).read_text())
        return written

    monkeypatch.setitem(sys.modules, "fairmot.commands.track.command", SimpleNamespace(track=track))
    return calls


def with_weights(root):
    (root / "model.yaml").write_text("MODEL:\n  WIDTH: 0.5\n")
    return ["eval", "--config", f"{root}/model.yaml", "--weights", "w.pt", "--gt", f"{root}/gt"]


def test_weights_are_tracked_and_scored(capsys, root, fake_tracker):
    assert main([*with_weights(root), "--output", f"{root}/out"]) == 0
    call = {"weights": Path("w.pt"), "source": root / "gt", "output": root / "out" / "results"}
    assert fake_tracker == [argparse.Namespace(**call, options=TrackOptions())]
    assert json.loads((root / "out" / "metrics.json").read_text())["COMBINED"]["MOTA"] == 0.75


def test_output_options_reach_the_tracking(root, fake_tracker):
    public = ["--public-detections", "det", "--public-mode", "replace"]
    more = ["--video", "--json", "--event-log", "--save-cache", *public, "--no-pipeline"]
    assert main([*with_weights(root), "--output", f"{root}/out", *more, "EVAL.EVENTS", "False"]) == 0
    outputs = Outputs(video=True, json=True, event_log=True, cache=True)
    expected = TrackOptions(outputs=outputs, public_detections="det", public_mode="replace", pipelined=False)
    assert [call.options for call in fake_tracker] == [expected]


def test_signal_during_tracking_sets_the_exit_code(monkeypatch, capsys, root):
    def track(*_, **__):
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setitem(sys.modules, "fairmot.commands.track.command", SimpleNamespace(track=track))
    assert main([*with_weights(root), "--output", f"{root}/out"]) == 143
    assert capsys.readouterr().err == "fairmot eval: interrupted\n"


def test_json_lines_to_stdout_are_refused(capsys, root, fake_tracker):
    assert main([*with_weights(root), "--output", f"{root}/out", "--json", "-"]) == 2
    assert "--json -: the table is written to standard output" in capsys.readouterr().err
    assert fake_tracker == []


def test_invalid_ground_truth_is_found_before_tracking(capsys, root, fake_tracker):
    (root / "gt" / "STREET" / "gt" / "gt.txt").write_text("1,1,10,10,20,40,1,99,1\n")
    assert main([*with_weights(root), "--output", f"{root}/out"]) == 2
    assert "gt.txt:1: class 99" in capsys.readouterr().err
    assert fake_tracker == []

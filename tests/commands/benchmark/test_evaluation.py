"""Row of the scoring benchmark: equal scores of ours and TrackEval, from synthetic and given files."""

import json
from pathlib import Path

import pytest

from fairmot.cli import main
from fairmot.commands.benchmark import evaluation


@pytest.mark.parametrize("given", [False, True], ids=["synthetic", "given files"])
def test_eval_row_has_seconds_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    monkeypatch.setattr(evaluation, "FRAMES", 12)
    path, ground_truth, results = (tmp_path / name for name in ("eval.json", "gt", "results"))
    files = []
    if given:
        evaluation.write_synthetic(ground_truth, results, seed=3)
        files = ["--gt", str(ground_truth), "--results", str(results)]
    assert main(["benchmark", "eval", "--device", "cpu", "--repeats", "1", "--json", str(path), *files]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    assert (row["name"], row["unit"], row["frames"]) == ("mot17, 2 sequences", "s", 24)
    assert row["ratio"] == pytest.approx(row["reference"] / row["ours"])


def test_check_equal_names_the_score_that_differs() -> None:
    scores = dict.fromkeys(evaluation.SCORES, 0.5)
    with pytest.raises(AssertionError, match=r"IDF1: ours 0\.5, TrackEval 0\.6"):
        evaluation.check_equal(scores, {**scores, "IDF1": 0.6})


def test_synthetic_results_have_errors_of_every_kind(tmp_path: Path) -> None:
    evaluation.write_synthetic(tmp_path / "gt", tmp_path / "results", seed=1)
    scores = evaluation.score_ours(tmp_path / "gt", tmp_path / "results")
    assert 0.3 < scores["HOTA"] < 0.9
    assert scores["IDSW"] > 0

"""Synthetic edge cases against TrackEval's scores."""

import json

import pytest

from fairmot.evaluation.evaluator import Evaluator
from fairmot.evaluation.sequences import add_results, read_ground_truth

pytestmark = pytest.mark.dataset
SETS = ("ordinary", "holes", "distractors", "unscored", "empty", "perfect", "noisy")


@pytest.fixture(scope="module")
def expected(eval_data):
    return json.loads((eval_data / "edge" / "expected.json").read_text())


def evaluate(eval_data, results, backend="trackeval"):
    read = add_results(read_ground_truth(eval_data / "edge" / "gt"), eval_data / "edge" / "results" / results)
    return Evaluator(backend=backend).evaluate(read.sequences)


@pytest.mark.parametrize("results", SETS)
def test_scores_equal_trackeval(eval_data, expected, results):
    report = evaluate(eval_data, results)
    assert report.protocol == "mot17"
    assert "class 6" in report.reason
    assert report.to_dict().keys() == expected[results].keys()
    for name, scores in report.to_dict().items():
        assert scores.keys() == expected[results][name].keys()
        for key, value in scores.items():
            assert value == pytest.approx(expected[results][name][key], abs=1e-9), (name, key)


@pytest.mark.parametrize("results", SETS)
def test_identity_counts_of_motmetrics_equal_trackeval(eval_data, expected, results):
    scores = evaluate(eval_data, results, "motmetrics").combined
    for key in ("IDTP", "IDFP", "IDFN", "IDF1", "IDP", "IDR"):
        assert scores[key] == pytest.approx(expected[results]["COMBINED"][key], abs=1e-9), key


def test_clear_counts_of_motmetrics_differ_at_gaps(eval_data, expected):
    """As in docs/evaluation.md: noisy results, 214 switches by motmetrics and 252 by TrackEval."""
    scores, official = evaluate(eval_data, "noisy", "motmetrics").combined, expected["noisy"]["COMBINED"]
    assert (scores["IDSW"], official["IDSW"]) == (214, 252)
    assert (scores["CLR_TP"], official["CLR_TP"]) == (2119, 2122)
    assert (scores["CLR_FP"], official["CLR_FP"]) == (2231, 2228)
    assert (scores["Frag"], official["Frag"]) == (655, 656)
    assert "HOTA" not in scores


def test_mostly_tracked_includes_80_percent_in_motmetrics_only(eval_data, expected):
    scores, official = evaluate(eval_data, "ordinary", "motmetrics").combined, expected["ordinary"]["COMBINED"]
    assert (scores["MT"], official["MT"]) == (38, 36)
    for key in ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "MOTA", "MOTP"):
        assert scores[key] == pytest.approx(official[key], abs=1e-9), key


@pytest.mark.parametrize("folder", ["mot17-mini", "mot17-half/val", "mot17-half/train"])
def test_auto_detects_mot17_of_real_sequences(eval_data, folder):
    sequence_set = read_ground_truth(eval_data.parent / folder)
    report = Evaluator().evaluate(sequence_set.sequences)
    assert (report.protocol, report.combined["MOTA"]) == ("mot17", 0.0)
    cut = (
        [f"{s.info.name}: scored over {s.info.length} of the" for s in sequence_set.sequences]
        if folder == "mot17-mini"
        else []
    )
    assert [note.startswith(start) for note, start in zip(sequence_set.notes, cut, strict=True)] == [True] * len(cut)

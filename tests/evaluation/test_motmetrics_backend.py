import numpy as np
import pytest

from fairmot.evaluation.evaluator import Evaluator
from fairmot.evaluation.motmetrics_backend import format_events


def test_events_of_a_worked_example(sequence):
    """A match, a miss next to a false positive, a switch."""
    gt = [(f, 7, 0, 0, 10, 20, 1, 1) for f in (1, 2, 3)]
    results = [(1, 4, 0, 0, 10, 20), (2, 4, 50, 0, 10, 20), (3, 5, 0, 0, 10, 16)]
    report = Evaluator(events=True).evaluate([sequence(gt, results, length=3)])
    events = report.events["A"]
    assert format_events(events) == (
        "frame,event,truth_id,result_id,iou\n1,MATCH,7,4,1.000000\n2,MISS,7,,\n2,FP,,4,\n3,SWITCH,7,5,0.800000\n"
    )
    assert len(events) == 4
    assert np.isnan(events.ious).tolist() == [False, True, True, False]


def test_events_sum_to_the_counts(random_sequence):
    scene = random_sequence(11, frames=40, people=9)
    report = Evaluator(backend="motmetrics", events=True).evaluate([scene])
    events, scores = report.events["A"], report.combined
    assert events.count("SWITCH") == scores["IDSW"]
    assert events.count("MATCH") + events.count("SWITCH") == scores["CLR_TP"] > 0
    assert events.count("FP") == scores["CLR_FP"] > 0
    assert events.count("MISS") == scores["CLR_FN"] > 0
    assert (np.diff(events.frames) >= 0).all()


def test_events_are_off_by_default(random_sequence):
    assert Evaluator().evaluate([random_sequence(1)]).events == {}


@pytest.mark.parametrize("seed", range(5))
def test_identity_counts_equal_trackevals(random_sequence, seed):
    scenes = [random_sequence(seed, name="A"), random_sequence(seed + 50, name="B")]
    ours, official = (Evaluator(backend=backend).evaluate(scenes) for backend in ("motmetrics", "trackeval"))
    for name, scores in ours.to_dict().items():
        for key in ("IDTP", "IDFP", "IDFN", "IDF1", "IDP", "IDR"):
            assert scores[key] == pytest.approx(official.to_dict()[name][key], abs=1e-9), (name, key)


def test_match_is_kept_across_a_gap_in_motmetrics_only(sequence):
    """Track 1 is missing in frame 2 and returns next to a new track with a tighter box.

    TrackEval prefers matches of the previous frame only: the tighter box wins, a switch. motmetrics prefers the last
    match of any age: track 1 continues.
    """
    gt = [(f, 7, 0, 0, 10, 20, 1, 1) for f in (1, 2, 3)]
    results = [(1, 1, 0, 0, 10, 20), (2, 3, 500, 0, 10, 20), (3, 1, 0, 0, 10, 15), (3, 2, 0, 0, 10, 19)]
    scene = sequence(gt, results, length=3)
    switches = [Evaluator(backend=b).evaluate([scene]).combined["IDSW"] for b in ("trackeval", "motmetrics")]
    assert switches == [1, 0]


def test_motp_is_an_iou_weighted_by_matches(sequence):
    gt = [(1, 7, 0, 0, 10, 10, 1, 1)]
    scenes = [
        sequence(gt, [(1, 1, 0, 0, 10, 8)], name="A", length=1),
        sequence(gt, [], name="B", length=1),
        sequence([], [(1, 1, 0, 0, 9, 9)], name="C", length=1),
        sequence([], [], name="D", length=1),
    ]
    report = Evaluator(backend="motmetrics").evaluate(scenes)
    assert [scores["MOTP"] for scores in report.to_dict().values()] == pytest.approx([0.8, 0.8, 0, 0, 0])
    assert report.combined["MOTA"] == pytest.approx(1 - 2 / 2)
    assert [report.sequences[name]["MOTA"] for name in "ABCD"] == [1, 0, 0, 0]

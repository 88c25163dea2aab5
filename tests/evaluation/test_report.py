import numpy as np
import pytest

from fairmot.evaluation.evaluator import Evaluator
from fairmot.evaluation.report import format_table
from fairmot.structures.report import EvalReport, EventTable


def test_table_is_aligned_with_combined_last(sequence):
    gt = [(1, 1, 0, 0, 10, 10, 1, 1)]
    scenes = [sequence(gt, [(1, 5, 0, 0, 10, 10)], name="A"), sequence(gt, [], name="LONGER")]
    assert format_table(Evaluator().evaluate(scenes)).splitlines() == [
        "sequence   HOTA   DetA   AssA   MOTA   IDF1  IDSW  Frag  FP  FN  MT  PT  ML",
        "A         100.0  100.0  100.0  100.0  100.0     0     0   0   0   1   0   0",
        "LONGER      0.0    0.0    0.0    0.0    0.0     0     0   0   1   0   0   1",
        "COMBINED   70.7   50.0  100.0   50.0   66.7     0     0   0   1   1   0   1",
    ]


def test_missing_values_are_dashes():
    report = EvalReport({"MOTA": -0.5, "IDSW": 3}, {}, protocol="mot17", reason="")
    assert format_table(report).splitlines()[1].split()[:5] == ["COMBINED", "-", "-", "-", "-50.0"]


def test_event_columns_of_two_lengths_are_refused():
    column = np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match="ious"):
        EventTable(column, np.array(["FP", "FP"]), column, column, np.zeros(3))

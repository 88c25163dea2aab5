"""Files of public detections: normalized scores, and errors with line numbers."""

import numpy as np
import pytest
from helpers.locations import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairmot.formats.public_detections import normalize_scores, read_public_detections
from fairmot.utils.errors import InputError

MINI = SHARED / "data" / "mot17-mini"
any_scores = hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats(-1e6, 1e6))


@pytest.fixture
def det(tmp_path):
    def write(text):
        (tmp_path / "det.txt").write_text(text, encoding="utf-8")
        return tmp_path / "det.txt"

    return write


@settings(max_examples=40)
@given(any_scores)
def test_normalized_scores_are_in_0_1_and_keep_their_order(raw):
    scores, rule = normalize_scores(raw)
    assert rule
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores[np.argsort(raw, kind="stable")]) >= 0).all()


@settings(max_examples=40)
@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_scores_in_0_1_are_unchanged(raw):
    np.testing.assert_array_equal(normalize_scores(raw)[0], raw)


@pytest.mark.parametrize(
    ("raw", "expected", "rule"),
    [
        ([-1, -1], [1, 1], "missing, set to 1"),
        ([0, 50, 200], [0, 0.25, 1], "divided by the largest, 200"),
        ([-np.log(3), 0, np.log(3)], [0.25, 0.5, 0.75], "mapped by the logistic function"),
        ([-1, 0.5], [1 / (1 + np.e), 1 / (1 + np.exp(-0.5))], "mapped by the logistic function"),
    ],
)
def test_each_scale_has_its_rule(raw, expected, rule):
    scores, applied = normalize_scores(np.array(raw, dtype=np.float64))
    np.testing.assert_allclose(scores, expected)
    assert applied == rule


def test_optional_columns_have_defaults(det):
    six, _ = read_public_detections(det("1,-1,10,20,30,40\n2,-1,11,21,31,41\n"))
    assert (six.confidences.tolist(), six.classes.tolist()) == ([1, 1], [-1, -1])
    seven, _ = read_public_detections(det("2,-1,10,20,30,40,0.5\n1,-1,1,2,0,4,0.25\n"))
    assert seven.frames.tolist() == [2, 1]
    assert seven.confidences.tolist() == [0.5, 0.25]
    ten, _ = read_public_detections(det("1,-1,10,20,30,40,80,3,-1,-1\n1,-1,10,20,30,40,40,-1,-1,-1\n"))
    assert (ten.confidences.tolist(), ten.classes.tolist()) == ([1, 0.5], [3, -1])


def test_empty_file_has_no_boxes(det):
    assert len(read_public_detections(det(""))[0]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,-1,10,20,30\n", "det.txt:1: 5 columns, expected at least 6"),
        ("1,-1,10,20,30,40,1\n\n1,-1,10,20,30,-4,1\n", "det.txt:3: a box of negative width or height"),
        ("1,-1,10,20,-0.5,40,1\n", "det.txt:1: a box of negative width or height"),
        ("1,-1,10,20,30,40,1,1\n1,-1,10,20,30,40,1,0\n", "det.txt:2: a class below 1"),
        ("1,-1,10,20,30,40,nan\n", "det.txt:1: a value is not finite"),
        ("0,-1,10,20,30,40,1\n", "det.txt:1: frame 0 is not a whole number from 1 up"),
        ("frame,id,left,top,width,height,score\n", "det.txt:1: not a row of numbers"),
    ],
)
def test_invalid_row_is_named_by_file_and_line(det, text, message):
    with pytest.raises(InputError, match=message):
        read_public_detections(det(text))


@pytest.mark.dataset
def test_files_of_mot17_are_read():
    if not MINI.is_dir():
        pytest.skip(f"{MINI} is absent: the frames and detections of MOT17")
    files = sorted(MINI.glob("*/det/det.txt"))
    assert len(files) == 7
    for path in files:
        found, rule = read_public_detections(path)
        raw = np.loadtxt(path, delimiter=",")
        assert rule == "unchanged"
        np.testing.assert_array_equal(found.boxes_tlwh, raw[:, 2:6])
        np.testing.assert_array_equal(found.confidences, raw[:, 6])

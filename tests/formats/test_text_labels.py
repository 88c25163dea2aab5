from pathlib import Path

import numpy as np
import pytest
from helpers.label_writers import write_label_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairmot.formats.text_labels import parse_jde, parse_yolo, read_text_file
from fairmot.utils.errors import InputError

FRACTIONS = st.floats(-2, 3, width=32)
JDE_ROWS = st.lists(
    st.tuples(st.integers(0, 90), st.integers(-1, 2**40), FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS), max_size=4
)


def test_parse_jde_row():
    labels = parse_jde([b"0 7 0.5 0.25 0.2 0.1\n"], ["a.txt"])
    assert (labels.classes.tolist(), labels.ids.tolist(), labels.lines.tolist()) == ([0], [7], [1])
    np.testing.assert_allclose(labels.boxes_tlwh, [[0.4, 0.2, 0.2, 0.1]], rtol=1e-6)
    assert labels.boxes_tlwh.dtype == np.float32


@pytest.mark.parametrize("parse", [parse_jde, parse_yolo])
def test_parse_no_files_and_empty_files(parse):
    assert len(parse([], []).ids) == 0
    labels = parse([b"", b" \r\n\n"], ["a", "b"])
    assert labels.counts.tolist() == [0, 0]
    assert labels.boxes_tlwh.shape == (0, 4)


def test_lines_count_blank_lines_of_each_file():
    row = b"0 1 .5 .5 .1 .1"
    labels = parse_jde([row + b"\n" + row, b"", b"\r\n" + row + b"\r\n\r\n" + row], ["a", "b", "c"])
    assert labels.counts.tolist() == [2, 0, 2]
    assert labels.lines.tolist() == [1, 2, 2, 4]


@given(st.lists(JDE_ROWS, max_size=5), st.sampled_from(["\n", "\r\n", "\r", "\n\n", " \n\t"]))
def test_parse_jde_vectorized_and_rowwise_agree(files, ending):
    texts = ["".join(" ".join(map(repr, row)) + ending for row in rows) for rows in files]
    labels = parse_jde([text.encode() for text in texts], [""] * len(files))
    plain = parse_jde([text.replace(ending, "\n").encode() for text in texts], [""] * len(files))
    rows = [row for file in files for row in file]
    assert labels.counts.tolist() == [len(file) for file in files]
    assert labels.classes.tolist() == [row[0] for row in rows]
    assert labels.ids.tolist() == [row[1] for row in rows]
    np.testing.assert_array_equal(labels.boxes_tlwh, plain.boxes_tlwh)


WRONG = [
    (b"0 1 .5 .5 .1", "5 columns"),
    (b"0 1 .5 .5 .1 .1 .1", "7 columns"),
    (b"0 1 .5 .5 .1 x", "not a row of numbers"),
    (b"0 1_0 .5 .5 .1 .1", "not a row of numbers"),
    (b"0 1 .5 nan .1 .1", "not finite"),
    (b"0 1 .5 inf .1 .1", "not finite"),
    (b"0 1 .5 .5 .1 1e300", "not finite"),
    (b"-1 1 .5 .5 .1 .1", "class -1"),
    (b"0.5 1 .5 .5 .1 .1", "class 0.5"),
    (b"0 1.5 .5 .5 .1 .1", "identity 1.5"),
    (b"0 -2 .5 .5 .1 .1", "identity -2"),
    (b"0 1e17 .5 .5 .1 .1", "identity 1e[+]17"),
    (b"\xff\xd8\xff\xe0", "not a row of numbers"),
    (b"0 1 .5 .5 .1 .1 inf 0 1 .5 .5 .1 .1", "not finite"),  # where a line's end would stand
    (b"0 1 .5 .5 .1\n1 0 1 .5 .5 .1 .1", "5 columns"),  # as many numbers as two rows have
]


@pytest.mark.parametrize(("row", "message"), WRONG)
def test_invalid_line_names_file_and_line(row, message):
    good = b"0 1 .5 .5 .1 .1\n"
    with pytest.raises(InputError, match=f"^b.txt:3: .*{message}"):
        parse_jde([good, good + b"\n" + row + b"\n" + good], ["a.txt", "b.txt"])


@pytest.mark.parametrize(
    ("row", "identity", "box_tlwh"),
    [
        (b"2 .5 .5 .2 .4", -1, (0.4, 0.3, 0.2, 0.4)),
        (b"2 .5 .5 .2 .4 9", 9, (0.4, 0.3, 0.2, 0.4)),
        (b"2 .5 .5 .2 .4 -1", -1, (0.4, 0.3, 0.2, 0.4)),
        (b"2 .1 .9 .3 .5 .2 .6", -1, (0.1, 0.5, 0.2, 0.4)),
        (b"2 .1 .2 .3 .2 .3 .8 .1 .8", -1, (0.1, 0.2, 0.2, 0.6)),
    ],
)
def test_yolo_rows(row, identity, box_tlwh):
    labels = parse_yolo([b"2 .1 .1 .1 .1\n" + row], ["a"])
    assert (labels.classes.tolist(), labels.ids[1]) == ([2, 2], identity)
    np.testing.assert_allclose(labels.boxes_tlwh[1], box_tlwh, rtol=1e-5)


@pytest.mark.parametrize("row", [b"0 .5 .5 .1 .1 .87", b"0 .5 .5 .1", b"0 .5 .5 .1 .1 1 1 1", b"-1 .5 .5 .1 .1"])
def test_wrong_yolo_rows(row):
    with pytest.raises(InputError, match=r"^a.txt:1: "):
        parse_yolo([row], ["a.txt"])


def test_parse_yolo_ignores_keypoints():
    labels = parse_yolo([b"0 .5 .5 .2 .4 " + b"0.1 " * 34 + b"\n0 .5 .5 .2 .4"], ["a"], keypoint_values=34)
    np.testing.assert_allclose(labels.boxes_tlwh, [[0.4, 0.3, 0.2, 0.4]] * 2, rtol=1e-5)
    with pytest.raises(InputError, match=r"a:1: 6 columns, expected 5 \+ 34"):
        parse_yolo([b"0 .5 .5 .2 .4 1"], ["a"], keypoint_values=34)


def test_reading_a_file(tmp_path: Path):
    large = b"0 1 .5 .5 .1 .1\n" * 100_000
    (tmp_path / "large.txt").write_bytes(b"\xef\xbb\xbf" + large)
    assert read_text_file(str(tmp_path / "large.txt")) == large
    assert parse_jde([large], ["a"]).counts.tolist() == [100_000]
    (tmp_path / "empty.txt").write_bytes(b"")
    assert read_text_file(str(tmp_path / "empty.txt")) == b""
    assert read_text_file(str(tmp_path / "none.txt")) is None
    assert read_text_file(str(tmp_path / "large.txt" / "none.txt")) is None
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(InputError, match=r"folder.txt: Is a directory"):
        read_text_file(str(tmp_path / "folder.txt"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(JDE_ROWS, st.booleans())
def test_text_labels_round_trip(tmp_path, rows, has_ids):
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    boxes_tlwh = table[:, 2:].astype(np.float32).astype(np.float64)
    classes, ids = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    path = tmp_path / "a.txt"
    write_label_text(path, boxes_tlwh, classes, ids=ids if has_ids else None)
    parse = parse_jde if has_ids else parse_yolo
    labels = parse([read_text_file(str(path)) or b""], ["a"])
    np.testing.assert_allclose(labels.boxes_tlwh, boxes_tlwh, atol=1e-6)
    assert labels.classes.tolist() == classes.tolist()
    assert labels.ids.tolist() == (ids if has_ids else np.full(len(ids), -1)).tolist()

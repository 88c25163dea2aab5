import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairmot.formats.crowdhuman import MASK, PERSON, FileRange, OdgtRow, make_record, read_odgt, split_lines, write_odgt
from fairmot.utils.errors import InputError


def person(fbox, **more):
    return {"tag": "person", "fbox": fbox, "vbox": [1, 2, 3, 4], "hbox": [5, 6, 7, 8], "head_attr": {}, **more}


def record(name, *rows):
    return {"ID": name, "gtboxes": list(rows)}


def read_all(path, **options):
    (part,) = split_lines(path)
    return read_odgt(path, part, **options)


def test_read_odgt_leaves_out_masks_and_ignored_rows(tmp_path):
    path = tmp_path / "a.odgt"
    rows = [
        person([0, 1, 2, 3]),
        person([4, 5, 6, 7], extra={"ignore": 1}),
        person([8, 9, 10, 11], tag="mask"),
        person([12, 13, 14, 15], extra={"ignore": 0, "occ": 1}),
        person([16, 17, 18, 19], head_attr={"ignore": 1}),
    ]
    write_odgt(path, [record("x,1", *rows), record("none")])
    labels = read_all(path)
    assert labels.images == ("x,1", "none")
    assert labels.counts.tolist() == [3, 0]
    assert labels.boxes_tlwh[:, 0].tolist() == [0, 12, 16]
    assert (labels.left_out, labels.lines.tolist()) == (2, [1, 1, 1])
    assert read_all(path, box="visible").boxes_tlwh.tolist() == [[1, 2, 3, 4]] * 3
    heads = read_all(path, box="head")
    assert heads.boxes_tlwh.tolist() == [[5, 6, 7, 8]] * 2
    assert heads.left_out == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 4), max_size=3), max_size=6), st.integers(1, 3000)
)
def test_odgt_parts_cover_file(tmp_path, images, size):
    path = tmp_path / "a.odgt"
    write_odgt(
        path, (record(f"é {index}", *(person(list(box)) for box in boxes)) for index, boxes in enumerate(images))
    )
    parts = split_lines(path, size=size)
    read = [read_odgt(path, part) for part in parts]
    assert [name for labels in read for name in labels.images] == [f"é {index}" for index in range(len(images))]
    assert [tuple(box) for labels in read for box in labels.boxes_tlwh.tolist()] == [
        b for boxes in images for b in boxes
    ]
    lines = [line for labels in read for line in labels.lines.tolist()]
    assert lines == [index for index, boxes in enumerate(images, 1) for _ in boxes]


def test_odgt_round_trip(tmp_path):
    path = tmp_path / "a.odgt"
    full, visible = (-3.256, 4, 20.5, 60.123), (0, 4, 17, 30)
    rows = [
        OdgtRow(PERSON, full, visible, is_occluded=True),
        OdgtRow(PERSON, (1, 1, 2, 2), (1, 1, 2, 2), is_ignored=True),
        OdgtRow(MASK, (2, 2, 2, 2), (2, 2, 2, 2)),
    ]
    write_odgt(path, [make_record("é", rows), make_record("empty", [])])
    labels = read_all(path)
    assert (labels.images, labels.counts.tolist(), labels.left_out) == (("é", "empty"), [1, 0], 2)
    assert labels.boxes_tlwh.tolist() == np.float32([[-3.26, 4, 20.5, 60.12]]).tolist()
    assert read_all(path, box="visible").boxes_tlwh.tolist() == [list(visible)]
    assert read_all(path, box="head").left_out == 3
    extras = [row["extra"] for row in json.loads(path.read_text(encoding="utf-8").split("\n")[0])["gtboxes"]]
    assert [(extra["box_id"], extra["occ"], extra["ignore"]) for extra in extras] == [(0, 1, 0), (1, 0, 1), (2, 0, 1)]


def test_read_odgt_accepts_bom_blank_lines_and_crlf(tmp_path):
    path = tmp_path / "a.odgt"
    line = json.dumps(record("a", person([0, 0, 1, 1]))).encode()
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n" + line)
    assert read_all(path).lines.tolist() == [1, 3]


WRONG = [
    ('{"ID": "a", ', "not JSON"),
    ("[1, 2]", "not an image"),
    ('{"gtboxes": []}', "not an image"),
    ('{"ID": "a"}', 'no list "gtboxes"'),
    ('{"ID": "a", "gtboxes": [3]}', 'no list "gtboxes"'),
    ('{"ID": "a", "gtboxes": [{"tag": "person"}]}', "fbox is missing"),
    ('{"ID": "a", "gtboxes": [{"tag": "person", "fbox": [1, 2, 3]}]}', "not four finite numbers"),
    ('{"ID": "a", "gtboxes": [{"tag": "person", "fbox": [1, 2, 3, "4"]}]}', "not four finite numbers"),
    ('{"ID": "a", "gtboxes": [{"tag": "person", "fbox": [1, 2, 3, NaN]}]}', "not four finite numbers"),
    ('{"ID": "a", "gtboxes": [{"tag": "person", "fbox": [1, 2, 3, 1e999]}]}', "not four finite numbers"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_invalid_line_names_file_and_line(tmp_path, line, message):
    path = tmp_path / "a.odgt"
    good = json.dumps(record("good"))
    path.write_text(f"{good}\n\n{line}\n{good}\n")
    with pytest.raises(InputError, match=f"a.odgt:3: .*{message}") as caught:
        read_all(path)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        split_lines(tmp_path / "none.odgt")
    with pytest.raises(InputError, match="No such file"):
        read_odgt(tmp_path / "none.odgt", FileRange(0, 10, 1))
    (tmp_path / "a.odgt").write_bytes(b'{"ID": "\xff"}')
    with pytest.raises(InputError, match=r"a.odgt:1: not UTF-8"):
        read_all(tmp_path / "a.odgt")

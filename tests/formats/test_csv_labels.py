from pathlib import Path

import pytest
from helpers.label_tables import label_tables, require_equal
from helpers.label_writers import write_label_csv
from hypothesis import HealthCheck, given, settings

from fairmot.formats.csv_labels import is_label_csv, read_label_csv
from fairmot.utils.errors import InputError


def read(tmp_path: Path, text: str, *, encoding: str = "utf-8"):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return read_label_csv(path)


def test_csv_columns_in_any_order_with_empty_images(tmp_path):
    table = read(
        tmp_path,
        "Class,ID,height,width,top,left,image,colour\n"
        'car,7,40,30,20,10,"a, b.jpg",red\n'
        ",,,,,,empty.jpg,\n"
        "person,,4,3,2,1,é x.jpg,\n"
        'person,9,4,3,2,1,"a, b.jpg",\n',
    )
    assert table.images == ("a, b.jpg", "empty.jpg", "é x.jpg")
    assert table.boxes_tlwh.tolist() == [[10, 20, 30, 40], [1, 2, 3, 4], [1, 2, 3, 4]]
    assert (table.image_of.tolist(), table.ids.tolist()) == ([0, 0, 2], [7, 9, -1])
    assert (table.class_names, table.classes.tolist()) == (("car", "person"), [0, 1, 1])
    assert table.lines.tolist() == [2, 5, 4]
    assert (table.sequences, table.frames.tolist()) == (("",), [0, 0, 0])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_delimiters_endings_and_encodings(tmp_path, delimiter, ending, encoding):
    rows = [("image", "left", "top", "width", "height"), ("é.jpg", "1", "2.5", "3", "4")]
    text = ending.join(delimiter.join(row) for row in rows) + ending * 2
    table = read(tmp_path, text, encoding=encoding)
    assert (table.images, table.boxes_tlwh.tolist()) == (("é.jpg",), [[1, 2.5, 3, 4]])
    assert table.class_names == ("person",)


def test_csv_corners_with_image_size(tmp_path):
    header = "filename,width,height,class,xmin,ymin,xmax,ymax"
    table = read(tmp_path, f"{header}\na.jpg,640,480,person,10,20,40,60\n")
    assert (table.boxes_tlwh.tolist(), table.image_hw.tolist()) == ([[10, 20, 30, 40]], [[480, 640]])
    assert read(tmp_path, "image,x1,y1,x2,y2\na.jpg,10,20,40,60\n").boxes_tlwh.tolist() == [[10, 20, 30, 40]]


def test_frames_count_from_one(tmp_path):
    header = "image,left,top,width,height,sequence,frame"
    table = read(tmp_path, f"{header}\na.jpg,1,1,1,1,s,0\nb.jpg,1,1,1,1,s,1\nc.jpg,1,1,1,1,,\n")
    assert (table.frames.tolist(), table.sequences) == ([1, 2, 0], ("s", ""))


BOX = "image,left,top,width,height"
WRONG = [
    ("image,left,top,width\n", 1, "no column height"),
    ("left,top,width,height\n", 1, "no column image"),
    ("", 1, "no column image"),
    (f"{BOX},left\n", 1, "column left is there twice"),
    (f"{BOX}\na.jpg,1,2,3,4\na.jpg,1,2,3\n", 3, "4 fields, the header has 5"),
    (f"{BOX}\n\na.jpg,1,2,3,x\n", 3, "not a box of four numbers"),
    (f"{BOX}\na.jpg,1,2,3,\n", 2, "not a box of four numbers"),
    (f"{BOX}\na.jpg,1,2,3,nan\n", 2, "not finite"),
    (f"{BOX}\na.jpg,1,2,3,1e99\n", 2, "not finite"),
    (f"{BOX}\n,1,2,3,4\n", 2, "the image is empty"),
    (f"{BOX},id\na.jpg,1,2,3,4,x7\n", 2, "id 'x7' is not a whole number"),
    (f"{BOX},class\na.jpg,1,2,3,4,\n", 2, "the class is empty"),
    (f"{BOX},frame\na.jpg,1,2,3,4,-1\n", 2, "frame '-1' is not a whole number"),
    (f"{BOX},frame\na.jpg,1,2,3,4,1\na.jpg,1,2,3,4,2\n", 3, "another sequence or frame"),
    ("image,x1,y1,x2,y2\na.jpg,9,2,3,4\n", 2, "second corner is before the first"),
]


@pytest.mark.parametrize(("text", "line", "message"), WRONG)
def test_invalid_line_names_file_and_line(tmp_path, text, line, message):
    with pytest.raises(InputError, match=f"labels.csv:{line}: .*{message}") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_unreadable_csv_raises(tmp_path):
    with pytest.raises(InputError, match="not UTF-8 text"):
        read(tmp_path, f"{BOX}\né.jpg,1,2,3,4\n", encoding="latin-1")
    with pytest.raises(InputError, match=r"labels.csv:\d: "):
        read(tmp_path, f"{BOX}\na.jpg,1,2,3,{'4' * 200_000}\n")
    with pytest.raises(InputError, match="No such file"):
        read_label_csv(tmp_path / "none.csv")


def test_is_label_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("epoch,loss\n1,2\n")
    assert not is_label_csv(path)
    path.write_text(f"{BOX}\n")
    assert is_label_csv(path)
    assert not is_label_csv(tmp_path / "none.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(label_tables())
def test_written_annotations_round_trip(tmp_path, table):
    path = tmp_path / "written.csv"
    write_label_csv(path, table)
    require_equal(read_label_csv(path), table)

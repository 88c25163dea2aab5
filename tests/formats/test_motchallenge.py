from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairmot.formats.motchallenge import (
    class_numbers,
    find_sequences,
    format_results,
    list_images,
    read_boxes,
    read_sequence_info,
    sequence_name,
    write_ground_truth,
    write_results,
    write_sequence_info,
)
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.utils.errors import InputError

GROUND_TRUTH = "1,2,10,20,30,40,1,1,0.5\n2,2,11,20,30,40,0,8,1\n"


@pytest.fixture
def file(tmp_path):
    def write(text, name="file.txt"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_read_boxes_nine_columns(file):
    table = read_boxes(file(GROUND_TRUTH), "ground_truth")
    assert table.columns == 9
    assert table.frames.tolist() == [1, 2]
    assert table.boxes_tlwh.tolist() == [[10, 20, 30, 40], [11, 20, 30, 40]]
    assert table.confidences.tolist() == [1, 0]
    assert table.classes.tolist() == [1, 8]
    assert table.visibilities.tolist() == [0.5, 1]
    assert table.lines.tolist() == [1, 2]


def test_read_boxes_mot15_has_no_classes(file):
    table = read_boxes(file("1,2,10,20,30,40,1,3.5,4.5,0\n"), "ground_truth")
    assert (table.columns, table.classes.tolist(), table.visibilities.tolist()) == (10, [-1], [1.0])


@pytest.mark.parametrize(
    ("line", "score", "kind"),
    [
        ("1,2,10,20,30,40", -1, -1),
        ("1,2,10,20,30,40,0.9", 0.9, -1),
        ("1,2,10,20,30,40,0.9,3", 0.9, 3),
        ("1,2,10,20,30,40,0.9,-1,-1,-1", 0.9, -1),
        ("1,2,10,20,30,40,0.9,-1,-1,-1,7,7", 0.9, -1),
    ],
)
def test_read_boxes_results_of_any_width(file, line, score, kind):
    table = read_boxes(file(line), "results")
    assert (table.confidences.tolist(), table.classes.tolist()) == ([score], [kind])
    assert table.visibilities.tolist() == [1.0]


def test_read_boxes_accepts_spaces_blank_lines_and_bom(file):
    table = read_boxes(file("\ufeff1 2 10 20 30 40 1\n\n  \n2, 2, 11, 20,\t30, 40, 1\r\n"), "results")
    assert table.frames.tolist() == [1, 2]
    assert table.lines.tolist() == [1, 4]


def test_read_boxes_empty_file(file):
    table = read_boxes(file("\n"), "results")
    assert (len(table), table.columns, table.boxes_tlwh.shape) == (0, 0, (0, 4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,10,20,30,40", "file.txt:1: 6 columns, expected at least 7"),
        ("1,2,10,20,30,40,1\n\n1,3,10,20,30,40,1,1\n", "file.txt:3: 8 columns where the lines above have 7"),
        ("1,2,10,20,30,40,1\n1,x,10,20,30,40,1\n", "file.txt:2: not a row of numbers: '1,x,10,20,30,40,1'"),
        ("1,2,10,20,nan,40,1\n", "file.txt:1: a value is not finite: '1,2,10,20,nan,40,1'"),
        ("1,2,10,20,30,inf,1\n", "file.txt:1: a value is not finite: '1,2,10,20,30,inf,1'"),
        ("0,2,10,20,30,40,1\n", "file.txt:1: frame 0 is not a whole number from 1 up"),
        ("1.5,2,10,20,30,40,1\n", "file.txt:1: frame 1.5 is not a whole number from 1 up"),
        ("1e300,2,10,20,30,40,1\n", "file.txt:1: frame 1e300 is not a whole number from 1 up"),
        ("1,2.5,10,20,30,40,1\n", "file.txt:1: identity 2.5 is not a whole number"),
        ("1,-1e200,10,20,30,40,1\n", "file.txt:1: identity -1e200 is not a whole number"),
    ],
)
def test_read_boxes_invalid_lines_raise(file, text, message):
    with pytest.raises(InputError) as caught:
        read_boxes(file(text), "ground_truth")
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)


def test_read_boxes_unreadable_file_raises(tmp_path):
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x81")
    for name, message in (("binary.txt", "not a text file"), ("absent.txt", "no such file"), (".", "directory")):
        with pytest.raises(InputError, match=message):
            read_boxes(tmp_path / name, "results")


@st.composite
def tables(draw):
    """A table whose values the written formats can represent: boxes on a grid of 1/100, visibilities of 1/1000."""
    count = draw(st.integers(0, 6))
    integers = hnp.arrays(np.int64, count, elements=st.integers(1, 5000))
    return BoxTable(
        frames=draw(integers),
        ids=draw(integers),
        boxes_tlwh=draw(hnp.arrays(np.int64, (count, 4), elements=st.integers(-50_000, 500_000))) / 100,
        confidences=draw(hnp.arrays(np.int64, count, elements=st.integers(0, 1))).astype(float),
        classes=draw(hnp.arrays(np.int64, count, elements=st.integers(1, 13))),
        visibilities=draw(hnp.arrays(np.int64, count, elements=st.integers(0, 1000))) / 1000,
    )


def columns(table, *names):
    return [getattr(table, name).tolist() for name in names]


@given(table=tables())
@settings(max_examples=50, deadline=None)
def test_write_ground_truth_round_trip(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("truth") / "gt" / "gt.txt"
    write_ground_truth(path, table)
    names = ("frames", "ids", "boxes_tlwh", "confidences", "classes", "visibilities")
    assert columns(read_boxes(path, "ground_truth"), *names) == columns(
        table[np.lexsort((table.frames, table.ids))], *names
    )


@given(table=tables())
@settings(max_examples=50, deadline=None)
def test_write_results_round_trip(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("results") / "A.txt"
    write_results(path, table)
    names = ("frames", "ids", "boxes_tlwh", "confidences")
    assert columns(read_boxes(path, "results"), *names) == columns(table[np.lexsort((table.ids, table.frames))], *names)


def test_result_lines():
    row = np.array([3]), np.array([7]), np.array([[1.0, 2.0, 3.0, 4.12345]]), np.array([0.5])
    table = BoxTable(*row, classes=np.array([-1]), visibilities=np.ones(1))
    assert list(format_results(table)) == ["3,7,1.000,2.000,3.000,4.123,0.500,-1,-1,-1\n"]


INFO = SequenceInfo("A", Path("A"), frame_rate=25.0, length=12, image_hw=(270, 480))


@pytest.mark.parametrize("rate", [25.0, 7.5])
def test_sequence_info_reads_back(tmp_path, rate):
    info = replace(INFO, root=tmp_path, frame_rate=rate, image_dir="frames", image_extension=".png")
    write_sequence_info(info)
    assert read_sequence_info(tmp_path) == info


def test_sequence_info_defaults(file, tmp_path):
    file("[Sequence]\nseqLength=9\n", "seqinfo.ini")
    info = read_sequence_info(tmp_path)
    assert info == SequenceInfo(tmp_path.name, tmp_path, frame_rate=30.0, length=9, image_hw=(0, 0), has_name=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Sequence]\nname=A\n", "seqinfo.ini: seqLength is missing"),
        ("[Sequence]\nseqLength=many\n", "seqinfo.ini: seqLength = 'many' is not a number of 0 or more"),
        ("[Sequence]\nseqLength=-1\n", "seqinfo.ini: seqLength = '-1' is not a number"),
        ("[Other]\n", r"seqinfo.ini: no section \[Sequence\]"),
        ("name=A\n", "seqinfo.ini: File contains no section headers"),
        (None, "seqinfo.ini: no such file"),
    ],
)
def test_wrong_sequence_info(file, tmp_path, text, message):
    if text is not None:
        file(text, "seqinfo.ini")
    with pytest.raises(InputError, match=message):
        read_sequence_info(tmp_path)


def test_find_sequences_and_list_images_sort_by_name(tmp_path):
    for name in ("B/img1", "A/gt", "C", "D"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "A/gt/gt.txt").touch()
    (tmp_path / "C/seqinfo.ini").touch()
    assert [path.name for path in find_sequences(tmp_path)] == ["A", "B", "C"]
    assert find_sequences(tmp_path / "B") == [tmp_path / "B"]
    for name in ("2.jpg", "1.PNG", "notes.txt"):
        (tmp_path / "B/img1" / name).touch()
    assert [path.name for path in list_images(tmp_path / "B/img1")] == ["1.PNG", "2.jpg"]


def test_find_sequences_without_sequence_raises(tmp_path):
    with pytest.raises(InputError, match="no MOTChallenge sequence here"):
        find_sequences(tmp_path)
    for find in (find_sequences, list_images):
        with pytest.raises(InputError, match="absent: no such folder"):
            find(tmp_path / "absent")


def test_results_class_round_trip(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("1,4,1,2,3,4,0.5,2,-1,-1\n1,5,1,2,3,4,0.5,1,-1,-1\n")
    table = read_boxes(path, "results")
    assert table.classes.tolist() == [2, 1]
    write_results(path, table)
    assert path.read_text().splitlines()[0] == "1,4,1.000,2.000,3.000,4.000,0.500,2,-1,-1"
    assert read_boxes(path, "results").classes.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("pedestrian",), (1,)),
        (("person", "Car"), (1, 3)),
        (("non-motorised vehicle", "crowd"), (6, 13)),
        (("car", "pedestrian", "boat"), (1, 2, 3)),
    ],
)
def test_class_numbers_official_or_by_position(names, numbers):
    assert class_numbers(names) == numbers


@pytest.mark.parametrize("names", [(), ("",), ("a/b",), ("car", "Car"), ("person", "pedestrian"), ("boat", "boat")])
def test_class_numbers_empty_or_repeated_raise(names):
    with pytest.raises(InputError, match=r"DATA\.CLASSES"):
        class_numbers(names)


def test_sequence_name_is_from_seqinfo_or_folder(tmp_path: Path) -> None:
    assert sequence_name(tmp_path / "street") == "street"
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nname=MOT17-02\nseqLength=1\n")
    assert sequence_name(tmp_path) == "MOT17-02"

import pytest
from helpers.small_trees import read_all, read_images, read_one, write, write_all

from fairmot.data.readers.base import Source
from fairmot.data.readers.csv_table import CSVReader, matches
from fairmot.utils.errors import InputError

HEADER = "image,left,top,width,height,id,class,sequence,frame\n"


def test_csv_images_by_sequence_and_frame(tmp_path):
    rows = [
        "b 2.jpg,1,2,3,4,7,person,b,2",
        "é/a.jpg,,,,,,,a,1",
        "b 1.jpg,5,6,7,8,,car,b,1",
        "b 2.jpg,9,9,9,9,8,car,b,2",
    ]
    write(tmp_path / "mine.csv", HEADER + "\n".join(rows))
    write_all(tmp_path, "b 1.jpg", "b 2.jpg", "é/a.jpg")
    for source in (Source(tmp_path), Source(tmp_path / "mine.csv"), Source(tmp_path, labels="mine.csv")):
        assert read_images(CSVReader(source)) == ["b 1.jpg", "b 2.jpg", "é/a.jpg"]
    block = read_one(CSVReader(Source(tmp_path)))
    assert (block.counts.tolist(), block.ids.tolist()) == ([1, 2, 0], [-1, 7, 8])
    assert (block.sequences, block.sequence_of.tolist()) == (("b", "a"), [0, 0, 1])
    assert block.source_of(2) == f"{tmp_path}/mine.csv:5"
    assert read_one(CSVReader(Source(tmp_path, sequences=("a",)))).images == ("é/a.jpg",)


def test_csv_images_relative_to_file_or_images_folder(tmp_path):
    write(tmp_path / "labels/mine.csv", "image,x1,y1,x2,y2\na.jpg,1,2,3,4\n")
    write_all(tmp_path, "shots/a.jpg", "labels/a.jpg")
    assert read_images(CSVReader(Source(tmp_path, labels="labels/mine.csv"))) == ["labels/a.jpg"]
    for images in ("shots", str(tmp_path / "shots")):
        assert read_images(CSVReader(Source(tmp_path, labels="labels/mine.csv", images=images))) == ["shots/a.jpg"]
    assert len(read_images(CSVReader(Source(tmp_path / "labels/mine.csv", images="../shots")))) == 1
    write(tmp_path / "labels/mine.csv", f"image,x1,y1,x2,y2\n{tmp_path}/shots/a.jpg,1,2,3,4\n")
    assert len(read_images(CSVReader(Source(tmp_path, labels="labels/mine.csv")))) == 1


def test_csv_ignores_other_tables(tmp_path):
    write(tmp_path / "losses.csv", "epoch,loss\n")
    assert not matches(tmp_path)
    write(tmp_path / "mine.csv", HEADER + "a.jpg,1,2,3,4,,person,,\n")
    assert matches(tmp_path)
    assert matches(tmp_path / "mine.csv")
    assert read_one(CSVReader(Source(tmp_path))).images == ("a.jpg",)


def test_invalid_input_names_cause(tmp_path):
    with pytest.raises(InputError, match="none: no such file or folder"):
        CSVReader(Source(tmp_path / "none")).plan()
    with pytest.raises(InputError, match=r"no \.csv file"):
        CSVReader(Source(tmp_path)).plan()
    write(tmp_path / "a.csv", "image,left,top\n")
    with pytest.raises(InputError, match=r"a.csv:1: no column width, height"):
        read_all(CSVReader(Source(tmp_path)))
    write(tmp_path / "a.csv", HEADER)
    with pytest.raises(InputError, match=r"a.csv: no rows below the header"):
        read_all(CSVReader(Source(tmp_path)))
    write(tmp_path / "b.csv", HEADER)
    with pytest.raises(InputError, match=r"several annotation files \(a.csv, b.csv\); name one with LABELS"):
        CSVReader(Source(tmp_path)).plan()

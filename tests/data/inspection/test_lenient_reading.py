from pathlib import Path

import numpy as np
import pytest
from helpers.one_of_each import make_one_of_each
from helpers.small_sequences import make_sequence, walkers

from fairmot.data.inspection.findings import Check
from fairmot.data.inspection.lenient_reading import LenientResult, read_leniently
from fairmot.data.readers.base import Source
from fairmot.data.readers.registry import LAYOUTS


def read(layout: str, root: Path) -> LenientResult:
    reader = LAYOUTS[layout].make_reader(Source(root))
    return read_leniently(reader, reader.plan().units)


def test_invalid_rows_do_not_affect_the_rest(tmp_path: Path) -> None:
    make_sequence(tmp_path, "A", walkers((1, 2), 3))
    broken = make_sequence(tmp_path, "B", walkers((1, 2), 3)) / "gt" / "gt.txt"
    lines = broken.read_text().splitlines()
    lines[1] = "2,1,nonsense"
    lines[4] = "9,2,4,6,12,30,1,1,1.0"
    lines.append("1,7,4,nan,12,30,1,1,1.0")
    broken.write_text("\n".join(lines))
    reading = read("mot", tmp_path / "data")
    assert [(f.check, f.where, f.message) for f in reading.findings] == [
        (Check.UNREADABLE, f"{broken}:2", "3 columns, expected at least 7"),
        (Check.UNREADABLE, f"{broken}:7", "a value is not finite: '1,7,4,nan,12,30,1,1,1.0'"),
        (Check.NO_IMAGE, f"{broken}:5", "frame 9 has no image"),
    ]
    first, second = reading.parts
    assert len(first.ids) == 6
    assert second.label_files == (str(broken),)
    assert sorted(second.lines.tolist()) == [1, 3, 4, 6]
    assert second.images == tuple(image.replace("A/", "B/") for image in first.images)


def test_single_sequence_with_invalid_row(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path, "A", [*walkers((1, 2), 3), (9, 1, 4, 6, 12, 30, 1, 1, 1.0)])
    reading = read("mot", folder)
    assert [finding.check for finding in reading.findings] == [Check.NO_IMAGE]
    assert reading.parts[0].images[0] == "img1/000001.png"


def test_sequence_without_ground_truth_is_reported(tmp_path: Path) -> None:
    make_sequence(tmp_path, "A", walkers((1, 2), 3))
    (make_sequence(tmp_path, "B", walkers((1, 2), 3)) / "gt" / "gt.txt").unlink()
    reading = read("mot", tmp_path / "data")
    assert [(finding.check, len(reading.parts)) for finding in reading.findings] == [(Check.UNREADABLE, 1)]


def test_wrong_length_in_seqinfo_is_reported(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path, "A", walkers((1, 2), 3))
    (folder / "seqinfo.ini").write_text("[Sequence]\nseqLength=5\n")
    (finding,) = read("mot", folder).findings
    assert (finding.severity, finding.check, finding.count) == ("warning", Check.WRONG_LENGTH, 2)


@pytest.mark.parametrize(
    ("layout", "file"), [("jde", "Caltech/labels_with_ids/b.txt"), ("yolo", "yard/labels/train/b.txt")]
)
def test_invalid_label_file_does_not_affect_the_others(tmp_path: Path, layout: str, file: str) -> None:
    root = make_one_of_each(tmp_path)
    (root / file).write_text((root / file).read_text() + "0 1 two\n")
    reading = read(layout, root / "caltech.train" if layout == "jde" else root / "yard")
    assert [finding.where for finding in reading.findings] == [f"{root / file}:3"]
    assert [image for part in reading.parts for image in part.images] == [
        {"jde": "Caltech/images/a.jpg", "yolo": "images/train/a.jpg"}[layout]
    ]


def test_invalid_odgt_line_does_not_affect_the_others(tmp_path: Path) -> None:
    file = make_one_of_each(tmp_path) / "CrowdHuman" / "annotation_train.odgt"
    file.write_text(file.read_text() + "\n{nonsense\n")
    reading = read("crowdhuman", file)
    assert [finding.where for finding in reading.findings] == [f"{file}:3"]
    assert np.concatenate([part.lines for part in reading.parts]).tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize(("layout", "file"), [("coco", "shop/labels.json"), ("csv", "frames/boxes.csv")])
def test_unreadable_file_is_reported(tmp_path: Path, layout: str, file: str) -> None:
    path = make_one_of_each(tmp_path) / file
    path.write_text(path.read_text()[:-30] + "\nx")
    reading = read(layout, path)
    assert [finding.check for finding in reading.findings] == [Check.UNREADABLE]
    assert reading.parts == ()

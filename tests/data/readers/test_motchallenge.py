import pytest
from helpers.small_sequences import make_sequence, walkers

from fairmot.data.readers.base import Source
from fairmot.data.readers.motchallenge import MotChallengeReader, matches
from fairmot.utils.errors import InputError


def chosen(root, **options):
    return [unit.name for unit in MotChallengeReader(Source(root, **options)).plan().units]


@pytest.fixture
def copies(tmp_path):
    for name in ("MOT17-02-DPM", "MOT17-02-SDP", "MOT17-02-FRCNN", "MOT17-04-SDP", "MOT17-04-DPM", "street"):
        make_sequence(tmp_path, name, walkers((1,), 3))
    return tmp_path / "data"


def test_mot_detector_copies_are_read_once(copies):
    assert chosen(copies) == ["MOT17-02-FRCNN", "MOT17-04-SDP", "street"]
    assert chosen(copies, detector="DPM") == ["MOT17-02-DPM", "MOT17-04-DPM", "street"]
    with pytest.raises(InputError, match="MOT17-04: no copy of detector 'FRCNN'; there are DPM, SDP"):
        chosen(copies, detector="FRCNN")


def test_sequences_by_pattern(copies):
    assert chosen(copies, sequences=("MOT17-0[4]*",)) == ["MOT17-04-SDP"]
    with pytest.raises(InputError, match="no sequence is called MOT20"):
        chosen(copies, sequences=("MOT20",))


def test_mot_class_without_flags_is_trained_on(tmp_path):
    rows = [(1, 1, 1, 1, 9, 9, 1, 1, 1), (1, 2, 1, 1, 9, 9, 0, 1, 1), (1, 3, 1, 1, 9, 9, 0, 3, 1)]
    folder = make_sequence(tmp_path, "S", [*rows, (2, 4, 1, 1, 9, 9, 1, 7, 1), (2, 5, 1, 1, 9, 9, 0, 7, 1)])
    block = MotChallengeReader(Source(folder)).read(folder)
    assert [(block.class_names[kind], own) for kind, own in zip(block.classes, block.ids, strict=True)] == [
        ("1", 1),
        ("3", 3),
        ("7", 4),
    ]
    assert block.left_out == 2


def test_matches_layout(tmp_path, copies):
    assert matches(copies)
    assert matches(copies / "street")
    assert not matches(tmp_path)
    assert not matches(tmp_path / "absent")


def test_mot_images_are_relative_and_lines_kept(copies):
    reader = MotChallengeReader(Source(copies))
    block = reader.read(copies / "street")
    assert block.images[0] == "street/img1/000001.png"
    assert (reader.image_root / block.images[0]).is_file()
    assert block.source_of(2).endswith("gt.txt:3")

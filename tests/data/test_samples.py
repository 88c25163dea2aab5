import numpy as np
import pytest
from helpers.small_sequences import index_samples, make_sequence, walkers

from fairmot.data.index.builder import Selection, build_index
from fairmot.data.readers.base import Source
from fairmot.data.readers.csv_table import CSVReader
from fairmot.data.samples import join_indexes
from fairmot.utils.errors import InputError


def test_mot_samples_match_frames(tmp_path):
    samples = index_samples(
        [make_sequence(tmp_path, "S1", walkers((3, 7), 3)), make_sequence(tmp_path, "S2", walkers((7,), 2), frames=2)]
    )
    assert len(samples) == 5
    assert samples.num_boxes == 8
    assert samples.identity_counts[0] == 3
    assert samples[1].image_path.parts[-3:] == ("S1", "img1", "000002.png")
    assert samples[1].boxes_tlwh.tolist() == [[16, 6, 12, 30], [24, 6, 12, 30]]
    assert samples[1].identities.tolist() == [0, 1]
    assert samples[4].identities.tolist() == [2]


def test_ground_truth_row_order_does_not_change_samples(tmp_path):
    one = index_samples([make_sequence(tmp_path, "by identity", walkers((9, 2, 5), 3))])
    other = index_samples([make_sequence(tmp_path, "by frame", walkers((9, 2, 5), 3, by="frame"))])
    assert one.identity_counts == other.identity_counts == (3,)
    for index in range(3):
        np.testing.assert_array_equal(one[index].identities, other[index].identities)
        np.testing.assert_array_equal(one[index].boxes_tlwh, other[index].boxes_tlwh)


def test_mot_samples_are_considered_pedestrians(tmp_path):
    rows = [
        (1, 1, 5, 5, 10, 20, 1, 1, 1.0),
        (1, 2, 5, 5, 10, 20, 0, 1, 1.0),  # consider flag 0
        (1, 3, 5, 5, 10, 20, 0, 8, 1.0),  # a distractor
        (1, 5, 5, 5, 10, 20, 1, 3, 1.0),  # a car
        (1, 4, 5, 5, 0, 20, 1, 1, 1.0),  # no width
        (2, 2, 5, 5, 10, 20, 0, 1, 1.0),
    ]
    samples = index_samples([make_sequence(tmp_path, "S", rows)])
    assert samples.num_boxes == samples.identity_counts[0] == 1
    assert [len(samples[index].boxes_tlwh) for index in range(3)] == [1, 0, 0]


def test_mot_without_classes_uses_flag(tmp_path):
    rows = [
        (1, 1, 5, 5, 10, 20, 1, -1, -1, -1),
        (1, 2, 5, 5, 10, 20, 0, -1, -1, -1),
        (2, 1, 6, 5, 10, 20, 1, -1, -1, -1),
    ]
    assert index_samples([make_sequence(tmp_path, "MOT15", rows)]).num_boxes == 2


def test_frame_limit_keeps_first_frames(tmp_path):
    rows = [*walkers((1, 2), 3), (3, 9, 5, 5, 10, 20, 1, 1, 1.0)]
    samples = index_samples([make_sequence(tmp_path, "S", rows)], frame_limit=2)
    assert len(samples) == 2
    assert samples.identity_counts[0] == 2
    assert len(index_samples([make_sequence(tmp_path, "T", walkers((1,), 3))], frame_limit=50)) == 3


def test_mot_image_folder_from_seqinfo(tmp_path):
    folder = make_sequence(tmp_path, "S", walkers((1,), 3))
    (folder / "img1").rename(folder / "frames")
    (folder / "seqinfo.ini").write_text("[Sequence]\nimDir=frames\nseqLength=3\n")
    assert index_samples([folder])[0].image_path.parent.name == "frames"


def test_mot_frames_use_numbers_of_names(tmp_path):
    folder = make_sequence(tmp_path, "S", walkers((1,), 3))
    for old, new in (("000001", "1"), ("000002", "2"), ("000003", "10")):
        (folder / "img1" / f"{old}.png").rename(folder / "img1" / f"{new}.png")
    with pytest.raises(InputError, match=r"gt\.txt:3: frame 3 has no image"):
        index_samples([folder])
    (folder / "gt" / "gt.txt").write_text("10,1,5,5,10,20,1,1,1\n")
    samples = index_samples([folder])
    assert [len(samples[index].boxes_tlwh) for index in range(3)] == [0, 0, 1]
    assert samples[2].image_path.name == "10.png"


def test_mot_frames_without_numbers_use_position(tmp_path):
    folder = make_sequence(tmp_path, "S", walkers((1,), 3))
    for old, new in (("000001", "ant"), ("000002", "bee"), ("000003", "cat")):
        (folder / "img1" / f"{old}.png").rename(folder / "img1" / f"{new}.png")
    assert [index_samples([folder])[index].image_path.stem for index in range(3)] == ["ant", "bee", "cat"]


def test_mot_two_images_of_one_frame_raise(tmp_path):
    folder = make_sequence(tmp_path, "S", walkers((1,), 3))
    (folder / "img1" / "2.png").write_bytes((folder / "img1" / "000002.png").read_bytes())
    with pytest.raises(InputError, match=r"000002\.png and 2\.png are the same frame"):
        index_samples([folder])


def test_mot_box_without_image_raises(tmp_path):
    folder = make_sequence(tmp_path, "S", walkers((1,), 4), frames=3)
    with pytest.raises(InputError, match=r"gt\.txt:4: frame 4 has no image in .*img1"):
        index_samples([folder])


def test_duplicate_identity_in_frame_raises(tmp_path):
    folder = make_sequence(tmp_path, "S", [*walkers((1, 2), 3), (2, 1, 9, 9, 9, 9, 1, 1, 1.0)])
    with pytest.raises(InputError, match=r"gt\.txt:7: identity 1 twice in .*000002\.png, first at .*gt\.txt:2"):
        index_samples([folder])


def test_sequence_without_labels_or_images_raises(tmp_path):
    folder = make_sequence(tmp_path, "S", walkers((1,), 3))
    (folder / "gt" / "gt.txt").unlink()
    with pytest.raises(InputError, match=r"gt\.txt: no such file"):
        index_samples([folder])
    with pytest.raises(InputError, match="img1: no images"):
        index_samples([make_sequence(tmp_path, "T", [], frames=0)])
    with pytest.raises(InputError, match=r"DATA\.TRAIN: no image"):
        index_samples([])


@pytest.mark.parametrize("index", [-1, 3])
def test_sample_index_out_of_range_raises(tmp_path, index):
    samples = index_samples([make_sequence(tmp_path, "S", walkers((1,), 3))])
    with pytest.raises(IndexError, match="of 3"):
        samples[index]


def test_sequence_numbers_are_unique_over_sets(tmp_path):
    folders = [
        make_sequence(tmp_path, "S1", walkers((1,), 3)),
        make_sequence(tmp_path, "S2", walkers((1,), 2), frames=2),
    ]
    both, alone = index_samples([folders[0].parent]), index_samples(folders)
    assert both.sequence_numbers().tolist() == [0, 0, 0, 1, 1]
    assert alone.sequence_numbers().tolist() == [0, 0, 0, 1, 1]


def test_images_without_sequence_are_numbered_by_folder(tmp_path):
    file = tmp_path / "boxes.csv"
    rows = ["b/1.jpg,", "a/1.jpg,", "c/1.jpg,walk", "b/2.jpg,", "c/2.jpg,"]
    file.write_text("image,sequence,left,top,width,height\n" + "".join(f"{row},4,6,12,30\n" for row in rows))
    reader = CSVReader(Source(file))
    block = reader.read(reader.plan().units[0])
    index = build_index([block], Selection(("pedestrian",), (1,)), name="c", image_root="", is_normalised=False)
    samples = join_indexes([index, *index_samples([make_sequence(tmp_path, "S", walkers((1,), 2))]).sources])
    folders = [path.parent.name for path in (samples[index].image_path for index in range(len(samples)))]
    numbers = samples.sequence_numbers().tolist()
    assert len(set(numbers)) == 5  # a, b, what of c is no sequence, walk, S
    assert len({(number, folder) for number, folder in zip(numbers, folders, strict=True)}) == 5
    assert numbers[folders.index("b")] == numbers[len(folders) - 1 - folders[::-1].index("b")]
    assert len({number for number, folder in zip(numbers, folders, strict=True) if folder == "c"}) == 2

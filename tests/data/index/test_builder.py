import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmot.data.index.builder import Selection, build_index, class_indices
from fairmot.data.index.label_index import open_index, write_index
from fairmot.data.index.splits import Split
from fairmot.structures.annotations import Annotations
from fairmot.utils.errors import InputError

PEOPLE = Selection(("pedestrian",), (1,))


def block(rows, *, images=("a.jpg", "b.jpg"), sequence="S", class_names=("person",), frames=None):
    """Rows (image index, id, class index), by image; boxes 10 x 20 at (id, class index)."""
    rows = sorted(rows, key=lambda row: row[0])
    image_of = np.array([row[0] for row in rows], dtype=np.int64)
    ids, classes = (np.array([row[index] for row in rows], dtype=np.int64) for index in (1, 2))
    return Annotations(
        images=tuple(images),
        counts=np.bincount(image_of, minlength=len(images)),
        boxes_tlwh=np.array([(row[1], row[2], 10, 20) for row in rows], dtype=np.float32).reshape(-1, 4),
        ids=ids,
        classes=classes,
        class_names=tuple(class_names),
        sequences=(sequence,),
        sequence_of=np.zeros(len(images), dtype=np.int64),
        frames=np.arange(1, len(images) + 1) if frames is None else np.array(frames),
        image_hw=np.zeros((len(images), 2), dtype=np.int64),
        label_files=("labels.txt",),
        lines=np.arange(1, len(rows) + 1),
    )


def build(blocks, selection=PEOPLE):
    return build_index(blocks, selection, name="set", image_root="/data", is_normalised=False)


def test_same_id_is_one_identity_per_sequence():
    index = build([block([(0, 7, 0)], sequence=name) for name in "STS"])
    assert index.info.identity_counts == (2,)
    assert index.arrays.identities.tolist() == [0, 1, 0]
    assert [index.info.sequences[number] for number in index.arrays.own_sequences] == ["S", "T"]
    assert index.arrays.own_ids.tolist() == [7, 7]


def test_unknown_identities_train_detection_only():
    index = build([block([(0, -1, 0), (0, -1, 0), (1, 4, 0)])])
    assert index.arrays.identities.tolist() == [-1, -1, 0]
    assert index.info.identity_counts == (1,)


@pytest.mark.parametrize(("identity", "numbers"), [("box", [0, 1, 2]), ("none", [-1, -1, -1]), ("labels", [0, 1, 0])])
def test_identity_option_numbers_boxes(identity, numbers):
    index = build([block([(0, 3, 0), (0, 5, 0), (1, 3, 0)])], Selection(("person",), (1,), identity=identity))
    assert index.arrays.identities.tolist() == numbers
    assert index.info.identity_counts == (max(numbers) + 1,)


def test_identities_are_numbered_per_class():
    selection = Selection(("car", "pedestrian"), (3, 1))
    rows = [(0, 1, 0), (0, 1, 1), (1, 2, 1), (1, 9, 2)]
    index = build([block(rows, class_names=("person", "CAR", "tram"))], selection)
    assert index.arrays.classes.tolist() == [1, 0, 0]
    assert index.arrays.identities.tolist() == [0, 0, 1]
    assert index.info.identity_counts == (2, 1)
    assert index.arrays.own_ids.tolist() == [1, 2, 1]  # two of class 0, one of class 1
    assert index.info.other_classes == 1


def test_identity_counts_are_of_split_only():
    rows = [(0, 1, 0), (1, 2, 0), (2, 3, 0), (3, 3, 0)]
    images = ("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    halves = [
        build([block(rows, images=images)], Selection(("person",), (1,), Split(part)))
        for part in ("first_half", "second_half")
    ]
    assert [[half.image_name(image) for image in range(len(half))] for half in halves] == [
        ["1.jpg", "2.jpg"],
        ["3.jpg", "4.jpg"],
    ]
    assert [half.info.identity_counts for half in halves] == [(2,), (1,)]


def test_degenerate_boxes_are_left_out_and_counted():
    one = block([(0, 1, 0), (0, 2, 0)])
    one.boxes_tlwh[0, 2] = 0
    index = build([one])
    assert (index.num_boxes, index.info.degenerate, len(index)) == (1, 1, 2)


@pytest.mark.parametrize("rows", [[(0, 3, 0), (1, 3, 0)], []])
def test_unknown_classes_raise_unless_without_boxes(rows):
    blocks = [block(rows, class_names=("tram", "boat") if rows else ())]
    if not rows:
        assert build(blocks).num_boxes == 0
        return
    with pytest.raises(InputError, match=r"set: none of DATA\.CLASSES \(pedestrian\) in it; it has tram, boat"):
        build(blocks)


def test_duplicate_identity_in_image_names_lines():
    names = ("person", "car")
    build([block([(0, 3, 0), (0, 3, 1)], class_names=names)], Selection(names, (1, 3)))
    with pytest.raises(InputError, match=r"labels\.txt:2: identity 3 twice in a\.jpg, first at labels\.txt:1"):
        build([block([(0, 3, 0), (0, 3, 0)])])


def test_empty_split_raises():
    with pytest.raises(InputError, match="set: no image to train on"):
        build([block([])], Selection(("person",), (1,), Split(first=9)))


def test_yolo_classes_without_names_use_numbers():
    assert class_indices(["0", "1", "x"], Selection(("car", "bus"), (0, 1))).tolist() == [0, 1, -1]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 6), st.integers(0, 1)), max_size=40, unique=True),
    st.sampled_from(["labels", "box", "none"]),
)
def test_identities_are_dense_per_class(rows, identity):
    rows = [row for index, row in enumerate(rows) if row[1] < 0 or row not in rows[:index]]
    names = ("pedestrian", "car")
    selection = Selection(names, (1, 3), identity=identity)
    index = build([block(rows, images=("1", "2", "3", "4"), class_names=names)], selection)
    for kind in range(2):
        of_kind = index.arrays.classes == kind
        numbers = index.arrays.identities[of_kind]
        known = numbers[numbers >= 0]
        assert sorted(set(known.tolist())) == list(range(index.info.identity_counts[kind]))
        if identity == "labels":  # the boxes' left side is their own id
            own_ids = index.arrays.own_ids[sum(index.info.identity_counts[:kind]) + known]
            assert own_ids.tolist() == index.arrays.boxes_tlwh[of_kind, 0][numbers >= 0].tolist()


def test_index_on_disk_is_equal_and_pickles_as_path(tmp_path):
    index = build([block([(0, 3, 0), (1, -1, 0)], images=("ü n/a b.jpg", "c.jpg"))])
    write_index(index, tmp_path)
    opened = open_index(tmp_path)
    assert opened.info == index.info
    assert [opened.image_name(image) for image in (0, 1)] == ["ü n/a b.jpg", "c.jpg"]
    assert isinstance(opened.arrays.boxes_tlwh, np.memmap)
    sent = pickle.dumps(opened)
    assert len(sent) < 400
    np.testing.assert_array_equal(pickle.loads(sent).arrays.boxes_tlwh, index.arrays.boxes_tlwh)
    assert pickle.loads(pickle.dumps(index)).info == index.info


def test_open_index_damaged_raises(tmp_path):
    write_index(build([block([(0, 3, 0)])]), tmp_path)
    (tmp_path / "classes.npy").write_bytes(b"not an array")
    with pytest.raises(InputError, match="a damaged index"):
        open_index(tmp_path)


def test_sequences_by_pattern():
    blocks = [block([(0, 7, 0)], sequence=name) for name in ("street 1", "street 2", "yard")]
    index = build(blocks, Selection(("person",), (1,), sequences=("street*",)))
    assert (len(index), index.info.identity_counts) == (4, (2,))
    with pytest.raises(InputError, match="set: no sequence is called lane"):
        build(blocks, Selection(("person",), (1,), sequences=("lane",)))

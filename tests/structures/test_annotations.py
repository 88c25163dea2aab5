import numpy as np
import pytest

from fairmot.structures.annotations import Annotations, merge_annotations


def make_annotations(counts, classes, class_names, **fields):
    boxes = int(np.sum(counts))
    values = {
        "images": tuple(f"{number}.jpg" for number in range(len(counts))),
        "counts": np.array(counts),
        "boxes_tlwh": np.arange(4 * boxes, dtype=np.float32).reshape(-1, 4),
        "ids": np.arange(boxes),
        "classes": np.array(classes, dtype=np.int64),
        "class_names": class_names,
        "label_files": ("labels.txt",),
        "lines": np.arange(1, boxes + 1),
    }
    return Annotations(**values | fields)


def test_take_reorders_images_with_their_boxes():
    labels = make_annotations([2, 0, 1], [0, 1, 0], ("a", "b"), label_files=("0.txt", "1.txt", "2.txt"))
    taken = labels.take(np.array([2, 0]))
    assert (taken.images, taken.counts.tolist()) == (("2.jpg", "0.jpg"), [1, 2])
    assert (taken.ids.tolist(), taken.image_of.tolist()) == ([2, 0, 1], [0, 1, 1])
    assert [taken.source_of(row) for row in range(3)] == ["2.txt:3", "0.txt:1", "0.txt:2"]


def test_merge_unites_class_names_and_sequences():
    one = make_annotations([1], [0], ("car",), sequences=("S",), left_out=2)
    other = make_annotations([1, 1], [0, 1], ("person", "car"), sequences=("T", "S"), sequence_of=np.array([0, 1]))
    merged = merge_annotations([one, other])
    assert (merged.class_names, merged.classes.tolist()) == (("car", "person"), [0, 1, 0])
    assert (merged.sequences, merged.sequence_of.tolist()) == (("S", "T"), [0, 1, 0])
    assert (merged.left_out, len(merged.label_files)) == (2, 3)
    assert not merge_annotations([]).images


def test_annotations_of_wrong_shape_raise():
    with pytest.raises(ValueError, match=r"classes: expected shape \(1\)"):
        make_annotations([1], [0, 1], ("a",))
    with pytest.raises(ValueError, match="label_files: 2 for 3 images"):
        make_annotations([0, 0, 0], [], (), label_files=("a", "b"))

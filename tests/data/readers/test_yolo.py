from pathlib import Path

import numpy as np
import pytest
from helpers.small_trees import read_all, read_images, read_one, write, write_all

from fairmot.data.readers.base import Source
from fairmot.data.readers.yolo import YOLOReader, matches
from fairmot.utils.errors import InputError

ROW = "1 0.5 0.5 0.2 0.4\n"
YAML = "train: images/train\nval: images/val\nnames: [person, car]\n"


def make_parts(root: Path, pattern: str, parts: tuple[str, ...] = ("train", "val")) -> Path:
    """One image with a box, one without a label file in each part; `pattern` is their folder, e.g. {kind}/{part}."""
    for part in parts:
        write_all(root, *(f"{pattern.format(kind='images', part=part)}/{part}{number}.jpg" for number in (1, 2)))
        write(root / pattern.format(kind="labels", part=part) / f"{part}1.txt", ROW)
    return root


def test_yolo_data_yaml_parts_and_classes(tmp_path):
    root = make_parts(tmp_path, "{kind}/{part}")
    write(root / "data.yaml", YAML)
    reader = YOLOReader(Source(root))
    assert read_images(reader) == ["images/train/train1.jpg", "images/train/train2.jpg"]
    block = read_one(reader)
    assert (block.class_names, block.classes.tolist()) == (("person", "car"), [1])
    assert (block.counts.tolist(), block.label_files[1], block.ids.tolist()) == ([1, 0], "", [-1])
    np.testing.assert_allclose(block.boxes_tlwh, [[0.4, 0.3, 0.2, 0.4]], rtol=1e-6)
    assert read_images(YOLOReader(Source(root, labels="val"))) == ["images/val/val1.jpg", "images/val/val2.jpg"]
    assert read_images(YOLOReader(Source(root / "data.yaml", labels="val"))) == [
        f"images/val/val{n}.jpg" for n in (1, 2)
    ]
    assert reader.plan().lists == (root / "data.yaml",)


@pytest.mark.parametrize(
    "text",
    [
        "path: .\ntrain: images/train\nnames: {0: person, 1: car}\n",
        "path: ../away/of/another/machine\ntrain: [images/train]\nnames: {1: car, 0: person}\n",
        "path: images\ntrain: train\nnc: 2\nnames:\n  - person\n  - car\n",
        "train: ../images/train\nval: ../images/val\nnames: [person, car]\n",
        "train: {root}/images/train\nnames: [person, car]\n",
        "train: train.txt\nnames: ['person', 'car']\n",
        "train: {root}/images/train/../train\nnames: [person, car]\n",
    ],
)
def test_ways_to_write_data_yaml(tmp_path, text):
    root = make_parts(tmp_path / "a é b", "{kind}/{part}")
    write(root / "data.yaml", "\ufeff" + text.replace("{root}", str(root)))
    write(root / "train.txt", "./images/train/train1.jpg\n./images/train/train2.jpg\n")
    reader = YOLOReader(Source(root))
    assert [Path(name).name for name in read_images(reader)] == ["train1.jpg", "train2.jpg"]
    block = read_one(reader)
    assert (block.counts.tolist(), block.class_names) == ([1, 0], ("person", "car"))
    assert matches(root)


def test_yolo_part_with_several_folders_and_one_outside(tmp_path):
    root = make_parts(tmp_path / "a", "{kind}/{part}")
    make_parts(tmp_path / "b", "{kind}/{part}", ("more",))
    write(root / "data.yaml", "train: [images/train, ../b/images]\n")
    reader = YOLOReader(Source(root))
    names = [f"../b/images/more/more{number}.jpg" for number in (1, 2)]
    assert read_images(reader) == ["images/train/train1.jpg", "images/train/train2.jpg", *names]
    assert read_one(reader).counts.tolist() == [1, 0, 1, 0]
    assert read_one(reader).class_names == ("1",)


@pytest.mark.parametrize("pattern", ["{kind}/{part}", "{part}/{kind}"])
def test_yolo_parts_without_data_yaml(tmp_path, pattern):
    root = make_parts(tmp_path, pattern, ("train", "valid"))
    assert matches(root)
    assert [Path(name).name for name in read_images(YOLOReader(Source(root)))] == ["train1.jpg", "train2.jpg"]
    for part in ("val", "valid"):
        reader = YOLOReader(Source(root, labels=part))
        assert [Path(name).name for name in read_images(reader)] == ["valid1.jpg", "valid2.jpg"]
        assert read_one(reader).counts.tolist() == [1, 0]
    with pytest.raises(InputError, match=r"no part 'test' \(LABELS\)"):
        YOLOReader(Source(root, labels="test")).plan()


def test_yolo_without_parts(tmp_path):
    write_all(tmp_path, "images/deep/1.JPG", "images/2.webp", "images/notes.md")
    write(tmp_path / "labels/deep/1.txt", ROW)
    write(tmp_path / "labels/classes.txt", "person\nbike\n")
    reader = YOLOReader(Source(tmp_path))
    assert read_images(reader) == ["images/2.webp", "images/deep/1.JPG"]
    block = read_one(reader)
    assert (block.counts.tolist(), block.class_names) == ([0, 1], ("person", "bike"))
    assert read_images(YOLOReader(Source(tmp_path, images="images/deep"))) == ["images/deep/1.JPG"]


def test_yolo_labels_next_to_images(tmp_path):
    write_all(tmp_path, "shots/1.jpg", "shots/2.jpg")
    write(tmp_path / "shots/1.txt", "1 .5 .5 .2 .4 12\n")
    block = read_one(YOLOReader(Source(tmp_path)))
    assert (block.counts.tolist(), block.ids.tolist()) == ([1, 0], [12])


def test_yolo_list_as_root(tmp_path):
    root = make_parts(tmp_path, "{kind}/{part}")
    path = write(root / "lists/mine.txt", f"{root}/images/val/val1.jpg\n")
    assert read_one(YOLOReader(Source(path))).counts.tolist() == [1]
    path = write(root / "mine.txt", "images/val/val1.jpg\n")
    assert read_images(YOLOReader(Source(path))) == ["images/val/val1.jpg"]
    assert matches(path)
    path.write_text("images/val/val9.jpg\n")
    with pytest.raises(InputError, match=r"mine.txt: images/val/val9.jpg is not in"):
        YOLOReader(Source(path)).plan()


def test_yolo_keypoints_from_data_yaml(tmp_path):
    root = make_parts(tmp_path, "{kind}/{part}", ("train",))
    write(root / "data.yaml", "train: images/train\nkpt_shape: [2, 3]\nnames: [person]\n")
    write(root / "labels/train/train1.txt", "0 .5 .5 .2 .4 .1 .1 2 .9 .9 2\n")
    np.testing.assert_allclose(read_one(YOLOReader(Source(root))).boxes_tlwh, [[0.4, 0.3, 0.2, 0.4]], rtol=1e-6)


WRONG = [
    ("data.yaml", "train: [", "data.yaml: not YAML"),
    ("data.yaml", "train: images/none\n", "data.yaml: train: images/none: no such folder or list in"),
    ("data.yaml", "val: images/val\n", r"data.yaml: no part 'train' \(LABELS\); it has val"),
    ("data.yaml", "train: 3\n", "data.yaml: train: expected a folder, a list file"),
    ("data.yaml", "- train\n", "data.yaml: expected keys and values"),
    ("data.yaml", f"{YAML}kpt_shape: 3\n", "data.yaml: kpt_shape"),
    ("data.yaml", "train: images/train\nnames: {a: b}\n", "data.yaml: names"),
    ("data.yaml", "train: images/train\nnames: [one]\n", "train1.txt:1: class 1, but there are 1 names"),
    ("data.yaml", "train: labels\n", "labels: no images in this folder"),
    ("labels/train/train1.txt", f"{ROW}\n0 .5 .5 .1\n", "train1.txt:3: 4 columns"),
    ("labels/train/train1.txt", "person .5 .5 .1 .1\n", "train1.txt:1: not a row of numbers"),
]


@pytest.mark.parametrize(("file", "text", "message"), WRONG)
def test_invalid_input_names_cause(tmp_path, file, text, message):
    root = make_parts(tmp_path, "{kind}/{part}")
    write(root / file, text)
    with pytest.raises(InputError, match=message) as caught:
        read_all(YOLOReader(Source(root)))
    assert "\n" not in str(caught.value)


def test_yolo_missing_files_raise(tmp_path):
    with pytest.raises(InputError, match="none: no such file or folder"):
        YOLOReader(Source(tmp_path / "none")).plan()
    with pytest.raises(InputError, match="no images in this folder"):
        YOLOReader(Source(tmp_path)).plan()
    write_all(tmp_path, "a/1.jpg", "b/images/1.jpg")
    with pytest.raises(InputError, match=r"a: no label files: neither next to the images"):
        YOLOReader(Source(tmp_path / "a")).plan()
    with pytest.raises(InputError, match=r"b/labels: no such folder; the labels of the images in"):
        YOLOReader(Source(tmp_path / "b")).plan()
    with pytest.raises(InputError, match=r"no such folder or list \(IMAGES\)"):
        YOLOReader(Source(tmp_path, images="none")).plan()
    write(tmp_path / "x.yaml", YAML)
    write(tmp_path / "y.yml", YAML)
    with pytest.raises(InputError, match=r"several YAML files name a data set \(x.yaml, y.yml\)"):
        YOLOReader(Source(tmp_path)).plan()


def test_matches_layout(tmp_path):
    root = make_parts(tmp_path / "a", "{part}/{kind}")
    write(root / "data.yaml", YAML)
    assert all(map(matches, (root, root / "data.yaml", root / "train")))
    other = write_all(tmp_path / "b", "images/1.jpg", "labels_with_ids/1.txt")
    write(other / "config.yaml", "TRAIN: 1\n")
    write(other / "a.txt", "images/1.jpg\n")
    assert not any(map(matches, (other, other / "config.yaml", other / "a.txt", tmp_path / "none")))

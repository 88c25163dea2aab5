import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.small_trees import read_all, read_images, read_one, write, write_all

from fairmot.data.readers.base import Source
from fairmot.data.readers.jde import JDEReader, matches
from fairmot.utils.errors import InputError

ROW = "0 {} 0.5 0.5 0.2 0.4\n"


def make_caltech(root: Path) -> Path:
    """Three images, of which one has no people and one no label file."""
    names = [f"Caltech/images/set00_{number}.jpg" for number in range(3)]
    write_all(root, *names)
    write(root / "Caltech/labels_with_ids/set00_0.txt", ROW.format(7) + ROW.format(-1))
    write(root / "Caltech/labels_with_ids/set00_1.txt")
    write(root / "caltech.train", "\n".join(names) + "\n")
    return root


def test_jde_list_of_images(tmp_path):
    reader = JDEReader(Source(make_caltech(tmp_path), labels="caltech.train"))
    block = read_one(reader)
    assert block.images == tuple(f"Caltech/images/set00_{number}.jpg" for number in range(3))
    assert (block.counts.tolist(), block.ids.tolist()) == ([2, 0, 0], [7, -1])
    np.testing.assert_allclose(block.boxes_tlwh, [[0.4, 0.3, 0.2, 0.4]] * 2, rtol=1e-6)
    assert (block.class_names, block.sequences, block.frames.tolist()) == (("person",), ("",), [0, 0, 0])
    assert reader.is_normalised
    assert block.source_of(1) == f"{tmp_path}/Caltech/labels_with_ids/set00_0.txt:2"
    assert [file == "" for file in block.label_files] == [False, False, True]


def test_jde_units_pickle(tmp_path):
    reader = JDEReader(Source(make_caltech(tmp_path)))
    reader, (unit,) = pickle.loads(pickle.dumps((reader, reader.plan().units)))
    assert reader.read(unit).counts.tolist() == [2, 0, 0]


def test_jde_plan_lists_and_folders(tmp_path):
    make_caltech(tmp_path)
    plan = JDEReader(Source(tmp_path / "caltech.train")).plan()
    assert plan.lists == (tmp_path / "caltech.train",)
    assert set(plan.folders) == {tmp_path / "Caltech/images", tmp_path / "Caltech/labels_with_ids"}


@pytest.mark.parametrize("source", ["root", "list", "absolute", "elsewhere", "dot", "windows", "bom"])
def test_jde_list_variants(tmp_path, source):
    root = make_caltech(tmp_path / "a é b")
    path = root / "caltech.train"
    text = path.read_text()
    if source == "absolute":
        path.write_text("".join(f"{root}/{line}\n" for line in text.split()))
    if source == "dot":
        path.write_text("".join(f"./{line}\n\n" for line in text.split()))
    if source == "windows":
        path.write_bytes(text.replace("/", "\\").replace("\n", "\r\n").encode())
    if source == "bom":
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    chosen = Source(root)
    if source == "list":
        chosen = Source(path)
    if source == "elsewhere":
        write(tmp_path / "lists" / "c.val", text)
        chosen = Source(tmp_path / "lists" / "c.val", images=str(root))
    reader = JDEReader(chosen)
    assert len(read_images(reader)) == 3
    assert read_one(reader).counts.tolist() == [2, 0, 0]


def test_jde_without_list_finds_images_with_labels(tmp_path):
    write_all(tmp_path, "ETHZ/eth01/images/2.png", "ETHZ/eth01/images/1.png", "ETHZ/eth01/labels_with_ids/1.txt")
    write_all(tmp_path, "ETHZ/eth02/images/1.png", "other/images/1.png", "ETHZ/eth01/images/._1.png")
    write_all(tmp_path, "MOT17/images/train/A/img1/000001.jpg", "MOT17/images/test/B/img1/000001.jpg")
    write(tmp_path / "MOT17/labels_with_ids/train/A/img1/000001.txt", ROW.format(1))
    expected = [
        "ETHZ/eth01/images/1.png",
        "ETHZ/eth01/images/2.png",
        "MOT17/images/test/B/img1/000001.jpg",
        "MOT17/images/train/A/img1/000001.jpg",
    ]
    assert matches(tmp_path)
    assert read_images(JDEReader(Source(tmp_path))) == expected
    assert read_one(JDEReader(Source(tmp_path))).counts.tolist() == [0, 0, 0, 1]
    train = JDEReader(Source(tmp_path, images="MOT17/images/train"))
    assert read_images(train) == ["A/img1/000001.jpg"]
    assert read_one(train).counts.tolist() == [1]
    write(tmp_path / "a.train", "ETHZ/eth02/images/1.png\n")
    assert read_images(train) == ["A/img1/000001.jpg"]


def test_jde_follows_links_without_cycles(tmp_path):
    store = write_all(tmp_path / "store", "deep/1.jpg")
    root = tmp_path / "root"
    write(root / "labels_with_ids/deep/1.txt", ROW.format(1))
    (root / "images").symlink_to(store)
    (store / "deep" / "around").symlink_to(store)
    assert read_images(JDEReader(Source(root))) == ["images/deep/1.jpg"]
    assert read_one(JDEReader(Source(root))).counts.tolist() == [1]


def test_label_folder_replaces_last_images_folder(tmp_path):
    root = write_all(tmp_path / "images", "my_images/images/images_of_a.jpg.jpg")
    write(root / "my_images/labels_with_ids/images_of_a.jpg.txt", ROW.format(3))
    write(root / "a.txt", "my_images/images/images_of_a.jpg.jpg\n")
    assert read_one(JDEReader(Source(root))).ids.tolist() == [3]


def test_jde_root_inside_images_folder(tmp_path, monkeypatch):
    write_all(tmp_path, "images/1.jpg")
    write(tmp_path / "labels_with_ids/1.txt", ROW.format(3))
    write(tmp_path / "images/a.txt", "1.jpg\n")
    assert read_one(JDEReader(Source(tmp_path / "images"))).ids.tolist() == [3]
    monkeypatch.chdir(tmp_path)
    assert read_one(JDEReader(Source(Path()))).ids.tolist() == [3]


def test_jde_classes_by_number_and_name(tmp_path):
    write_all(tmp_path, "images/1.jpg")
    write(tmp_path / "labels_with_ids/1.txt", "7 1 .5 .5 .1 .1\n0 1 .5 .5 .1 .1\n")
    block = read_one(JDEReader(Source(tmp_path)))
    assert (block.class_names, block.classes.tolist()) == (("person", "7"), [1, 0])
    write(tmp_path / "classes.txt", "man\ncar\n")
    with pytest.raises(InputError, match=r"labels_with_ids/1.txt:1: class 7, but there are 2 names"):
        read_all(JDEReader(Source(tmp_path)))
    write(tmp_path / "labels_with_ids/1.txt", "1 1 .5 .5 .1 .1\n")
    block = read_one(JDEReader(Source(tmp_path)))
    assert (block.class_names, block.classes.tolist()) == (("man", "car"), [1])


def test_jde_many_images_are_split_into_units(tmp_path):
    names = [f"images/{number:05d}.jpg" for number in range(4500)]
    write_all(tmp_path, names[0])
    write(tmp_path / "a.train", "\n".join(names))
    for number in (0, 1999, 2000, 4499):
        write(tmp_path / f"labels_with_ids/{number:05d}.txt", ROW.format(number) * (number % 7 + 1))
    blocks = read_all(JDEReader(Source(tmp_path)))
    assert [len(block.images) for block in blocks] == [2000, 2000, 500]
    assert [np.flatnonzero(block.counts).tolist() for block in blocks] == [[0, 1999], [0], [499]]
    assert [image for block in blocks for image in block.images] == names


def break_nothing_there(root: Path) -> Source:
    return Source(root / "none")


def break_no_labels(root: Path) -> Source:
    (root / "Caltech/labels_with_ids").rename(root / "away")
    return Source(root)


def break_no_images(root: Path) -> Source:
    (root / "caltech.train").unlink()
    (root / "Caltech/images").rename(root / "away")
    return Source(root)


def break_two_lists(root: Path) -> Source:
    write(root / "caltech.val", "Caltech/images/set00_0.jpg\n")
    return Source(root)


def break_no_list(root: Path) -> Source:
    return Source(root, labels="none.train", name="mine")


def break_place(root: Path) -> Source:
    return Source(root / "Caltech", labels="../caltech.train")


def break_empty_list(root: Path) -> Source:
    return Source(write(root / "empty.txt", "\n"))


def break_list(root: Path) -> Source:
    return Source(write(root / "odd.txt", "Caltech/images/set00_0.jpg\n\nCaltech/images/set00_1\n"))


def break_encoding(root: Path) -> Source:
    (root / "caltech.train").write_bytes("Caltech/images/é.jpg".encode("latin-1"))
    return Source(root, labels="caltech.train")


def break_text(root: Path) -> Source:
    (root / "caltech.train").write_bytes(b"Caltech/images/set00_0.jpg\n\0.jpg")
    return Source(root)


def break_folder(root: Path) -> Source:
    return Source(write_all(root, "photos/1.jpg") and write(root / "odd.txt", "photos/1.jpg\n"))


def break_row(root: Path) -> Source:
    write(root / "Caltech/labels_with_ids/set00_1.txt", ROW.format(1) + "0 1 .5 .5 x .5\n")
    return Source(root)


WRONG = [
    (break_nothing_there, "none: no such file or folder"),
    (break_no_labels, "Caltech/labels_with_ids: no such folder; the labels of the images in .*/Caltech/images belong"),
    (break_no_images, "neither a list of images nor a folder images with labels_with_ids next to it"),
    (break_two_lists, r"several annotation files \(caltech.train, caltech.val\); name one with LABELS"),
    (break_no_list, r"none.train: no such file \(LABELS of mine\)"),
    (break_place, r"caltech.train: Caltech/images/set00_0.jpg is not in .*; ROOT \(or IMAGES\)"),
    (break_empty_list, "no images in this list"),
    (break_list, "odd.txt:3: 'Caltech/images/set00_1' is no image file"),
    (break_encoding, "caltech.train: not a text file"),
    (break_text, "caltech.train: not a text file"),
    (break_folder, "odd.txt: its images in .*photos are below no folder called images"),
    (break_row, r"Caltech/labels_with_ids/set00_1.txt:2: not a row of numbers"),
]


@pytest.mark.parametrize(("break_it", "message"), WRONG)
def test_invalid_input_names_cause(tmp_path, break_it, message):
    source = break_it(make_caltech(tmp_path))
    with pytest.raises(InputError, match=message) as caught:
        read_all(JDEReader(source))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_jde_unreadable_label_file_raises(tmp_path):
    make_caltech(tmp_path)
    (tmp_path / "Caltech/labels_with_ids/set00_1.txt").chmod(0)
    with pytest.raises(InputError, match=r"set00_1.txt: Permission denied"):
        read_all(JDEReader(Source(tmp_path)))


def test_matches_layout(tmp_path):
    root = make_caltech(tmp_path / "a")
    assert all(map(matches, (root, root / "Caltech", root / "caltech.train", tmp_path)))
    other = write_all(tmp_path / "b", "images/1.jpg", "labels/1.txt")
    write(other / "train.txt", "images/1.jpg")
    assert not any(map(matches, (other, other / "train.txt", other / "images/1.jpg", tmp_path / "none")))

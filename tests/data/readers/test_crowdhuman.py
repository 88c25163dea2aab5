import pickle

import pytest
from helpers.small_trees import read_all, read_images, read_one, write_all, write_json

from fairmot.data.readers.base import Source
from fairmot.data.readers.crowdhuman import CrowdHumanReader, matches
from fairmot.formats import crowdhuman as odgt
from fairmot.utils.errors import InputError

NAMES = ("273271,c9db000d5146c15", "273271,1a0d6000b9e1f5b7")


def person(tag="person", **more):
    return {"tag": tag, "fbox": [-3, 2, 30, 90], "vbox": [1, 2, 20, 40], "hbox": [5, 6, 7, 8], "head_attr": {}, **more}


def write_odgt(path, names=NAMES):
    return write_json(path, *({"ID": name, "gtboxes": [person(), person("mask")]} for name in names))


def test_crowdhuman_box_option(tmp_path):
    write_odgt(tmp_path / "annotation_train.odgt")
    write_all(tmp_path, *(f"Images/{name}.jpg" for name in NAMES))
    reader = CrowdHumanReader(Source(tmp_path))
    block = read_one(reader)
    assert block.images == tuple(f"Images/{name}.jpg" for name in NAMES)
    assert block.boxes_tlwh.tolist() == [[-3, 2, 30, 90]] * 2
    assert (block.ids.tolist(), block.class_names, block.left_out) == ([-1, -1], ("person",), 2)
    assert block.source_of(1) == f"{tmp_path}/annotation_train.odgt:2"
    assert not reader.is_normalised
    heads = CrowdHumanReader(Source(tmp_path, box="head"))
    assert read_one(heads).boxes_tlwh.tolist() == [[5, 6, 7, 8]] * 2
    assert reader.plan().files == (tmp_path / "annotation_train.odgt",)


FOLDERS = [
    ("Images", "Images"),
    ("images", "images"),
    ("CrowdHuman_train/Images", "CrowdHuman_train/Images"),
    ("CrowdHuman_val/Images", "CrowdHuman_val/Images"),
    ("CrowdHuman_train01/Images", "CrowdHuman_train02/Images"),
    ("CrowdHuman_train01/Images", "CrowdHuman_train02/images"),
    ("images/train", "images/val"),
    ("train", "val"),
    (".", "."),
]


@pytest.mark.parametrize("folders", FOLDERS)
@pytest.mark.parametrize("where", [".", "annotations"])
def test_crowdhuman_image_folders(tmp_path, folders, where):
    write_odgt(tmp_path / where / "annotation_train.odgt")
    write_all(tmp_path, *(f"{folder}/{name}.jpg" for folder, name in zip(folders, NAMES, strict=True)))
    assert len(read_images(CrowdHumanReader(Source(tmp_path)))) == 2


def test_crowdhuman_file_as_root_with_images_elsewhere(tmp_path):
    path = write_odgt(tmp_path / "here é" / "mine.odgt")
    write_all(tmp_path / "there", f"Images/{NAMES[0]}.jpg", f"part two/Images/{NAMES[1]}.png")
    for images in ("../there", str(tmp_path / "there")):
        assert len(read_images(CrowdHumanReader(Source(path, images=images)))) == 2
        assert len(read_images(CrowdHumanReader(Source(path.parent, labels="mine.odgt", images=images)))) == 2


def test_crowdhuman_missing_image_is_expected_in_first_folder(tmp_path):
    write_odgt(tmp_path / "a.odgt")
    write_all(tmp_path, f"images/{NAMES[0]}.jpg")
    assert read_one(CrowdHumanReader(Source(tmp_path))).images[1] == f"images/{NAMES[1]}.jpg"


def test_crowdhuman_parts_pickle(tmp_path, monkeypatch):
    monkeypatch.setattr(odgt.split_lines, "__kwdefaults__", {"size": 500})
    write_odgt(tmp_path / "a.odgt", [f"name {number}" for number in range(7)])
    write_all(tmp_path, "Images/name 0.jpg")
    reader = CrowdHumanReader(Source(tmp_path))
    reader, units = pickle.loads(pickle.dumps((reader, reader.plan().units)))
    blocks = [reader.read(unit) for unit in units]
    assert len(blocks) > 2
    assert [image for block in blocks for image in block.images] == [f"Images/name {n}.jpg" for n in range(7)]
    assert [line for block in blocks for line in block.lines.tolist()] == list(range(1, 8))


def test_crowdhuman_tags_are_classes(tmp_path):
    write_json(tmp_path / "a.odgt", {"ID": "a", "gtboxes": [person("dog"), person(), person("mask")]})
    write_all(tmp_path, "a.jpg")
    block = read_one(CrowdHumanReader(Source(tmp_path)))
    assert (block.class_names, block.classes.tolist()) == (("person", "dog"), [1, 0])


def test_invalid_input_names_cause(tmp_path):
    with pytest.raises(InputError, match="none: no such file or folder"):
        CrowdHumanReader(Source(tmp_path / "none")).plan()
    with pytest.raises(InputError, match=r"no \.odgt file"):
        CrowdHumanReader(Source(tmp_path)).plan()
    path = write_odgt(tmp_path / "annotation_train.odgt")
    with pytest.raises(InputError, match=r"no images, neither here nor in Images, .*; set IMAGES"):
        CrowdHumanReader(Source(tmp_path)).plan()
    with pytest.raises(InputError, match=r"BOX: unknown 'body'; choose from full, visible, head"):
        CrowdHumanReader(Source(tmp_path, box="body")).plan()
    with pytest.raises(InputError, match=r"b.odgt: no such file \(LABELS of mine\)"):
        CrowdHumanReader(Source(tmp_path, labels="b.odgt", name="mine")).plan()
    write_all(tmp_path, f"Images/{NAMES[0]}.jpg")
    path.write_text(path.read_text() + '{"ID": "x", \n')
    with pytest.raises(InputError, match=r"annotation_train.odgt:3: not JSON"):
        read_all(CrowdHumanReader(Source(tmp_path)))
    write_odgt(tmp_path / "annotation_val.odgt")
    with pytest.raises(
        InputError, match=r"several .*\(annotation_train.odgt, annotation_val.odgt\); name one with LABELS"
    ):
        CrowdHumanReader(Source(tmp_path)).plan()


def test_matches_layout(tmp_path):
    path = write_odgt(tmp_path / "a" / "annotation_val.odgt")
    write_odgt(tmp_path / "b" / "annotations" / "annotation_val.odgt")
    assert all(map(matches, (path, path.parent, tmp_path / "b")))
    assert not any(map(matches, (tmp_path, tmp_path / "none")))

import pytest
from helpers.small_trees import read_all, read_images, read_one, write, write_all, write_json

from fairmot.data.readers.base import Source
from fairmot.data.readers.coco import COCOReader, matches
from fairmot.utils.errors import InputError


def content(*names, **more):
    images = [{"id": index, "file_name": name, "height": 48, "width": 64} for index, name in enumerate(names)]
    box = {"bbox": [1, 2, 3, 4], "category_id": 1}
    annotations = [{"id": index, "image_id": index, **box} for index in reversed(range(len(names)))]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}], **more}


FILES = [
    ("annotations/instances_val2017.json", "val2017"),
    ("annotations/instances_val2017.json", "images/val2017"),
    ("annotations/person_keypoints_val2017.json", "val2017"),
    ("annotations/train_half.json", "train"),
    ("annotations/anything.json", "train2017"),
    ("labels.json", "images"),
    ("labels.json", "."),
    ("train/_annotations.coco.json", "train"),
]


@pytest.mark.parametrize(("file", "folder"), FILES)
@pytest.mark.parametrize("as_file", [False, True])
def test_coco_annotation_and_image_folders(tmp_path, file, folder, as_file):
    path = write_json(tmp_path / file, content("a é b.jpg", "deep/1.jpg"))
    write_all(tmp_path / folder, "a é b.jpg", "deep/1.jpg")
    reader = COCOReader(Source(path if as_file else tmp_path))
    assert len(read_images(reader)) == 2
    block = read_one(reader)
    assert (block.counts.tolist(), block.image_hw.tolist()) == ([1, 1], [[48, 64]] * 2)
    assert block.source_of(0) == str(path)
    assert matches(path)
    assert matches(tmp_path)


@pytest.mark.parametrize("images", ["../shots", "shots"])
def test_coco_images_folder_option(tmp_path, images):
    write_json(tmp_path / "set" / "annotations" / "a.json", content("1.jpg"))
    write_all(tmp_path / "set" / images, "1.jpg")
    assert len(read_images(COCOReader(Source(tmp_path / "set", images=images)))) == 1
    assert len(read_images(COCOReader(Source(tmp_path / "set", labels="annotations/a.json", images=images)))) == 1
    absolute = str(tmp_path / "set" / images)
    assert len(read_images(COCOReader(Source(tmp_path / "set" / "annotations" / "a.json", images=absolute)))) == 1
    assert len(read_images(COCOReader(Source(tmp_path / "set" / "annotations" / "a.json", images=images)))) == 1


def test_coco_images_by_video_and_frame_with_patterns(tmp_path):
    value = content("b/2.jpg", "a/1.jpg", "b/1.jpg", "c/1.jpg")
    for index, (video, frame) in enumerate([(1, 1), (2, 0), (1, 0), (3, 0)]):
        value["images"][index] |= {"video_id": video, "frame_id": frame}
        value["annotations"][3 - index] |= {"track_id": 10 + index}
    value["videos"] = [{"id": 1, "name": "b"}, {"id": 2, "name": "a"}, {"id": 3, "name": "c"}]
    write_json(tmp_path / "a.json", value)
    write_all(tmp_path, "b/2.jpg")
    block = read_one(COCOReader(Source(tmp_path)))
    assert block.images == ("b/1.jpg", "b/2.jpg", "a/1.jpg", "c/1.jpg")
    assert (block.ids.tolist(), block.frames.tolist()) == ([12, 10, 11, 13], [1, 2, 1, 1])
    assert (block.sequences, block.sequence_of.tolist()) == (("b", "a", "c"), [0, 0, 1, 2])
    block = read_one(COCOReader(Source(tmp_path, sequences=("[ac]",))))
    assert (block.images, block.sequences) == (("a/1.jpg", "c/1.jpg"), ("a", "c"))
    assert (block.ids.tolist(), block.counts.tolist()) == ([11, 13], [1, 1])
    with pytest.raises(InputError, match="no sequence is called x or y"):
        read_all(COCOReader(Source(tmp_path, sequences=("x", "y"))))


def test_invalid_input_names_cause(tmp_path):
    with pytest.raises(InputError, match="none: no such file or folder"):
        COCOReader(Source(tmp_path / "none")).plan()
    write(tmp_path / "settings.json", '{"a": 1}')
    with pytest.raises(InputError, match=r"no \.json file with labels"):
        COCOReader(Source(tmp_path)).plan()
    write_json(tmp_path / "a.json", content("1.jpg"))
    with pytest.raises(InputError, match=r"a.json: its first image 1.jpg is in none of \., images, .*; set IMAGES"):
        read_all(COCOReader(Source(tmp_path)))
    write_json(tmp_path / "b.json", content())
    with pytest.raises(InputError, match=r"several annotation files \(a.json, b.json\); name one with LABELS"):
        COCOReader(Source(tmp_path)).plan()
    with pytest.raises(InputError, match=r"b.json: it lists no images"):
        read_all(COCOReader(Source(tmp_path, labels="b.json")))
    write(tmp_path / "c.json", '{"images": [\n,')
    with pytest.raises(InputError, match=r"c.json:2: not JSON"):
        read_all(COCOReader(Source(tmp_path / "c.json")))


def test_matches_layout(tmp_path):
    write(tmp_path / "settings.json", '{"a": 1}')
    assert not any(map(matches, (tmp_path, tmp_path / "settings.json", tmp_path / "none")))

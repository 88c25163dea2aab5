import json

import numpy as np
import pytest
from helpers.label_tables import label_tables, require_equal
from helpers.label_writers import write_coco
from hypothesis import HealthCheck, given, settings

from fairmot.formats.coco import is_coco, read_coco
from fairmot.utils.errors import InputError

CATEGORIES = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]


def content(images, annotations, **more):
    return {"info": {}, "images": images, "annotations": annotations, "categories": CATEGORIES, **more}


def read(tmp_path, value):
    path = tmp_path / "a.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return read_coco(path)


def image(number, **more):
    return {"id": number, "file_name": f"{number}.jpg", "height": 48, "width": 64, **more}


def annotation(number, of_image, **more):
    return {"id": number, "image_id": of_image, "category_id": 1, "bbox": [1.5, 2, 3, 4], "iscrowd": 0, **more}


def test_coco_boxes_classes_and_left_out(tmp_path):
    annotations = [
        annotation(1, 20, category_id=18),
        annotation(2, 10, iscrowd=1),
        annotation(3, 10, ignore=1, bbox=None),
        annotation(4, 99),
        annotation(5, 10, bbox=[0, 0, 0, 0]),
    ]
    table = read(tmp_path, content([image(20), image(10), image(30)], annotations))
    assert table.images == ("20.jpg", "10.jpg", "30.jpg")
    assert (table.image_of.tolist(), table.classes.tolist(), table.left_out) == ([0, 1], [1, 0], 3)
    assert table.boxes_tlwh.tolist() == [[1.5, 2, 3, 4], [0, 0, 0, 0]]
    assert (table.class_names, table.ids.tolist()) == (("person", "dog"), [-1, -1])
    assert table.image_hw.tolist() == [[48, 64]] * 3
    assert (table.sequences, table.frames.tolist()) == (("",), [0, 0, 0])


@pytest.mark.parametrize("key", ["track_id", "instance_id"])
@pytest.mark.parametrize("first", [0, 1])
def test_videos_with_frames_from_zero_or_one(tmp_path, key, first):
    images = [image(1, video_id=2, frame_id=first + 1), image(2, video_id=2, frame_id=first)]
    images.append(image(3, video_id=1, frame_id=first + 5))
    videos = [{"id": 1, "name": "b"}, {"id": 2, "file_name": "a"}]
    annotations = [annotation(1, 1, **{key: 7}), annotation(2, 2, **{key: -1}), annotation(3, 2, **{key: None})]
    table = read(tmp_path, content(images, annotations, videos=videos))
    assert (table.sequences, table.sequence_of.tolist()) == (("b", "a"), [1, 1, 0])
    assert table.frames.tolist() == [2, 1, 6]
    assert table.ids.tolist() == [7, -1, -1]


def test_videos_without_list_or_frames_are_numbered(tmp_path):
    images = [image(1, video_id=5), image(2, video_id=4), image(3, video_id=5), image(4)]
    table = read(tmp_path, content(images, []))
    assert (table.sequences, table.sequence_of.tolist()) == (("5", "4", ""), [0, 1, 0, 2])
    assert table.frames.tolist() == [1, 1, 2, 0]
    images = [image(1, video_id=5, frame_index=30), image(2, video_id=5, frame_index=60)]
    assert read(tmp_path, content(images, [])).frames.tolist() == [30, 60]


def test_coco_categories_of_equal_name_are_one_class(tmp_path):
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "person"}, {"id": 3}]
    annotations = [annotation(1, 1, category_id=2), annotation(2, 1, category_id=3)]
    table = read(tmp_path, {**content([image(1)], annotations), "categories": categories})
    assert (table.class_names, table.classes.tolist()) == (("person", "3"), [0, 1])


ONE = [image(1)]
WRONG = [
    ("{", r"a.json:1: not JSON"),
    ("[]", "not a COCO file"),
    ({"images": []}, "no list of objects 'categories'"),
    ({"images": [1], "annotations": [], "categories": []}, "no list of objects 'images'"),
    (content([image(1), image(1)], []), r"images\[1\]: id 1 is that of \[0\] too"),
    (content([{"file_name": "a"}], []), r"images\[0\]: no id"),
    (content([{"id": 1}], []), "image 1: no file_name"),
    (content([image(1, height="a")], []), "image 1: height 'a' is not a whole number"),
    (content([image(1, video_id=3)], [], videos=[{"id": 1}]), "image 1: video_id 3 is not in videos"),
    (content(ONE, [{"id": 4}]), "annotation 4: no image_id"),
    (content(ONE, [annotation(4, 1, category_id=2)]), "annotation 4: category_id 2 is not in categories"),
    (content(ONE, [annotation(4, 1, category_id=[2])]), r"annotation 4: category_id \[2\] is not in categories"),
    (content(ONE, [annotation(4, 1, bbox=[])]), r"annotation 4: bbox = \[\] is not four"),
    (content(ONE, [annotation(3, 1), annotation(4, 1, bbox=[1, 2, 3])]), "annotation 4: bbox"),
    (content(ONE, [annotation(4, 1, bbox=[1, 2, 3, float("nan")])]), "annotation 4: bbox"),
    (content(ONE, [annotation(4, 1, bbox=[1, 2, 3, 10**400])]), "annotation 4: bbox"),
    (content(ONE, [annotation(4, 1, bbox=[1, 2, 3, "4"]), annotation(5, 1, bbox={})]), "annotation 4: bbox"),
    (content(ONE, [{"id": 4, "image_id": 1, "category_id": 1}]), "annotation 4: bbox is missing"),
    (content(ONE, [annotation(4, 1, track_id="x")]), "annotation 4: track_id 'x' is not a whole number"),
    (content(ONE, [annotation(4, 1, track_id=1.5)]), "annotation 4: track_id '1.5' is not a whole number"),
    (content(ONE, [annotation(4, 1, track_id=float("nan"))]), "annotation 4: track_id 'nan' is not a whole number"),
]


@pytest.mark.parametrize(("value", "message"), WRONG)
def test_invalid_input_names_cause(tmp_path, value, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, value)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_is_coco_reads_start_of_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"annotations": [' + "1," * 100_000)
    assert is_coco(path)
    path.write_text('{"shapes": []}')
    assert not is_coco(path)
    path.write_text('[{"images": []}]')
    assert not is_coco(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(label_tables())
def test_written_annotations_round_trip(tmp_path, table):
    path = tmp_path / "written.json"
    write_coco(path, table)
    require_equal(read_coco(path), table)


def test_coco_many_boxes_of_one_image(tmp_path):
    table = read(tmp_path, content(ONE, [annotation(number, 1) for number in range(100_000)]))
    assert np.bincount(table.image_of).tolist() == [100_000]

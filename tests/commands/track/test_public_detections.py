"""Public detections in both modes."""

import numpy as np
import pytest
import torch
from helpers.locations import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairmot.commands.track.public_detections import (
    PublicDetector,
    find_public_file,
    read_public_boxes,
    require_public_files,
    supported_by_public,
)
from fairmot.config.load import load_cfg
from fairmot.engine.build import build_predictor
from fairmot.models.build import build_model
from fairmot.structures.detections import Detections
from fairmot.structures.frame import Frame
from fairmot.utils.errors import InputError
from fairmot.video.source import open_frames

MINI = SHARED / "data" / "mot17-mini"
SLIM = ["MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "4", "INPUT.SIZE_HW", "(64, 96)"]


class FakePredictor:
    """Predictor that always returns the same two detections."""

    boxes = np.array([[10, 10, 30, 50], [60, 10, 80, 50]], dtype=np.float32)

    def __init__(self, scores=(0.9, 0.8), classes=(0, 0)):
        self.scores = np.array(scores)
        self.classes = np.array(classes)

    def __call__(self, image):
        return Detections(self.boxes, self.scores, np.eye(2), self.classes)


@pytest.fixture
def network():
    torch.manual_seed(0)
    cfg = load_cfg(None, SLIM)
    return build_predictor(cfg, build_model(cfg), device=torch.device("cpu"))


@pytest.fixture
def boxes(tmp_path):
    """Write a file of detections and open it."""

    def opened(text, classes=("pedestrian",)):
        (tmp_path / "street.txt").write_text(text, encoding="utf-8")
        return read_public_boxes(tmp_path, None, "street", classes=classes)

    return opened


def blank(index=1):
    return Frame(index, np.zeros((60, 90, 3), dtype=np.uint8))


def test_public_file_is_found(tmp_path):
    own, other = tmp_path / "street" / "det" / "det.txt", tmp_path / "found" / "Street 1.txt"
    for path in (own, other):
        path.parent.mkdir(parents=True)
        path.touch()
    assert find_public_file("det", tmp_path / "street", "Street 1") == own
    assert find_public_file(tmp_path / "found", tmp_path / "street", "Street 1") == other
    assert find_public_file(str(other), None, "anything") == other


def test_missing_public_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"walk\.txt: no such file; expected the public detections of walk"):
        find_public_file(tmp_path, None, "walk")
    with pytest.raises(InputError, match=r"det/det\.txt: no such file"):
        find_public_file("det", tmp_path, "walk")
    with pytest.raises(InputError, match="walk is no MOTChallenge sequence"):
        find_public_file("det", None, "walk")


def test_public_files_of_all_sequences_are_required(tmp_path):
    folders = [tmp_path / name for name in ("street", "square")]
    for folder in folders:
        (folder / "img1").mkdir(parents=True)
    (folders[1] / "seqinfo.ini").write_text("[Sequence]\nname=plaza\nseqLength=1\n")
    found, names = tmp_path / "found", [str(folder) for folder in folders]
    found.mkdir()
    (found / "street.txt").touch()
    with pytest.raises(InputError, match=r"found/plaza\.txt: no such file"):
        require_public_files(found, names)
    (found / "plaza.txt").touch()
    require_public_files(found, [*names, "0", "walk.mp4"])
    with pytest.raises(InputError, match=r"street/det/det\.txt: no such file"):
        require_public_files("det", names)
    with pytest.raises(InputError, match=r"street\.txt: one file of public detections for 2 sequences"):
        require_public_files(found / "street.txt", names)
    require_public_files(found / "street.txt", names[:1])


def test_rows_are_found_by_frame(boxes):
    found = boxes("3,-1,1,1,5,5,0.3\n1,-1,2,1,5,5,0.1\n3,-1,3,1,5,5,0.2\n")
    scores = [found.table.confidences[found.rows(frame)].tolist() for frame in (1, 2, 3, 4)]
    assert scores == [[0.1], [], [0.3, 0.2], []]
    assert str(found).endswith("street.txt: 3 boxes in 2 frames, scores unchanged")


def test_rows_of_other_classes_are_left_out(boxes):
    text = "1,-1,1,1,5,5,0.3,3\n1,-1,2,1,5,5,0.1,1\n1,-1,3,1,5,5,0.2,8\n1,-1,4,1,5,5,0.2,-1\n"
    found = boxes(text, classes=("car", "pedestrian"))
    assert found.table.boxes_tlwh[:, 0].tolist() == [1, 2, 4]
    assert found.classes.tolist() == [0, 1, -1]


def test_file_of_other_classes_only_is_refused(boxes):
    with pytest.raises(InputError, match=r"street\.txt: no box of class pedestrian; column 8 has 3, 7"):
        boxes("1,-1,1,1,5,5,0.3,7\n1,-1,2,1,5,5,0.1,3\n")


def test_replaced_boxes_are_embedded_at_their_centers(boxes, network):
    found = boxes("2,-1,40,20,10,30,-0.5\n1,-1,10,5,20,40,2\n1,-1,50,5,20,40,-1\n")
    frame = Frame(1, np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8))
    detections, can_initiate = PublicDetector(network, found, mode="replace")(frame)
    assert can_initiate is None
    np.testing.assert_allclose(detections.boxes_xyxy, [[10, 5, 30, 45], [50, 5, 70, 45]])
    np.testing.assert_allclose(detections.scores, [0.880797, 0.268941], atol=1e-6)
    np.testing.assert_array_equal(detections.embeddings, network.embed(frame.image, detections.boxes_xyxy))
    np.testing.assert_allclose(np.linalg.norm(detections.embeddings, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("mode", ["replace", "initiate"])
def test_frame_without_public_boxes(boxes, network, mode):
    detections, can_initiate = PublicDetector(network, boxes("2,-1,40,20,10,30,1\n"), mode=mode)(blank())
    assert detections.embeddings.shape[1] == 4
    if mode == "replace":
        assert (len(detections), can_initiate) == (0, None)
    else:
        assert len(detections) > 0
        assert not can_initiate.any()


def test_empty_file_lets_no_track_start(boxes):
    assert PublicDetector(FakePredictor(), boxes(""))(blank())[1].tolist() == [False, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,-1,10,10,20,40,1\n", [True, False]),
        ("1,-1,10,10,20,20,1\n", [True, False]),  # an IoU of exactly 0.5
        ("1,-1,10,10,20,19,1\n", [False, False]),
        ("1,-1,10,10,20,40,1\n1,-1,62,10,20,40,1\n", [True, True]),
        ("2,-1,10,10,20,40,1\n", [False, False]),  # of another frame
    ],
)
def test_detection_may_start_a_track_at_a_public_one(boxes, text, expected):
    detections, can_initiate = PublicDetector(FakePredictor(), boxes(text))(blank())
    assert can_initiate.tolist() == expected
    np.testing.assert_array_equal(detections.boxes_xyxy, FakePredictor.boxes)


def test_public_box_of_another_class_does_not_support(boxes):
    people = FakePredictor(classes=(0, 1))
    text = "1,-1,10,10,20,40,1,3\n1,-1,60,10,20,40,1,3\n"
    found = boxes(text, classes=("pedestrian", "car"))
    assert PublicDetector(people, found)(blank())[1].tolist() == [False, True]


def test_row_of_unknown_class_supports_any_class(boxes):
    found = boxes("1,-1,10,10,20,40,1,1\n1,-1,60,10,20,40,1,-1\n", classes=("pedestrian", "car"))
    assert PublicDetector(FakePredictor(classes=(0, 1)), found)(blank())[1].tolist() == [True, True]
    with pytest.raises(InputError, match=r"street\.txt:2: no class in column 8"):
        PublicDetector(FakePredictor(), found, mode="replace")


def test_highest_score_takes_the_public_box(boxes):
    """A second peak of the same person with a lower score may have a larger IoU."""
    iou = np.array([[0.6], [0.9]])
    assert supported_by_public(iou, np.array([0.9, 0.2]), min_iou=0.5).tolist() == [True, False]


def test_unknown_mode_names_the_choices(boxes):
    with pytest.raises(ValueError, match="mode: 'deaths'; choose from replace, initiate"):
        PublicDetector(FakePredictor(), boxes(""), mode="deaths")


@settings(max_examples=40)
@given(st.data())
def test_support_is_one_to_one_and_includes_the_highest_score(data):
    detections, public = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))
    iou = data.draw(hnp.arrays(np.float64, (detections, public), elements=st.floats(0, 1)))
    scores = data.draw(hnp.arrays(np.float64, detections, elements=st.floats(0, 1)))
    supported = supported_by_public(iou, scores, min_iou=0.5)
    possible = iou >= 0.5
    assert supported.sum() <= possible.any(axis=0).sum()
    assert not supported[~possible.any(axis=1)].any()
    if possible.any():
        best = np.flatnonzero(possible.any(axis=1))
        assert supported[best[np.argmax(scores[best])]]


@pytest.mark.dataset
def test_real_sequence_with_its_own_detections(network):
    if not MINI.is_dir():
        pytest.skip(f"{MINI} is absent: the frames and detections of MOT17")
    folder = MINI / "MOT17-09-FRCNN"
    found = read_public_boxes("det", folder, folder.name)
    with open_frames(str(folder)) as frames:
        frame = next(iter(frames))
    detections, _ = PublicDetector(network, found, mode="replace")(frame)
    assert len(detections) == (found.table.frames == 1).sum() > 0
    assert np.isfinite(detections.embeddings).all()

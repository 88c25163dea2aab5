"""Conversion of detections and tracks to and from the package supervision."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairmot.formats.supervision import (
    detections_from_supervision,
    detections_to_supervision,
    tracks_to_supervision,
)
from fairmot.geometry.boxes import xyxy_to_tlwh
from fairmot.structures.detections import Detections
from fairmot.structures.tracks import AssociationStage, Tracks
from fairmot.tracking.tracker import JointTracker, TrackerOptions
from fairmot.utils.errors import InputError

TRACKS = Tracks(
    ids=np.array([3, 5]),
    boxes_tlwh=np.array([[10.0, 20, 30, 40], [50, 5, 20, 60]]),
    scores=np.array([0.9, 0.6]),
    classes=np.array([0, 1]),
    detection_index=np.array([1, 0]),
    ages=np.array([1, 7]),
    stages=np.array([AssociationStage.INITIATION, AssociationStage.OVERLAP]),
    costs=np.array([np.nan, 0.25]),
)


@pytest.fixture(scope="module")
def sv():
    return pytest.importorskip("supervision", reason="the package supervision is not installed")


@st.composite
def some_detections(draw):
    count, dimension = draw(st.integers(0, 5)), draw(st.integers(1, 4))
    numbers = st.floats(-1e4, 1e4, width=32)
    return Detections(
        boxes_xyxy=draw(hnp.arrays(np.float32, (count, 4), elements=numbers)),
        scores=draw(hnp.arrays(np.float32, count, elements=st.floats(0, 1, width=32))),
        embeddings=draw(hnp.arrays(np.float32, (count, dimension), elements=st.floats(-1, 1, width=32))),
        classes=draw(hnp.arrays(np.int64, count, elements=st.integers(0, 9))),
    )


@settings(max_examples=40)
@given(some_detections())
def test_detections_are_unchanged_after_conversion_and_back(sv, detections):
    back = detections_from_supervision(detections_to_supervision(detections))
    for name in ("boxes_xyxy", "scores", "embeddings", "classes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(detections, name), err_msg=name)
        assert getattr(back, name).dtype == getattr(detections, name).dtype


@settings(max_examples=40)
@given(some_detections(), st.data())
def test_embeddings_follow_a_selection(sv, detections, data):
    kept = data.draw(hnp.arrays(np.bool_, len(detections)))
    back = detections_from_supervision(detections_to_supervision(detections)[kept])
    np.testing.assert_array_equal(back.embeddings, detections.embeddings[kept])
    np.testing.assert_array_equal(back.boxes_xyxy, detections.boxes_xyxy[kept])


def test_tracks_keep_stage_cost_and_age(sv):
    found = tracks_to_supervision(TRACKS)
    assert isinstance(found, sv.Detections)
    assert found.tracker_id.tolist() == [3, 5]
    assert found.xyxy.tolist() == [[10, 20, 40, 60], [50, 5, 70, 65]]
    assert (found.confidence.tolist(), found.class_id.tolist()) == ([0.9, 0.6], [0, 1])
    assert found.data["stage"].tolist() == ["initiation", "overlap"]
    assert (found.data["age"].tolist(), found.data["detection_index"].tolist()) == ([1, 7], [1, 0])
    np.testing.assert_array_equal(found.data["cost"], [np.nan, 0.25])
    assert found[found.data["stage"] == "overlap"].tracker_id.tolist() == [5]


def test_frame_without_tracks_is_empty(sv):
    nothing = TRACKS[np.zeros(2, dtype=np.bool_)]
    assert len(tracks_to_supervision(nothing)) == 0


@settings(max_examples=40)
@given(st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_tracks_are_converted_completely(sv, count, seed):
    rng = np.random.default_rng(seed)
    tracks = Tracks(
        ids=rng.permutation(count) + 1,
        boxes_tlwh=rng.uniform(1, 100, (count, 4)),
        scores=rng.uniform(size=count),
        classes=rng.integers(0, 3, count),
        detection_index=rng.permutation(count),
        ages=rng.integers(1, 99, count),
        stages=rng.choice(list(map(int, AssociationStage)), count),
        costs=rng.uniform(size=count),
    )
    found = tracks_to_supervision(tracks)
    converted = Tracks(
        ids=found.tracker_id,
        boxes_tlwh=xyxy_to_tlwh(found.xyxy),
        scores=found.confidence,
        classes=found.class_id,
        detection_index=found.data["detection_index"],
        ages=found.data["age"],
        stages=np.array([AssociationStage[name.upper()] for name in found.data["stage"]], dtype=np.int64),
        costs=found.data["cost"],
    )
    np.testing.assert_allclose(converted.boxes_tlwh, tracks.boxes_tlwh)
    for name in ("ids", "scores", "classes", "detection_index", "ages", "stages", "costs"):
        np.testing.assert_array_equal(getattr(converted, name), getattr(tracks, name), err_msg=name)


def test_missing_scores_classes_and_embeddings_have_defaults():
    found = SimpleNamespace(xyxy=np.array([[0, 0, 4, 8]]), confidence=None, class_id=None, data={})
    detections = detections_from_supervision(found)
    assert (detections.scores.tolist(), detections.class_index.tolist()) == ([1], [0])
    assert detections.embeddings.tolist() == [[0]]
    assert detections.boxes_xyxy.dtype == np.float32


def test_given_embeddings_take_precedence():
    found = SimpleNamespace(
        xyxy=np.zeros((1, 4)), confidence=np.array([0.5]), class_id=np.array([2]), data={"embedding": np.zeros((1, 9))}
    )
    assert detections_from_supervision(found, np.array([[0.6, 0.8]])).embeddings.tolist() == [[0.6, 0.8]]
    with pytest.raises(ValueError, match="embeddings"):
        detections_from_supervision(found, np.zeros((2, 3)))


def test_detections_without_embeddings_are_tracked_by_overlap(sv):
    tracker = JointTracker(TrackerOptions())
    for frame in range(4):
        box = np.array([[10.0 + frame, 10, 30 + frame, 60], [70.0 - frame, 10, 90 - frame, 60]])
        tracks = tracker.update(detections_from_supervision(sv.Detections(xyxy=box)))
    assert tracks.ids.tolist() == [1, 2]


def test_annotators_draw_tracks(sv):
    image = np.zeros((80, 100, 3), dtype=np.uint8)
    tracks = tracks_to_supervision(TRACKS)
    labels = [f"{track} {stage}" for track, stage in zip(tracks.tracker_id, tracks.data["stage"], strict=True)]
    assert sv.BoxAnnotator().annotate(image.copy(), tracks)[59, 25].any()
    assert sv.LabelAnnotator().annotate(image.copy(), tracks, labels=labels).any()
    trace = sv.TraceAnnotator(position=sv.Position.BOTTOM_CENTER)
    trace.annotate(image.copy(), tracks)
    assert trace.annotate(image.copy(), tracks_to_supervision(TRACKS)).any()


@pytest.mark.parametrize("convert", [tracks_to_supervision, detections_to_supervision])
def test_missing_package_is_one_line(monkeypatch, convert):
    monkeypatch.setitem(sys.modules, "supervision", None)
    given = {
        tracks_to_supervision: TRACKS,
        detections_to_supervision: Detections(np.zeros((1, 4)), np.ones(1), np.ones((1, 1))),
    }
    with pytest.raises(InputError, match=r"^the package supervision is not installed .*: pip install supervision$"):
        convert(given[convert])

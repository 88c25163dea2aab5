import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairmot.formats.detection_cache import DetectionCache, read_cache, write_cache
from fairmot.formats.detection_cache_writer import DetectionCacheWriter
from fairmot.formats.text_io import part_path
from fairmot.structures.detections import Detections
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError


def make_input(frame, count, rng, *, time=None, motion=False, limits=False, dimension=3):
    detections = Detections(
        boxes_xyxy=rng.uniform(0, 100, (count, 4)).astype(np.float32),
        scores=rng.uniform(0, 1, count).astype(np.float32),
        embeddings=rng.normal(size=(count, dimension)).astype(np.float32),
        classes=rng.integers(0, 3, count),
    )
    return TrackerInput(
        frame,
        detections,
        time=time,
        camera_motion=rng.normal(size=(2, 3)) if motion else None,
        can_initiate=rng.random(count) < 0.5 if limits else None,
    )


def write_frames(path, inputs, frame_rate=25.0):
    with DetectionCacheWriter(path, frame_rate) as cache:
        for item in inputs:
            cache.add(item)
    return read_cache(path)


def assert_same(one, other):
    for name in (field.name for field in dataclasses.fields(DetectionCache)):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(0, 4), max_size=5), timed=st.booleans(), motion=st.booleans(), limits=st.booleans())
def test_written_cache_has_the_inputs_from_score_0_1_up(tmp_path, counts, timed, motion, limits):
    rng = np.random.default_rng(len(counts))
    inputs = [
        make_input(2 * index + 3, count, rng, time=index / 25 if timed else None, motion=motion, limits=limits)
        for index, count in enumerate(counts)
    ]
    cache = write_frames(tmp_path / "street.npz", inputs)
    assert [path.name for path in tmp_path.iterdir()] == ["street.npz"]
    outputs = list(cache.tracker_inputs())
    assert [item.frame for item in outputs] == [item.frame for item in inputs]
    assert [item.time for item in outputs] == [item.time for item in inputs]
    for given_in, given_out in zip(inputs, outputs, strict=True):
        kept = given_in.detections.scores >= np.float32(0.1)
        for name in ("boxes_xyxy", "scores", "classes"):
            expected = getattr(given_in.detections, name)[kept]
            np.testing.assert_array_equal(getattr(given_out.detections, name), expected)
        if kept.any():
            np.testing.assert_array_equal(given_out.detections.embeddings, given_in.detections.embeddings[kept])
        for name, rows in (("camera_motion", slice(None)), ("can_initiate", kept)):
            expected = getattr(given_in, name)
            np.testing.assert_array_equal(getattr(given_out, name), None if expected is None else expected[rows])


def test_values_that_are_not_finite_give_a_readable_cache(tmp_path):
    """A box and an embedding that are not finite, and one frame without camera motion."""
    boxes = np.array([[0.0, 0, 4, 4], [0, np.nan, 4, 4]], np.float32)
    embeddings = np.array([[np.nan, 1.0], [1.0, 0.0]], np.float32)
    odd = TrackerInput(1, Detections(boxes, np.ones(2, np.float32), embeddings))
    moved = TrackerInput(2, odd.detections[:1], camera_motion=np.full((2, 3), 2.0))
    cache = write_frames(tmp_path / "odd.npz", [odd, moved])
    assert cache.frame_counts.tolist() == [1, 1]
    assert cache.embeddings.tolist() == [[0.0, 0.0]] * 2
    np.testing.assert_array_equal(cache.camera_motion, [np.eye(2, 3), np.full((2, 3), 2.0)])


def test_incremental_cache_equals_one_written_at_once(tmp_path):
    rng = np.random.default_rng(0)
    inputs = [make_input(frame, frame % 3, rng) for frame in range(1, 7)]
    full = DetectionCache.from_frames((item.detections for item in inputs), frame_rate=25.0)
    write_cache(tmp_path / "full.npz", full)
    assert_same(write_frames(tmp_path / "incremental.npz", inputs), read_cache(tmp_path / "full.npz"))


def test_other_embedding_length_or_suffix_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="embeddings: 4 values, those before had 3"):
        write_frames(tmp_path / "street.npz", [make_input(1, 2, rng), make_input(2, 2, rng, dimension=4)])
    with pytest.raises(InputError, match=r"\.npz"):
        DetectionCacheWriter(tmp_path / "street.txt", 25.0)
    assert list(tmp_path.iterdir()) == []


def test_failure_keeps_the_old_cache_and_removes_leftovers(tmp_path):
    path = tmp_path / "street.npz"
    part_path(path).mkdir()
    (part_path(path) / "scores").write_bytes(b"half")
    before = write_frames(path, [make_input(1, 2, np.random.default_rng(0))])
    with pytest.raises(ValueError, match="embeddings"):
        write_frames(
            path, [make_input(1, 1, np.random.default_rng(1)), make_input(2, 1, np.random.default_rng(1), dimension=9)]
        )
    assert_same(read_cache(path), before)
    assert [item.name for item in tmp_path.iterdir()] == ["street.npz"]


def test_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "street.npz.part").touch()
    with pytest.raises(InputError, match=r"street\.npz: cannot be written"):
        write_frames(tmp_path / "street.npz", [])

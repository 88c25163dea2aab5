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


def observe(frame, count, rng, *, time=None, motion=False, limits=False, dimension=3):
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


def spool(path, observations, frame_rate=25.0):
    with DetectionCacheWriter(path, frame_rate) as cache:
        for observation in observations:
            cache.add(observation)
    return read_cache(path)


def assert_same(one, other):
    for name in (field.name for field in dataclasses.fields(DetectionCache)):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(0, 4), max_size=5), timed=st.booleans(), motion=st.booleans(), limits=st.booleans())
def test_a_spooled_cache_says_what_was_seen_from_a_tenth_up(tmp_path, counts, timed, motion, limits):
    rng = np.random.default_rng(len(counts))
    seen = [
        observe(2 * place + 3, count, rng, time=place / 25 if timed else None, motion=motion, limits=limits)
        for place, count in enumerate(counts)
    ]
    cache = spool(tmp_path / "street.npz", seen)
    assert [path.name for path in tmp_path.iterdir()] == ["street.npz"]
    told = list(cache.tracker_inputs())
    assert [item.frame for item in told] == [item.frame for item in seen]
    assert [item.time for item in told] == [item.time for item in seen]
    for given_in, given_out in zip(seen, told, strict=True):
        kept = given_in.detections.scores >= np.float32(0.1)
        for name in ("boxes_xyxy", "scores", "classes"):
            expected = getattr(given_in.detections, name)[kept]
            np.testing.assert_array_equal(getattr(given_out.detections, name), expected)
        if kept.any():
            np.testing.assert_array_equal(given_out.detections.embeddings, given_in.detections.embeddings[kept])
        for name, rows in (("camera_motion", slice(None)), ("can_initiate", kept)):
            expected = getattr(given_in, name)
            np.testing.assert_array_equal(getattr(given_out, name), None if expected is None else expected[rows])


def test_what_trackers_leave_out_leaves_no_cache_that_cannot_be_read(tmp_path):
    """A box that is not finite, an embedding that is not, and a frame without camera motion among others."""
    boxes = np.array([[0.0, 0, 4, 4], [0, np.nan, 4, 4]], np.float32)
    looks = np.array([[np.nan, 1.0], [1.0, 0.0]], np.float32)
    odd = TrackerInput(1, Detections(boxes, np.ones(2, np.float32), looks))
    moved = TrackerInput(2, odd.detections[:1], camera_motion=np.full((2, 3), 2.0))
    cache = spool(tmp_path / "odd.npz", [odd, moved])
    assert cache.frame_counts.tolist() == [1, 1]
    assert cache.embeddings.tolist() == [[0.0, 0.0]] * 2
    np.testing.assert_array_equal(cache.camera_motion, [np.eye(2, 3), np.full((2, 3), 2.0)])


def test_a_spooled_cache_equals_a_written_one(tmp_path):
    rng = np.random.default_rng(0)
    seen = [observe(frame, frame % 3, rng) for frame in range(1, 7)]
    whole = DetectionCache.from_frames((item.detections for item in seen), frame_rate=25.0)
    write_cache(tmp_path / "whole.npz", whole)
    assert_same(spool(tmp_path / "spooled.npz", seen), read_cache(tmp_path / "whole.npz"))


def test_frames_of_another_size_and_names_of_another_kind_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="embeddings: 4 values, those before had 3"):
        spool(tmp_path / "street.npz", [observe(1, 2, rng), observe(2, 2, rng, dimension=4)])
    with pytest.raises(InputError, match=r"\.npz"):
        DetectionCacheWriter(tmp_path / "street.txt", 25.0)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_cache_and_a_killed_run_s_part_does_not_matter(tmp_path):
    path = tmp_path / "street.npz"
    part_path(path).mkdir()
    (part_path(path) / "scores").write_bytes(b"half")
    before = spool(path, [observe(1, 2, np.random.default_rng(0))])
    with pytest.raises(ValueError, match="embeddings"):
        spool(path, [observe(1, 1, np.random.default_rng(1)), observe(2, 1, np.random.default_rng(1), dimension=9)])
    assert_same(read_cache(path), before)
    assert [item.name for item in tmp_path.iterdir()] == ["street.npz"]


def test_where_no_folder_can_be_made_is_one_line(tmp_path):
    (tmp_path / "street.npz.part").touch()
    with pytest.raises(InputError, match=r"street\.npz: cannot be written"):
        spool(tmp_path / "street.npz", [])

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairmot.formats.detection_cache import DetectionCache, read_cache, write_cache
from fairmot.structures.detections import Detections
from fairmot.utils.errors import InputError


def make_arrays(counts: tuple[int, ...] = (2, 0, 1), dimension: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    count = sum(counts)
    return {
        "frame_counts": np.array(counts, dtype=np.int64),
        "boxes_xyxy": rng.uniform(0, 100, (count, 4)).astype(np.float32),
        "scores": rng.uniform(0.1, 1, count).astype(np.float32),
        "embeddings": rng.normal(size=(count, dimension)).astype(np.float32),
        "frame_rate": 25.0,
    }


def save(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def assert_equal(left: DetectionCache, right: DetectionCache) -> None:
    for name in ("frame_counts", "boxes_xyxy", "scores", "embeddings", "classes"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    assert left.frame_rate == right.frame_rate


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.lists(st.integers(0, 4), max_size=6), dimension=st.integers(0, 5))
def test_written_cache_is_read_unchanged(tmp_path: Path, counts: list[int], dimension: int) -> None:
    cache = DetectionCache(**make_arrays(tuple(counts), dimension))
    write_cache(tmp_path / "cache.npz", cache)
    assert_equal(read_cache(tmp_path / "cache.npz"), cache)
    assert [path.name for path in tmp_path.iterdir()] == ["cache.npz"]


def test_frames_and_from_frames_are_inverse() -> None:
    cache = DetectionCache(**make_arrays(), classes=np.array([0, 2, 1]))
    frames = list(cache.frames())
    assert [len(frame) for frame in frames] == [2, 0, 1]
    assert frames[2].class_index.tolist() == [1]
    assert_equal(DetectionCache.from_frames(frames, frame_rate=25.0), cache)
    assert len(cache) == 3


def test_cache_without_frames_or_detections() -> None:
    nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 0)))
    assert DetectionCache.from_frames([nothing, nothing], frame_rate=30.0).frame_counts.tolist() == [0, 0]
    assert list(DetectionCache.from_frames([], frame_rate=30.0).frames()) == []


def test_written_cache_keeps_scores_from_0_1_up(tmp_path: Path) -> None:
    arrays = make_arrays()
    arrays["scores"] = np.array([0.099, 0.1, 0.05], np.float32)
    write_cache(tmp_path / "cache.npz", DetectionCache(**arrays))
    cache = read_cache(tmp_path / "cache.npz")
    assert cache.frame_counts.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(cache.boxes_xyxy, arrays["boxes_xyxy"][1:2])


def test_other_arrays_are_ignored_and_types_converted(tmp_path: Path) -> None:
    arrays = make_arrays()
    arrays |= {"note": np.array("any"), "expected_tracks": np.zeros((1, 7)), "frame_rate": np.array([14.0], np.float32)}
    arrays["scores"] = arrays["scores"].astype(np.float64)
    arrays["frame_counts"] = arrays["frame_counts"].astype(np.uint8)
    cache = read_cache(save(tmp_path / "cache.npz", arrays))
    assert cache.scores.dtype == np.float32
    assert cache.frame_counts.dtype == np.int64
    assert cache.frame_rate == 14.0
    assert cache.class_index.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frame_counts", np.array([2, 2]), "frame_counts: 4 detections in total, but 3 scores"),
        ("frame_counts", np.array([4, -1]), "frame_counts"),
        ("frame_counts", np.array([1.5, 1.5]), "frame_counts: float64"),
        ("boxes_xyxy", np.zeros((3, 5)), "boxes_xyxy: expected shape"),
        ("boxes_xyxy", np.full((3, 4), np.nan), "boxes_xyxy: a value is not finite"),
        ("scores", np.array(["a", "b", "c"]), "scores: <U1"),
        ("scores", np.array([0.5, np.inf, 0.5]), "scores: a value is not finite"),
        ("embeddings", np.zeros(3), "embeddings: float64 of shape"),
        ("embeddings", np.zeros((2, 8)), "embeddings: expected shape"),
        ("embeddings", np.full((3, 8), np.nan), "embeddings: a value is not finite"),
        ("frame_rate", np.array(0.0), "frame_rate: 0.0 is not a positive number"),
        ("frame_rate", np.array([25.0, 30.0]), "frame_rate: float64 of shape"),
        ("classes", np.array([0, 1]), "classes: expected shape"),
        ("classes", np.array([0, 1, -1]), "classes: a class index is below 0"),
        ("scores", np.array([{}, 1, 2], dtype=object), "not a readable"),
        ("times", np.array([0.0, 1.0, 0.5]), "times: not ascending"),
        ("times", np.array([0.0, 1.0, np.inf]), "times: a value is infinite"),
    ],
)
def test_invalid_array_is_named(tmp_path: Path, name: str, value: np.ndarray, message: str) -> None:
    path = save(tmp_path / "cache.npz", make_arrays() | {name: value})
    with pytest.raises(InputError) as error:
        read_cache(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["frame_counts", "boxes_xyxy", "scores", "embeddings", "frame_rate"])
def test_missing_array_is_named(tmp_path: Path, name: str) -> None:
    arrays = make_arrays()
    del arrays[name]
    with pytest.raises(InputError, match=f"array {name} is missing"):
        read_cache(save(tmp_path / "cache.npz", arrays))


def test_file_that_is_no_cache_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("1,1,0,0\n")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "bare.npy", np.zeros(3))
    content = save(tmp_path / "full.npz", make_arrays()).read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    for name in ("text.npz", "empty.npz", "bare.npy", "cut.npz"):
        with pytest.raises(InputError, match="not a readable"):
            read_cache(tmp_path / name)
    for name in ("none.npz", "."):
        with pytest.raises(InputError):
            read_cache(tmp_path / name)


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cache.npz"
    cache = DetectionCache(**make_arrays())
    write_cache(path, cache)

    def fail(*args: Any, **arrays: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        write_cache(path, cache)
    assert_equal(read_cache(path), cache)
    assert [item.name for item in tmp_path.iterdir()] == ["cache.npz"]


def test_other_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a detection cache is"):
        write_cache(tmp_path / "cache.npy", DetectionCache(**make_arrays()))

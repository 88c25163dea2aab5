"""Tracker benchmark: parity of its reference tracker, its scenes and its rows."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.locations import FIXTURES, SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.cli import main
from fairmot.commands.benchmark import tracker as benchmark_tracker
from fairmot.commands.benchmark.reference.tracker import ReferenceTracker
from fairmot.commands.benchmark.scenes import SYNTHETIC, Crowd, CrowdOptions, Scene, make_scene, read_scene
from fairmot.commands.benchmark.tracker import check_equal, run_ours, run_reference
from fairmot.config.load import load_cfg
from fairmot.formats.detection_cache import REQUIRED, DetectionCache
from fairmot.structures.detections import Detections
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

REFERENCE = SHARED / "reference" / "tracker"
STAGES = ("select", "predict", "appearance", "overlap", "tentative", "initiation", "removal", "report")
SMALL = CrowdOptions(people=4, image_hw=(200, 300), missed=0.1, hidden=0.02, max_hidden=6, embedding_dim=16)


def check_reference(path: Path) -> None:
    """Frames, identities, their order and boxes equal those of the reference implementation."""
    with np.load(path) as file:
        expected = file["expected_tracks"]
    reported = run_reference(read_scene(path))
    rows = [(frame, one.identity) for frame, tracks in enumerate(reported, 1) for one in tracks]
    assert rows == [(int(frame), int(identity)) for frame, identity in expected[:, :2]]
    boxes_tlwh = np.array([one.box_tlwh for tracks in reported for one in tracks]).reshape(-1, 4)
    np.testing.assert_allclose(boxes_tlwh, expected[:, 2:6], rtol=0, atol=1e-3)


@pytest.mark.parity
@pytest.mark.parametrize("scene", ["street", "noisy", "reentry"])
def test_reference_tracker_equals_compact_reference_scenes(scene: str) -> None:
    check_reference(FIXTURES / f"tracker_{scene}.npz")


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.dataset
@pytest.mark.parametrize("scene", ["street", "crowd", "noisy", "lowfps", "sparse", "reentry", "gaps"])
def test_reference_tracker_equals_full_reference_scenes(scene: str) -> None:
    path = REFERENCE / f"{scene}.npz"
    if not path.is_file():
        pytest.skip(f"no reference scene {path}")
    check_reference(path)


@given(seed=st.integers(0, 10_000), people=st.integers(1, 8), buffer=st.sampled_from([1, 5, 30]))
@settings(max_examples=12)
def test_ours_equals_the_reference_in_random_crowds(seed: int, people: int, buffer: int) -> None:
    frames = tuple(islice(Crowd(replace(SMALL, people=people), make_rng(seed)).frames(), 30))
    scene = Scene("crowd", frames, max_lost=buffer)
    check_equal(scene, run_ours(scene), run_reference(scene))


def test_reference_removes_tentative_and_recovers_lost_tracks() -> None:
    vector = np.array([[1.0, 0.0]], dtype=np.float32)
    empty = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 2), np.float32))

    def person(left: float, embedding: np.ndarray = vector) -> Detections:
        return Detections(np.array([[left, 0, left + 40, 100]], np.float32), np.array([0.9], np.float32), embedding)

    tracker = ReferenceTracker(max_lost=3)
    frames = [person(0), empty, person(2), person(500, vector[:, ::-1]), empty, person(4)]
    assert [[one.identity for one in tracker.update(frame)] for frame in frames] == [[1], [], [1], [], [], [1]]


def test_synthetic_scene_is_a_function_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SYNTHETIC, "street", replace(SMALL, length=5, conf_threshold=0.3))
    first, again, other = (make_scene("street", seed=seed) for seed in (1, 1, 2))
    assert (len(first.frames), first.conf_threshold) == (5, 0.3)
    for one, two in zip(first.frames, again.frames, strict=True):
        for name in ("boxes_xyxy", "scores", "embeddings"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert first.frames[0].scores.tolist() != other.frames[0].scores.tolist()


def test_people_stay_in_the_image_until_they_are_replaced() -> None:
    options = replace(SMALL, people=6, missed=0, hidden=0, false_alarms=0, box_noise=0, embedding_noise=0, speed=0.05)
    crowd = Crowd(options, make_rng(3))
    embeddings, replaced = crowd.embeddings.copy(), 0
    for detections in islice(crowd.frames(), 60):
        assert len(detections) == 6
        centres = (detections.boxes_xyxy[:, :2] + detections.boxes_xyxy[:, 2:]) / 2
        assert (centres >= -0.01).all()
        assert (centres <= np.array([300, 200]) + 0.01).all()
        np.testing.assert_allclose(np.linalg.norm(detections.embeddings, axis=1), 1, atol=1e-6)
        replaced += int((crowd.embeddings != embeddings).any(axis=1).sum())
        embeddings = crowd.embeddings.copy()
    assert replaced > 0


def test_misses_occlusions_and_false_alarms_have_their_rates() -> None:
    crowd = replace(SMALL, people=50, missed=0.2, hidden=0, false_alarms=3.0)
    counts = [len(detections) for detections in islice(Crowd(crowd, make_rng(4)).frames(), 200)]
    assert np.mean(counts) == pytest.approx(50 * 0.8 + 3, abs=1)
    hiding = replace(crowd, hidden=0.05, max_hidden=9)  # hidden for 5 frames of about 25
    counts = [len(detections) for detections in islice(Crowd(hiding, make_rng(4)).frames(), 200)]
    assert np.mean(counts[20:]) == pytest.approx(50 * 0.8 * (1 - 5 * 0.05) + 3, abs=3)


@pytest.fixture
def _small_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(list(SYNTHETIC)):
        monkeypatch.setitem(SYNTHETIC, name, replace(SMALL, people=3 + number, length=8))


@pytest.mark.usefixtures("_small_scenes")
def test_benchmark_writes_one_row_per_scene_with_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tracker.json"
    assert main(["benchmark", "tracker", "--device", "cpu", "--repeats", "1", "--json", str(path)]) == 0
    content = json.loads(path.read_text())
    seed = load_cfg().SEED
    assert (content["scenes"], content["seed"]) == ("synthetic", seed)
    assert [row["name"] for row in content["rows"]] == ["street", "crowd", "noisy", "stream300"]
    for row in content["rows"]:
        assert row["unit"] == "ms"
        assert row["ratio"] == pytest.approx(row["reference"] / row["ours"])
        assert [name for name in row if name.startswith("ms_")] == [f"ms_{stage}" for stage in STAGES]
        assert all(row[f"ms_{stage}"] > 0 for stage in STAGES)
        assert row["held"] > 0
    detections = sum(len(frame) for frame in make_scene("crowd", seed=seed).frames) / 8
    assert content["rows"][1]["detections"] == pytest.approx(detections)
    assert "stream300" in capsys.readouterr().out


@pytest.mark.usefixtures("_small_scenes")
def test_scenes_are_read_from_a_folder(tmp_path: Path) -> None:
    for count, name in enumerate(("street", "crowd", "noisy"), 2):
        crowd = Crowd(replace(SMALL, people=count, missed=0, hidden=0, false_alarms=0), make_rng(count))
        cache = DetectionCache.from_frames(islice(crowd.frames(), 6), frame_rate=30.0)
        arrays = {name: getattr(cache, name) for name in REQUIRED}
        np.savez(tmp_path / f"{name}.npz", **arrays, conf_threshold=0.3, track_buffer=10)
    path = tmp_path / "tracker.json"
    arguments = ["tracker", "--device", "cpu", "--repeats", "1", "--scenes", str(tmp_path), "--json", str(path)]
    assert main(["benchmark", *arguments]) == 0
    content = json.loads(path.read_text())
    assert content["scenes"] == str(tmp_path)
    assert [row["detections"] for row in content["rows"][:3]] == [2, 3, 4]
    assert content["rows"][3]["name"] == "stream300"


def test_scene_has_threshold_and_buffer_at_its_frame_rate(tmp_path: Path) -> None:
    scene = read_scene(FIXTURES / "tracker_noisy.npz")
    assert scene.conf_threshold == pytest.approx(0.3)
    assert (scene.max_lost, len(scene.frames)) == (30, 60)
    cache = DetectionCache.from_frames(scene.frames, frame_rate=14.0)
    arrays = {name: getattr(cache, name) for name in REQUIRED}
    np.savez(tmp_path / "slow.npz", **arrays, conf_threshold=0.3, track_buffer=30)
    assert read_scene(tmp_path / "slow.npz").max_lost == 14


@pytest.mark.parametrize("what", ["identities", "order", "box", "missing"])
def test_difference_raises_and_names_the_frame(what: str) -> None:
    scene = Scene("street", tuple(islice(Crowd(SMALL, make_rng(1)).frames(), 6)))
    ours, reference = run_ours(scene), run_reference(scene)
    check_equal(scene, ours, reference)
    changes = {
        "identities": [reference[3][0]._replace(identity=99), *reference[3][1:]],
        "order": reference[3][::-1],
        "box": [
            reference[3][0]._replace(box_tlwh=reference[3][0].box_tlwh + np.array([0, 0, 0, 0.002])),
            *reference[3][1:],
        ],
        "missing": reference[3][1:],
    }
    reference[3] = changes[what]
    with pytest.raises(AssertionError, match="street, frame 4"):
        check_equal(scene, ours, reference)


def test_benchmark_compares_both_trackers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_tracker, "SYNTHETIC", {"street": SMALL})
    monkeypatch.setitem(SYNTHETIC, "street", replace(SMALL, length=4))
    monkeypatch.setattr(benchmark_tracker, "run_reference", lambda scene: [[] for _ in scene.frames])
    with pytest.raises(AssertionError, match="street, frame 1"):
        list(benchmark_tracker.benchmark_tracker(load_cfg(), scenes=None, repeats=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenes", "/nowhere"], "/nowhere/street.npz: no such file"),
        (["TRACKER.BUFFER", "60"], "TRACKER.BUFFER: the tracker benchmark uses the default options"),
        (["TRACKER.PRESET", "byte"], "TRACKER."),
    ],
)
def test_invalid_arguments_give_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "tracker", "--device", "cpu", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("value", [None, np.array([0.4, 0.5]), np.array("high")])
def test_cache_without_scene_options_is_refused(tmp_path: Path, value: np.ndarray | None) -> None:
    path = tmp_path / "street.npz"
    with np.load(FIXTURES / "tracker_noisy.npz") as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files if name != "conf_threshold"}
    if value is not None:
        arrays["conf_threshold"] = value
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"street\.npz: expected one number each in conf_threshold and track_buffer"):
        read_scene(path)

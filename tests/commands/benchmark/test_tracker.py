"""The tracker's benchmark: its reference equals the published tracker, its scenes are what they say, its rows too."""

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
from fairmot.commands.benchmark.reference.tracker import PlainOptions, PlainTracker, replay_plainly
from fairmot.commands.benchmark.scenes import MADE_UP, Crowd, MadeUp, Scene, Walkers, make_scene, read_scene
from fairmot.commands.benchmark.tracker import check_equal, plain_options, replay_ours
from fairmot.config.load import load_cfg
from fairmot.formats.detection_cache import REQUIRED, DetectionCache
from fairmot.structures.detections import Detections
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

REFERENCE = SHARED / "reference" / "tracker"
STAGES = ("select", "predict", "appearance", "overlap", "tentative", "initiation", "removal", "report")
SMALL = Crowd(people=4, view_hw=(200, 300), missed=0.1, hidden=0.02, hides=6, false_alarms=1.0, look_length=16)


def check_plain(path: Path) -> None:
    """The plain reading's frames, identities, their order, and boxes are the published ones."""
    with np.load(path) as file:
        expected = file["expected_tracks"]
    scene = read_scene(path)
    reported = replay_plainly(scene.frames, plain_options(scene))
    rows = [(frame, one.identity) for frame, tracks in enumerate(reported, 1) for one in tracks]
    assert rows == [(int(frame), int(identity)) for frame, identity in expected[:, :2]]
    boxes_tlwh = np.array([one.box_tlwh for tracks in reported for one in tracks]).reshape(-1, 4)
    np.testing.assert_allclose(boxes_tlwh, expected[:, 2:6], rtol=0, atol=1e-3)


@pytest.mark.parity
@pytest.mark.parametrize("scene", ["street", "noisy", "reentry"])
def test_the_reference_equals_the_published_tracks(scene: str) -> None:
    check_plain(FIXTURES / f"tracker_{scene}.npz")


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.dataset
@pytest.mark.parametrize("scene", ["street", "crowd", "noisy", "lowfps", "sparse", "reentry", "gaps"])
def test_the_reference_equals_the_published_tracks_of_full_scenes(scene: str) -> None:
    path = REFERENCE / f"{scene}.npz"
    if not path.is_file():
        pytest.skip(f"the full reference scene {scene} is not beside the repository")
    check_plain(path)


@given(seed=st.integers(0, 10_000), people=st.integers(1, 8), buffer=st.sampled_from([1, 5, 30]))
@settings(max_examples=12)
def test_ours_equals_the_reference_in_any_crowd(seed: int, people: int, buffer: int) -> None:
    frames = tuple(islice(Walkers(replace(SMALL, people=people), make_rng(seed)).watch(), 30))
    scene = Scene("crowd", frames, buffer=buffer)
    check_equal(scene, replay_ours(scene), replay_plainly(frames, plain_options(scene)))


def test_a_tentative_track_ends_without_a_second_sight_and_a_lost_one_comes_back() -> None:
    look = np.array([[1.0, 0.0]], dtype=np.float32)
    nobody = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 2), np.float32))

    def person(left: float, embedding: np.ndarray = look) -> Detections:
        return Detections(np.array([[left, 0, left + 40, 100]], np.float32), np.array([0.9], np.float32), embedding)

    tracker = PlainTracker(PlainOptions(max_lost=3))
    frames = [person(0), nobody, person(2), person(500, look[:, ::-1]), nobody, person(4)]
    assert [[one.identity for one in tracker.update(frame)] for frame in frames] == [[1], [], [1], [], [], [1]]


def test_a_made_up_scene_is_the_same_for_a_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MADE_UP, "street", MadeUp(SMALL, 5, 0.3))
    first, again, other = (make_scene("street", seed=seed) for seed in (1, 1, 2))
    assert (len(first.frames), first.conf_threshold) == (5, 0.3)
    for one, two in zip(first.frames, again.frames, strict=True):
        for name in ("boxes_xyxy", "scores", "embeddings"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert first.frames[0].scores.tolist() != other.frames[0].scores.tolist()


def test_walkers_are_seen_where_they_are_until_others_come() -> None:
    crowd = replace(SMALL, people=6, missed=0, hidden=0, false_alarms=0, box_noise=0, look_noise=0, speed=0.05)
    walkers = Walkers(crowd, make_rng(3))
    looks, came = walkers.looks.copy(), 0
    for detections in islice(walkers.watch(), 60):
        assert len(detections) == 6
        middles = (detections.boxes_xyxy[:, :2] + detections.boxes_xyxy[:, 2:]) / 2
        assert (middles >= -0.01).all()
        assert (middles <= np.array([300, 200]) + 0.01).all()
        np.testing.assert_allclose(np.linalg.norm(detections.embeddings, axis=1), 1, atol=1e-6)
        came += int((walkers.looks != looks).any(axis=1).sum())
        looks = walkers.looks.copy()
    assert came > 0


def test_misses_hiding_and_false_alarms_are_as_frequent_as_asked() -> None:
    crowd = replace(SMALL, people=50, missed=0.2, hidden=0, false_alarms=3.0)
    counts = [len(detections) for detections in islice(Walkers(crowd, make_rng(4)).watch(), 200)]
    assert np.mean(counts) == pytest.approx(50 * 0.8 + 3, abs=1)
    hiding = replace(crowd, hidden=0.05, hides=9)  # hidden for 5 frames of about 25
    counts = [len(detections) for detections in islice(Walkers(hiding, make_rng(4)).watch(), 200)]
    assert np.mean(counts[20:]) == pytest.approx(50 * 0.8 * (1 - 5 * 0.05) + 3, abs=3)


@pytest.fixture
def _small_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(list(MADE_UP)):
        monkeypatch.setitem(MADE_UP, name, MadeUp(replace(SMALL, people=3 + number), 8))


@pytest.mark.usefixtures("_small_scenes")
def test_the_tool_writes_a_row_a_scene_with_its_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
        walkers = Walkers(replace(SMALL, people=count, missed=0, hidden=0, false_alarms=0), make_rng(count))
        cache = DetectionCache.from_frames(islice(walkers.watch(), 6), frame_rate=30.0)
        arrays = {name: getattr(cache, name) for name in REQUIRED}
        np.savez(tmp_path / f"{name}.npz", **arrays, conf_threshold=0.3, track_buffer=10)
    path = tmp_path / "tracker.json"
    arguments = ["tracker", "--device", "cpu", "--repeats", "1", "--scenes", str(tmp_path), "--json", str(path)]
    assert main(["benchmark", *arguments]) == 0
    content = json.loads(path.read_text())
    assert content["scenes"] == str(tmp_path)
    assert [row["detections"] for row in content["rows"][:3]] == [2, 3, 4]
    assert content["rows"][3]["name"] == "stream300"


def test_a_scene_brings_its_threshold_buffer_and_rate() -> None:
    scene = read_scene(FIXTURES / "tracker_noisy.npz")
    assert scene.conf_threshold == pytest.approx(0.3)
    assert (scene.buffer, scene.frame_rate, len(scene.frames)) == (30, 30.0, 60)
    assert plain_options(replace(scene, frame_rate=14.0)).max_lost == 14


@pytest.mark.parametrize("what", ["identities", "order", "box", "missing"])
def test_a_difference_is_an_error_that_names_the_frame(what: str) -> None:
    scene = Scene("street", tuple(islice(Walkers(SMALL, make_rng(1)).watch(), 6)))
    ours, plain = replay_ours(scene), replay_plainly(scene.frames, plain_options(scene))
    check_equal(scene, ours, plain)
    changes = {
        "identities": [plain[3][0]._replace(identity=99), *plain[3][1:]],
        "order": plain[3][::-1],
        "box": [plain[3][0]._replace(box_tlwh=plain[3][0].box_tlwh + np.array([0, 0, 0, 0.002])), *plain[3][1:]],
        "missing": plain[3][1:],
    }
    plain[3] = changes[what]
    with pytest.raises(AssertionError, match="street, frame 4"):
        check_equal(scene, ours, plain)


def test_the_benchmark_itself_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_tracker, "MADE_UP", {"street": MADE_UP["street"]})
    monkeypatch.setitem(MADE_UP, "street", MadeUp(SMALL, 4))
    monkeypatch.setattr(benchmark_tracker, "replay_plainly", lambda frames, _: [[] for _ in frames])
    with pytest.raises(AssertionError, match="street, frame 1"):
        list(benchmark_tracker.benchmark_tracker(load_cfg(), scenes=None, repeats=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenes", "/nowhere"], "/nowhere/street.npz: no such file"),
        (["TRACKER.BUFFER", "60"], "TRACKER.BUFFER: the tracker's benchmark has the published options"),
        (["TRACKER.PRESET", "byte"], "TRACKER."),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "tracker", "--device", "cpu", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("value", [None, np.array([0.4, 0.5]), np.array("high")])
def test_a_cache_without_the_scenes_options_is_refused(tmp_path: Path, value: np.ndarray | None) -> None:
    path = tmp_path / "street.npz"
    with np.load(FIXTURES / "tracker_noisy.npz") as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files if name != "conf_threshold"}
    if value is not None:
        arrays["conf_threshold"] = value
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"street\.npz: conf_threshold and track_buffer, one number each, are wanted"):
        read_scene(path)

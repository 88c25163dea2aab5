"""Parity of tracks with the reference implementation through `replay`: frames, identities, boxes to 1e-3 px."""

from pathlib import Path

import numpy as np
import pytest
from helpers.locations import FIXTURES, SHARED

from fairmot.commands.track.replay import replay
from fairmot.config.load import load_cfg
from fairmot.formats.detection_cache import read_cache
from fairmot.formats.motchallenge import read_boxes
from fairmot.tracking.build import build_tracker

REFERENCE = SHARED / "reference" / "tracker"
SCENES = ("street", "crowd", "noisy", "lowfps", "sparse", "reentry", "gaps")


def read_expected(path: Path) -> tuple[np.ndarray, list[str]]:
    """The reference rows in their order, and the overrides of the scene."""
    with np.load(path) as file:
        threshold, buffer = float(file["conf_threshold"]), int(file["track_buffer"])
        return file["expected_tracks"], ["TRACKER.CONF_THRESHOLD", str(threshold), "TRACKER.BUFFER", str(buffer)]


def check_scene(path: Path, output: Path) -> None:
    expected, overrides = read_expected(path)
    expected = expected[np.lexsort((expected[:, 1], expected[:, 0]))]
    table = read_boxes(replay(load_cfg(None, overrides), cache=path, output=output), "results")
    assert table.frames.tolist() == expected[:, 0].tolist()
    assert table.ids.tolist() == expected[:, 1].tolist()
    np.testing.assert_allclose(table.boxes_tlwh, expected[:, 2:6], rtol=0, atol=1e-3)


@pytest.mark.parity
@pytest.mark.parametrize("scene", ["street", "noisy", "reentry"])
def test_compact_scene_equals_the_reference_tracks(scene: str, tmp_path: Path) -> None:
    check_scene(FIXTURES / f"tracker_{scene}.npz", tmp_path / "result.txt")


@pytest.mark.parity
def test_tracks_have_the_reference_order_and_detection_scores() -> None:
    path = FIXTURES / "tracker_noisy.npz"
    expected, overrides = read_expected(path)
    cache = read_cache(path)
    tracker = build_tracker(load_cfg(None, overrides), frame_rate=cache.frame_rate)
    rows = []
    for number, detections in enumerate(cache.frames(), 1):
        tracks = tracker.update(detections)
        assert tracks.scores.tolist() == detections.scores[tracks.detection_index].tolist()
        rows += [(number, identity) for identity in tracks.ids.tolist()]
    assert rows == [(int(frame), int(identity)) for frame, identity in expected[:, :2]]


@pytest.mark.parity
@pytest.mark.dataset
@pytest.mark.parametrize("scene", SCENES)
def test_full_scene_equals_the_reference_tracks(scene: str, tmp_path: Path) -> None:
    path = REFERENCE / f"{scene}.npz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    check_scene(path, tmp_path / "result.txt")

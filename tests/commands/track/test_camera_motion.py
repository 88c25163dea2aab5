from pathlib import Path

import numpy as np
import pytest

from fairmot.commands.track.camera_motion import (
    FileMotion,
    FrameInput,
    build_camera_motion_step,
    build_replay_motion_step,
)
from fairmot.config.load import load_cfg
from fairmot.structures.detections import Detections
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError

EMPTY = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 2)))
KEPT = np.array([[1.0, 0, 9], [0, 1, 9]])


def shift(x, y):
    return np.array([[1.0, 0, x], [0, 1, y]])


MOTIONS = np.stack([shift(100, 100), shift(1, 0), np.array([[2.0, 0, 0], [0, 2, 0]]), shift(0, 3)])


def test_file_motion_is_composed_over_skipped_frames():
    motion = FileMotion(MOTIONS)
    assert motion.at(1).tolist() == shift(0, 0).tolist()  # no motion at the first call
    assert motion.at(2).tolist() == shift(1, 0).tolist()
    np.testing.assert_allclose(motion.at(4), shift(0, 3) @ np.vstack([MOTIONS[2], [0, 0, 1]]))
    assert motion.at(9).tolist() == shift(0, 0).tolist()


def make_input(frame):
    return TrackerInput(frame, EMPTY, camera_motion=KEPT)


@pytest.mark.parametrize("as_folder", [False, True])
def test_camera_file_is_a_file_or_a_folder(tmp_path, as_folder):
    np.savetxt(tmp_path / "street.txt", np.column_stack([range(1, 5), MOTIONS.reshape(4, 6)]))
    source = tmp_path if as_folder else tmp_path / "street.txt"
    cfg = load_cfg(None, ["TRACKER.CAMERA_MOTION", "file", "TRACKER.CAMERA_FILE", str(source)])
    step = build_camera_motion_step(cfg, "street")
    image = np.zeros((4, 4, 3), np.uint8)
    motions = [step(FrameInput(image, TrackerInput(frame, EMPTY))).tracker_input.camera_motion for frame in (1, 2)]
    np.testing.assert_array_equal(motions, [shift(0, 0), shift(1, 0)])
    later = build_camera_motion_step(cfg, "street", skipped=1)  # frames 2 and 3 of the sequence, called 1 and 2
    later_motions = [
        later(FrameInput(image, TrackerInput(frame, EMPTY))).tracker_input.camera_motion for frame in (1, 2)
    ]
    assert later_motions[1].tolist() == MOTIONS[2].tolist()
    replayed = build_replay_motion_step(cfg, "street", cache=Path("c.npz"), has_motion=True)
    assert [replayed(make_input(frame)).camera_motion.tolist() for frame in (1, 2)] == [
        motion.tolist() for motion in motions
    ]
    if as_folder:
        with pytest.raises(InputError, match=r"square\.txt: no such file"):
            build_camera_motion_step(cfg, "square")


def test_no_camera_motion_has_no_step_and_a_replay_removes_it():
    assert build_camera_motion_step(load_cfg(), "street") is None
    step = build_replay_motion_step(load_cfg(), "street", cache=Path("c.npz"), has_motion=True)
    assert step(make_input(1)).camera_motion is None


def test_replay_uses_the_motion_of_the_cache():
    cfg = load_cfg(None, ["TRACKER.CAMERA_MOTION", "flow"])
    step = build_replay_motion_step(cfg, "street", cache=Path("c.npz"), has_motion=True)
    assert step(make_input(1)).camera_motion is KEPT
    with pytest.raises(InputError, match=r"TRACKER\.CAMERA_MOTION = 'flow': c\.npz has no camera motion"):
        build_replay_motion_step(cfg, "street", cache=Path("c.npz"), has_motion=False)

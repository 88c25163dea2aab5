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
from fairmot.formats.camera_motion import write_camera_motion
from fairmot.structures.detections import Detections
from fairmot.structures.tracker_input import TrackerInput
from fairmot.utils.errors import InputError

NOBODY = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 2)))
KEPT = np.array([[1.0, 0, 9], [0, 1, 9]])


def shift(x, y):
    return np.array([[1.0, 0, x], [0, 1, y]])


MOTIONS = np.stack([shift(100, 100), shift(1, 0), np.array([[2.0, 0, 0], [0, 2, 0]]), shift(0, 3)])


def test_a_file_s_affines_belong_to_frames_and_are_chained_over_gaps():
    motion = FileMotion(MOTIONS)
    assert motion.at(1).tolist() == shift(0, 0).tolist()  # whatever came before the first frame seen
    assert motion.at(2).tolist() == shift(1, 0).tolist()
    np.testing.assert_allclose(motion.at(4), shift(0, 3) @ np.vstack([MOTIONS[2], [0, 0, 1]]))
    assert motion.at(9).tolist() == shift(0, 0).tolist()


def observe(frame):
    return TrackerInput(frame, NOBODY, camera_motion=KEPT)


@pytest.mark.parametrize("as_folder", [False, True])
def test_the_camera_file_is_one_or_a_folder_of_them(tmp_path, as_folder):
    write_camera_motion(tmp_path / "street.txt", MOTIONS)
    source = tmp_path if as_folder else tmp_path / "street.txt"
    cfg = load_cfg(None, ["TRACKER.CAMERA_MOTION", "file", "TRACKER.CAMERA_FILE", str(source)])
    step = build_camera_motion_step(cfg, "street")
    image = np.zeros((4, 4, 3), np.uint8)
    told = [step(FrameInput(image, TrackerInput(frame, NOBODY))).tracker_input.camera_motion for frame in (1, 2)]
    assert [motion.tolist() for motion in told] == [shift(0, 0).tolist(), shift(1, 0).tolist()]
    later = build_camera_motion_step(cfg, "street", skipped=1)  # frames 2 and 3 of the sequence, called 1 and 2
    told_later = [later(FrameInput(image, TrackerInput(frame, NOBODY))).tracker_input.camera_motion for frame in (1, 2)]
    assert told_later[1].tolist() == MOTIONS[2].tolist()
    replayed = build_replay_motion_step(cfg, "street", cache=Path("c.npz"), has_motion=True)
    assert [replayed(observe(frame)).camera_motion.tolist() for frame in (1, 2)] == [motion.tolist() for motion in told]
    if as_folder:
        with pytest.raises(InputError, match=r"square\.txt: no such file"):
            build_camera_motion_step(cfg, "square")


def test_a_camera_at_rest_needs_no_step_and_a_replay_leaves_motion_out():
    assert build_camera_motion_step(load_cfg(), "street") is None
    step = build_replay_motion_step(load_cfg(), "street", cache=Path("c.npz"), has_motion=True)
    assert step(observe(1)).camera_motion is None


def test_a_replay_takes_the_cache_s_motion_where_it_would_be_estimated():
    cfg = load_cfg(None, ["TRACKER.CAMERA_MOTION", "flow"])
    step = build_replay_motion_step(cfg, "street", cache=Path("c.npz"), has_motion=True)
    assert step(observe(1)).camera_motion is KEPT
    with pytest.raises(InputError, match=r"TRACKER\.CAMERA_MOTION = 'flow': c\.npz holds no camera motion"):
        build_replay_motion_step(cfg, "street", cache=Path("c.npz"), has_motion=False)

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.locations import ROOT
from helpers.tune_worlds import write_world

from fairmot.commands.evaluate.command import evaluate_results
from fairmot.commands.track.replay import replay
from fairmot.commands.tune.data import read_tune_data
from fairmot.commands.tune.trial import SCORES, Objective, track_part, workers
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.formats.motchallenge import read_boxes
from fairmot.utils.errors import InputError


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial") / "world"
    write_world(folder, ("A", "B"))
    return folder


def parts_of(world, cfg):
    return read_tune_data(cfg, caches=[world / "caches"], ground_truth=world / "gt", holdout=("0",)).tuned


CHANGES = {
    "default": {},
    "second association": {"SECOND_ASSOCIATION": True, "CONF_THRESHOLD": 0.5, "BUFFER": 10},
    "offline": {"INTERPOLATE": "linear", "MIN_TRACK_LENGTH": 5},
    "filters": {"MIN_AREA": 4000.0},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_objective_equals_the_score_of_replayed_results(world, tmp_path, changes):
    plain = load_cfg()
    parts = parts_of(world, plain)
    scores = Objective(cfg_to_dict(plain), {"tuned": parts}, "auto")("tuned", changes)
    cfg = load_cfg(None, [text for key, value in changes.items() for text in (f"TRACKER.{key}", str(value))])
    for part in parts:
        path = tmp_path / "results" / f"{part.name}.txt"
        replay(cfg, cache=world / "caches" / f"{part.name}.npz", output=path)
        written, ours = read_boxes(path, "results"), track_part(cfg, part).results
        order = np.lexsort((ours.ids, ours.frames))
        assert (ours.frames[order].tolist(), ours.ids[order].tolist()) == (
            written.frames.tolist(),
            written.ids.tolist(),
        )
        assert np.abs(ours.boxes_tlwh[order] - written.boxes_tlwh).max() < 1e-3
    report = evaluate_results(cfg, results=tmp_path / "results", ground_truth=world / "gt", output=tmp_path / "scores")
    expected = {name: report.combined[name] for name in SCORES}
    assert {name: scores[name] for name in SCORES} == pytest.approx(expected, abs=1e-3)  # files round the boxes


def test_objective_of_other_keys_differs(world):
    plain = load_cfg()
    objective = Objective(cfg_to_dict(plain), {"tuned": parts_of(world, plain)}, "auto")
    assert len({objective("tuned", changes)["HOTA"] for changes in CHANGES.values()}) == len(CHANGES)


def test_track_part_uses_camera_motion_only_if_configured(tmp_path):
    write_world(tmp_path / "w", with_camera=True)
    cfg, moved = load_cfg(), load_cfg(None, ["TRACKER.CAMERA_MOTION", "flow"])
    (part,) = parts_of(tmp_path / "w", cfg)
    shift = [[1.0, 0.0, 90.0], [0.0, 1.0, 0.0]]
    shifted = replace(
        part,
        inputs=tuple(replace(each, camera_motion=each.camera_motion * 0 + shift) for each in part.inputs),
    )
    still = track_part(cfg, part).results.boxes_tlwh.tolist()
    assert track_part(cfg, shifted).results.boxes_tlwh.tolist() == still
    assert track_part(moved, shifted).results.boxes_tlwh.tolist() != still


@pytest.fixture(scope="module")
def objective(world):
    data = read_tune_data(load_cfg(), caches=[world / "caches"], ground_truth=world / "gt", holdout=("B",))
    return Objective(cfg_to_dict(load_cfg()), {"tuned": data.tuned, "held out": data.held_out}, data.protocol)


def test_workers_equal_one_process(objective):
    expected = [("tuned", {"CONF_THRESHOLD": 0.6}), ("held out", {}), ("tuned", {"CONF_THRESHOLD": 0.3})]
    found = []
    for processes in (1, 2):
        with workers(objective, processes) as submit:
            waiting = [submit(*each) for each in expected]
            found.append([{name: wait()[name] for name in SCORES} for wait in waiting])
    assert found[0] == found[1]
    assert found[0][0] != found[0][2]


class Killed(Objective):
    """Objective whose worker is killed."""

    def __call__(self, subset, values):
        os.kill(os.getpid(), signal.SIGKILL)
        return {}


def test_workers_killed_process_is_one_line():
    with workers(Killed({}, {}, "auto"), 2) as submit:
        wait = submit("tuned", {})
        with pytest.raises(InputError, match="a worker process was killed"):
            wait()


ORPHANS = """
import os, time
from multiprocessing import active_children
from fairmot.commands.tune.trial import Objective, workers
with workers(Objective({}, {}, "auto"), 2):
    print(*(child.pid for child in active_children()), flush=True)
    time.sleep(60)
"""


def test_workers_exit_when_the_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(text) for text in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, children))


def is_alive(process):
    """Zombies count as ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"

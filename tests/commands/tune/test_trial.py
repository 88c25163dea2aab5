from dataclasses import replace

import numpy as np
import pytest
from helpers.tune_worlds import write_world

from fairmot.commands.evaluate.command import evaluate_results
from fairmot.commands.track.replay import replay
from fairmot.commands.tune.data import read_tune_data
from fairmot.commands.tune.trial import SCORES, TrialBench, track_piece
from fairmot.config.load import cfg_to_dict, load_cfg
from fairmot.formats.motchallenge import read_boxes


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial") / "world"
    write_world(folder, ("A", "B"))
    return folder


def pieces_of(world, cfg):
    return read_tune_data(cfg, caches=[world / "caches"], truth=world / "gt", holdout=("0",)).tuned


CHANGES = {
    "published": {},
    "low": {"SECOND_ASSOCIATION": True, "CONF_THRESHOLD": 0.5, "BUFFER": 10},
    "offline": {"INTERPOLATE": "linear", "MIN_TRACK_LENGTH": 5},
    "filters": {"MIN_AREA": 4000.0},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_a_trial_scores_what_a_replay_writes(world, tmp_path, changes):
    plain = load_cfg()
    pieces = pieces_of(world, plain)
    scores = TrialBench(cfg_to_dict(plain), {"tuned": pieces}, "auto").run("tuned", changes)
    cfg = load_cfg(None, [text for key, value in changes.items() for text in (f"TRACKER.{key}", str(value))])
    for piece in pieces:
        path = tmp_path / "results" / f"{piece.name}.txt"
        replay(cfg, cache=world / "caches" / f"{piece.name}.npz", output=path)
        written, ours = read_boxes(path, "results"), track_piece(cfg, piece).results
        order = np.lexsort((ours.ids, ours.frames))
        assert (ours.frames[order].tolist(), ours.ids[order].tolist()) == (
            written.frames.tolist(),
            written.ids.tolist(),
        )
        assert np.abs(ours.boxes_tlwh[order] - written.boxes_tlwh).max() < 1e-3
    report = evaluate_results(cfg, results=tmp_path / "results", truth=world / "gt", output=tmp_path / "scores")
    wanted = {name: report.combined[name] for name in SCORES}
    assert {name: scores[name] for name in SCORES} == pytest.approx(wanted, abs=1e-3)  # files round the boxes


def test_the_changes_matter(world):
    plain = load_cfg()
    bench = TrialBench(cfg_to_dict(plain), {"tuned": pieces_of(world, plain)}, "auto")
    assert len({bench.run("tuned", changes)["HOTA"] for changes in CHANGES.values()}) == len(CHANGES)


def test_the_camera_s_motion_counts_only_where_it_is_asked_for(tmp_path):
    write_world(tmp_path / "w", with_camera=True)
    cfg, moved = load_cfg(), load_cfg(None, ["TRACKER.CAMERA_MOTION", "flow"])
    (piece,) = pieces_of(tmp_path / "w", cfg)
    shift = [[1.0, 0.0, 90.0], [0.0, 1.0, 0.0]]
    shaken = replace(
        piece,
        observations=tuple(replace(seen, camera_motion=seen.camera_motion * 0 + shift) for seen in piece.observations),
    )
    still = track_piece(cfg, piece).results.boxes_tlwh.tolist()
    assert track_piece(cfg, shaken).results.boxes_tlwh.tolist() == still
    assert track_piece(moved, shaken).results.boxes_tlwh.tolist() != still

"""Options of fair training, several at a time: trained, interrupted, resumed, tracked and scored."""

import json

import pytest
import torch
from helpers.small_runs import TRAINING
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fairmot.cli import main

pytestmark = pytest.mark.e2e
SMALL = [*TRAINING, "SOLVER.VAL_EVERY", "0", "SOLVER.FAIRNESS_EVERY", "2", "SOLVER.SAMPLE_IMAGES_EVERY", "0"]
WAYS = {
    "fixed, focal, center_bi": (
        ["LOSS.BALANCE", "fixed", "LOSS.IDENTITY", "focal", "MODEL.REID_SAMPLING", "center_bi", "MODEL.REID_DIM", "12"],
        [],
    ),
    "gradnorm, triplet in groups, pos_anchor": (
        [
            "LOSS.BALANCE", "gradnorm", "LOSS.IDENTITY", "triplet", "DATA.IMAGES_PER_SEQUENCE", "2",
            "MODEL.REID_SAMPLING", "pos_anchor",
        ],
        [],
    ),
    "mgda_ub, circle, roi_align, nested": (
        [
            "LOSS.BALANCE", "mgda_ub", "LOSS.IDENTITY", "circle", "MODEL.REID_SAMPLING", "roi_align",
            "MODEL.REID_DIM", "8", "MODEL.REID_NESTED", "(16, 4)",
        ],
        ["PREDICT.REID_PREFIX", "4"],
    ),
    "pcgrad, partial_fc, in two parts": (
        [
            "LOSS.BALANCE", "pcgrad", "LOSS.IDENTITY", "partial_fc", "LOSS.SAMPLE_RATE", "0.5",
            "SOLVER.ACCUMULATION_STEPS", "2", "MODEL.REID_DIM", "8",
        ],
        [],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(render_world):
    return render_world(frames=8, val_frames=4)


@pytest.fixture(scope="module")
def config(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(f"DATA: {{ROOT: {world}, TRAIN: [train]}}\nSOLVER: {{EPOCHS: 2}}\n")
    return str(path)


def train(config, output, *extra):
    assert main(["train", "--config", config, "--output", str(output), *SMALL, *extra]) == 0
    return torch.load(output / "last.pt", weights_only=True)


SLOW = tuple(WAYS)[:2] + tuple(WAYS)[3:]


@pytest.mark.parametrize("way", [pytest.param(way, marks=[pytest.mark.slow] if way in SLOW else []) for way in WAYS])
def test_fair_training_option_trains_resumes_and_scores(world, config, tmp_path, way):
    switches, of_use = WAYS[way]
    whole = train(config, tmp_path / "whole", *switches)
    train(config, tmp_path / "cut", *switches, "SOLVER.MAX_STEPS", "3")
    resumed = ["--resume", "SOLVER.MAX_STEPS", "0"]
    cut = train(config, tmp_path / "cut", *switches, *resumed)
    assert whole["progress"]["step"] == 8
    for part in ("model", "criterion"):
        assert whole[part].keys() == cut[part].keys()
        assert all(torch.equal(whole[part][name], cut[part][name]) for name in whole[part])
    rows = [json.loads(line) for line in (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert all(-1 <= row["fairness"]["cosine"] <= 1 and row["fairness"]["norm_identity"] >= 0 for row in rows)
    events = EventAccumulator(str(tmp_path / "whole" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("fairness/cosine")] == [2, 4, 6, 8]
    weights = ["--weights", str(tmp_path / "whole" / "last.pt"), "--gt", str(world / "val")]
    of_use = [*of_use, "TRACKER.CONF_THRESHOLD", "0.0"]
    code = main(["eval", "--config", config, *weights, "--output", str(tmp_path / "score"), *SMALL, *switches, *of_use])
    assert code == 0
    assert set(json.loads((tmp_path / "score" / "metrics.json").read_text())["COMBINED"]) >= {"HOTA", "MOTA", "IDF1"}


def test_mgda_with_accumulation_is_refused_in_one_line(config, tmp_path, capsys):
    switches = ["LOSS.BALANCE", "mgda_ub", "SOLVER.ACCUMULATION_STEPS", "2"]
    assert main(["train", "--config", config, "--output", str(tmp_path / "run"), *SMALL, *switches]) == 2
    message = capsys.readouterr().err.strip()
    assert "SOLVER.ACCUMULATION_STEPS must be 1 with LOSS.BALANCE mgda_ub" in message
    assert "\n" not in message
    assert not (tmp_path / "run").exists()

"""Real frames: a slim model overfits eight of them, and the full configuration runs end to end."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.locations import ROOT

from fairmot.cli import main
from fairmot.commands.run import resolve_device
from fairmot.config.load import load_cfg
from fairmot.data.build import build_train_dataset
from fairmot.engine.build import build_predictor
from fairmot.formats.motchallenge import read_boxes
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.models.build import build_model
from fairmot.models.weights import load_weights
from fairmot.video.source import open_frames

REAL = ROOT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.dataset,
    pytest.mark.skipif(not REAL.is_dir(), reason="needs the real frames in ../shared/data"),
]


def recall_on_training_frames(cfg, weights, *, frames, min_iou=0.5):
    """Fraction of scored people found with IoU >= `min_iou`, greedily one to one, above the tracker's threshold."""
    model = build_model(cfg)
    load_weights(model, weights)
    predictor = build_predictor(cfg, model, device=resolve_device("cpu"))
    folder = Path(cfg.DATA.ROOT) / cfg.DATA.TRAIN[0]
    gt = read_boxes(folder / "gt" / "gt.txt", "ground_truth")
    gt = gt[(gt.classes == 1) & (gt.confidences > 0) & (gt.frames <= frames)]
    found = 0
    with open_frames(str(folder)) as source:
        for frame in source:
            if frame.index > frames:
                break
            detections = predictor(frame.image)
            sure = detections[detections.scores > cfg.TRACKER.CONF_THRESHOLD]
            overlaps = pairwise_iou(tlwh_to_xyxy(gt[gt.frames == frame.index].boxes_tlwh), sure.boxes_xyxy)
            while overlaps.size and overlaps.max() >= min_iou:
                person, detection = np.unravel_index(overlaps.argmax(), overlaps.shape)
                overlaps[person, :] = overlaps[:, detection] = 0
                found += 1
    return found / len(gt)


@pytest.mark.slow
def test_slim_model_overfits_eight_real_frames(tmp_path):
    """At 288x512 in at most eight minutes on two cores: recall at IoU 0.5 of 0.8 and more, heatmap loss below 0.4."""
    config, output = ROOT / "configs" / "overfit_mot17_11.yaml", tmp_path / "run"
    overrides = ["DATA.ROOT", str(REAL / "mot17-half")]
    assert main(["train", "--config", str(config), "--output", str(output), *overrides]) == 0
    losses = re.findall(r"heatmap (\d+\.\d+)", (output / "run.log").read_text())
    recall = recall_on_training_frames(load_cfg(config, overrides), output / "last.pt", frames=8)
    print(f"heatmap loss {losses[-1]}, recall at IoU 0.5 {recall:.3f}")
    assert float(losses[-1]) < 0.4
    assert recall >= 0.8


@pytest.mark.slow
def test_full_configuration_trains_tracks_and_scores(tmp_path):
    """Steps of DLA-34 at 608x1088 on MOT17 halves, then result files and a table for seven sequences."""
    config, output = str(ROOT / "configs" / "mot17_half_dla34.yaml"), tmp_path / "run"
    steps = ["SOLVER.MAX_STEPS", "2", "SOLVER.BATCH_SIZE", "2", "DATA.ROOT", str(REAL / "mot17-half")]
    assert main(["train", "--config", config, "--output", str(output), *steps]) == 0
    gt = REAL / "mot17-mini"
    weights = str(output / "last.pt")
    assert main(["eval", "--config", config, "--weights", weights, "--gt", str(gt), "--output", str(output / "e")]) == 0
    names = {folder.name for folder in gt.iterdir() if folder.is_dir()}
    assert {path.stem for path in (output / "e" / "results").glob("MOT17-*.txt")} == names
    assert set(json.loads((output / "e" / "metrics.json").read_text())) == names | {"COMBINED"}


def test_half_configuration_reads_the_mot17_halves():
    cfg = load_cfg(ROOT / "configs" / "mot17_half_dla34.yaml", ["DATA.ROOT", str(REAL / "mot17-half")])
    dataset = build_train_dataset(cfg)
    assert (len(dataset), dataset.identity_counts) == (507, (145,))

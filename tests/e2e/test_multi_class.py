"""Training, tracking and scoring of two classes by the command-line tools."""

import json

import cv2
import numpy as np
import pytest
import torch
from helpers.small_runs import SLIM

from fairmot.cli import main
from fairmot.formats.checkpoint import read_checkpoint
from fairmot.formats.images import write_image
from fairmot.formats.motchallenge import read_boxes, write_results
from fairmot.structures.detections import Detections
from fairmot.structures.tracker_input import TrackerInput
from fairmot.tracking.run import OutputFilters, to_table, track_sequence
from fairmot.tracking.tracker import JointTracker

pytestmark = pytest.mark.e2e
FRAMES = 10
CLASSES = ["DATA.CLASSES", "('pedestrian','car')", "MODEL.NUM_CLASSES", "2"]
SMALL = [
    *SLIM, *CLASSES, "MODEL.REID_DIM", "8",
    "DATA.WORKERS", "0", "SOLVER.BATCH_SIZE", "4", "SOLVER.EPOCHS", "1",
    "TRACKER.MAX_ASPECT", "0", "TRACKER.MIN_AREA", "0",
]  # fmt: skip
SEQINFO = f"[Sequence]\nname=CROSSING\nseqLength={FRAMES}\nframeRate=30\nimWidth=192\nimHeight=128\n"


def boxes_at(frame):
    """A person (class 1) and a car (class 3 of MOTChallenge) whose paths cross, as tlwh."""
    return {1: (10 + 12 * frame, 40, 20, 50), 3: (140 - 12 * frame, 50, 50, 30)}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Sequence CROSSING, with two more people, so that each class has several identities."""
    folder = tmp_path_factory.mktemp("world") / "CROSSING"
    rows = []
    for frame in range(1, FRAMES + 1):
        image = np.full((128, 192, 3), 90, np.uint8)
        for kind, (left, top, width, height) in boxes_at(frame).items():
            colour = (220, 40, 40) if kind == 1 else (40, 40, 220)
            cv2.rectangle(image, (left, top), (left + width, top + height), colour, -1)
            identity = 10 * kind + frame // 6
            rows.append(f"{frame},{identity},{left},{top},{width},{height},1,{kind},1\n")
        write_image(folder / "img1" / f"{frame:06d}.jpg", image)
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("".join(rows))
    (folder / "seqinfo.ini").write_text(SEQINFO)
    return folder.parent


@pytest.fixture(scope="module")
def config(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    (folder / "two.yaml").write_text(f"DATA: {{ROOT: {world}, VAL: ['.'], CACHE: {folder / 'cache'}}}\n")
    return str(folder / "two.yaml")


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", "--config", config, "--output", str(output), *SMALL]) == 0
    return output


def test_trained_model_has_a_head_for_each_class(trained):
    saved = read_checkpoint(trained / "last.pt")
    assert saved["criterion"]["identity.classifier.weight"].shape == (4, 8)  # two identities in each class
    assert [value.shape for name, value in saved["model"].items() if name.endswith("heatmap.2.bias")] == [(2,)]
    assert all(bool(torch.isfinite(value).all()) for value in saved["model"].values())


def test_tracked_classes_are_scored(world, config, trained, tmp_path):
    arguments = ["eval", "--config", config, "--weights", str(trained / "last.pt"), "--gt", str(world)]
    options = [*SMALL, "TRACKER.CONF_THRESHOLD", "0.05", "PREDICT.MIN_SCORE", "0.01"]
    assert main([*arguments, "--output", str(tmp_path), *options]) == 0
    table = read_boxes(tmp_path / "results" / "CROSSING.txt", "results")
    assert len(table)
    assert set(table.classes.tolist()) <= {1, 2}
    assert all(len(set(table.classes[table.ids == identity].tolist())) == 1 for identity in table.ids)
    rows = {"COMBINED", "COMBINED/pedestrian", "COMBINED/car", "CROSSING", "CROSSING/pedestrian", "CROSSING/car"}
    assert set(json.loads((tmp_path / "metrics.json").read_text())) == rows


@pytest.fixture
def results(tmp_path):
    """Tracks of synthetic detections with correct boxes and classes; the car is missed in the last two frames."""

    def detections(frame):
        boxes = np.array(list(boxes_at(frame).values()), dtype=float)
        boxes[:, 2:] += boxes[:, :2]
        count = 1 if frame > FRAMES - 2 else 2
        return Detections(boxes[:count], np.full(count, 0.9), np.ones((count, 4)) / 2, np.arange(count))

    frames = (TrackerInput(frame, detections(frame)) for frame in range(1, FRAMES + 1))
    table = to_table(track_sequence(frames, JointTracker(), filters=OutputFilters(0, 0)), num_classes=2)
    write_results(tmp_path / "results" / "CROSSING.txt", table)
    return tmp_path / "results"


def test_identities_do_not_mix_and_classes_have_scores(capsys, world, results, tmp_path):
    table = read_boxes(results / "CROSSING.txt", "results")
    assert set(zip(table.ids.tolist(), table.classes.tolist(), strict=True)) == {(1, 1), (2, 2)}
    output = tmp_path / "scores"
    arguments = ["eval", "--results", str(results), "--gt", str(world), "--output", str(output), *CLASSES]
    assert main(arguments) == 0
    scores = json.loads((output / "metrics.json").read_text())
    assert [scores["CROSSING/pedestrian"][name] for name in ("CLR_TP", "CLR_FN", "CLR_FP")] == [10, 0, 0]
    assert [scores["CROSSING/car"][name] for name in ("CLR_TP", "CLR_FN", "CLR_FP")] == [8, 2, 0]
    assert scores["COMBINED"]["CLR_Re"] == pytest.approx(18 / 20)
    assert scores["COMBINED/car"] == scores["CROSSING/car"]
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[2:5] == ["CROSSING", "CROSSING/pedestrian", "CROSSING/car"]
    assert names[5:8] == ["COMBINED/pedestrian", "COMBINED/car", "COMBINED"]
    assert sorted(path.name for path in (output / "events" / "CROSSING").iterdir()) == ["car.csv", "pedestrian.csv"]


def test_results_without_classes_are_refused(capsys, world, results, tmp_path):
    path = results / "CROSSING.txt"
    path.write_text(path.read_text().replace(",2,-1,-1\n", ",-1,-1,-1\n"))
    output = tmp_path / "scores"
    assert main(["eval", "--results", str(results), "--gt", str(world), "--output", str(output), *CLASSES]) == 2
    assert "CROSSING.txt:2: class -1 in column 8: classes 1 to 2 are scored" in capsys.readouterr().err
    assert not output.exists()

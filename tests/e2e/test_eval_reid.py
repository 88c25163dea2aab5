"""`fairmot eval ... EVAL.REID True` on drawn frames."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from helpers.small_runs import SLIM

from fairmot.cli import main
from fairmot.commands.evaluate.reid import evaluate_reid
from fairmot.config.load import load_cfg
from fairmot.formats.images import write_image
from fairmot.models.build import build_model

pytestmark = pytest.mark.e2e
FRAMES = 4
COLOURS = {1: (230, 30, 30), 2: (30, 30, 230), 3: (30, 200, 30), 4: (230, 230, 30)}
SEQINFO = "[Sequence]\nname={name}\nseqLength={length}\nframeRate=30\nimWidth=192\nimHeight=128\n"
SMALL = [*SLIM, "MODEL.REID_DIM", "16"]
WITH_CARS = [*SMALL, "DATA.CLASSES", "('pedestrian','car')", "MODEL.NUM_CLASSES", "2"]
RATES = ["TPR@FAR=0.1", "TPR@FAR=0.01", "TPR@FAR=0.001", "TPR@FAR=0.0001"]


def draw_sequence(folder, *, scored=(1, 2), images=FRAMES):
    """Two people, one with flag 0, and a car with the first person's number; the first frames have images."""
    rows = []
    for frame in range(1, FRAMES + 1):
        image = np.full((128, 192, 3), 90, np.uint8)
        for index, (identity, kind) in enumerate([(1, 1), (2, 1), (3, 1), (1, 3)]):
            left, top = 10 + 45 * index + 2 * frame, 40
            colour = COLOURS[4 if kind == 3 else identity]
            cv2.rectangle(image, (left, top), (left + 20, top + 50), colour, -1)
            flag = int(identity in scored and kind == 1)
            rows.append(f"{frame},{identity},{left},{top},20,50,{flag},{kind},1\n")
        if frame <= images:
            write_image(folder / "img1" / f"{frame:06d}.png", image)
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text("".join(rows))
    (folder / "seqinfo.ini").write_text(SEQINFO.format(name=folder.name, length=FRAMES))


@pytest.fixture
def root(tmp_path):
    """Two sequences, a configuration and weights of an untrained network."""
    for name in ("STREET", "SQUARE"):
        draw_sequence(tmp_path / "gt" / name)
    (tmp_path / "slim.yaml").write_text("EVAL: {REID: true}\n")
    return tmp_path


def save_weights(root, options):
    torch.manual_seed(0)
    torch.save(build_model(load_cfg(None, options)).state_dict(), root / "w.pt")


def run(root, *options, output="out"):
    """Return the reid.json of `eval` with weights."""
    save_weights(root, options)
    given = ["--config", f"{root}/slim.yaml", "--weights", f"{root}/w.pt", "--gt", f"{root}/gt"]
    assert main(["eval", *given, "--output", f"{root}/{output}", *options]) == 0
    return json.loads((root / output / "reid.json").read_text())


@pytest.mark.parametrize("sampling", ["center", "center_bi", "roi_align", "pos_anchor"])
def test_embeddings_at_ground_truth_boxes_are_scored(capsys, root, sampling):
    """Two people in each of two sequences: 8 boxes per sequence, identities counted per sequence."""
    scores = run(root, *SMALL, "MODEL.REID_SAMPLING", sampling)
    assert {name: scores[name] for name in ("genuine", "impostor", "boxes", "dimension", "sampling")} == {
        "genuine": 4 * 6,
        "impostor": 16 * 15 // 2 - 4 * 6,
        "boxes": 16,
        "dimension": 16,
        "sampling": sampling,
    }
    assert [name for name in scores if "TPR" in name] == RATES
    assert all(0 <= scores[name] <= 1 for name in RATES)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"re-ID at ground-truth boxes: TPR {100 * scores[RATES[0]]:.1f} % at FAR 0.1, ")
    assert line.endswith(f"(24 genuine and 96 impostor pairs of 16 boxes); wrote {root}/out/reid.json")
    assert sorted(path.name for path in root.rglob("metrics.json")) == ["metrics.json"]
    assert "COMBINED" in json.loads((root / "out" / "metrics.json").read_text())


def test_untrained_embeddings_separate_plain_colours(root):
    """One of the two sequences has no scored box."""
    draw_sequence(root / "gt" / "EMPTY", scored=())
    shutil.rmtree(root / "gt" / "STREET")
    scores = run(root, *SMALL)
    assert (scores["genuine"], scores["impostor"]) == (12, 16)
    assert scores["TPR@FAR=0.1"] > 0.5


def test_copies_for_several_detectors_are_scored_once(root):
    """The copies have the same images: their boxes would be impostor pairs of distance 0."""
    shutil.rmtree(root / "gt" / "SQUARE")
    for detector in ("DPM", "SDP"):
        draw_sequence(root / "gt" / f"STREET-{detector}")
    shutil.rmtree(root / "gt" / "STREET")
    scores = run(root, *SMALL)
    assert (scores["boxes"], scores["genuine"]) == (8, 12)
    assert set(json.loads((root / "out" / "metrics.json").read_text())) == {"COMBINED", "STREET-DPM", "STREET-SDP"}


def test_pairs_are_of_one_class(root):
    """Cars are not flagged, as in MOT17, and are scored; a car and a person have one identity number."""
    scores = run(root, *WITH_CARS)
    assert scores["boxes"] == 2 * FRAMES * 3
    assert scores["genuine"] == 2 * 6 * 3
    assert scores["impostor"] == (16 * 15 // 2 - 24) + (8 * 7 // 2 - 12)


def test_embedding_prefix_sets_the_dimension(root):
    full = run(root, *SMALL)
    prefix = run(root, *SMALL, "PREDICT.REID_PREFIX", "4", output="part")
    assert (full["dimension"], prefix["dimension"]) == (16, 4)
    assert full["genuine"] == prefix["genuine"]


def test_rows_without_an_image_are_dropped_and_no_pairs_give_null(capsys, root):
    shutil.rmtree(root / "gt")
    draw_sequence(root / "gt" / "ALONE", scored=(1,), images=1)
    scores = run(root, *SMALL)
    assert [scores[name] for name in RATES] == [None] * 4
    assert (scores["boxes"], scores["genuine"], scores["impostor"]) == (1, 0, 0)
    assert "TPR - at FAR 0.1, - at FAR 0.01" in capsys.readouterr().out


def test_result_files_have_no_embeddings(capsys, root):
    (root / "results").mkdir()
    arguments = ["--results", f"{root}/results", "--gt", f"{root}/gt", "--output", f"{root}/out"]
    assert main(["eval", *arguments, "EVAL.REID", "True"]) == 2
    assert capsys.readouterr().err == (
        "fairmot eval: EVAL.REID: result files have no embeddings; give --weights, not --results, or set it False\n"
    )
    assert not (root / "out").exists()


def test_too_long_prefix_is_refused_before_any_frame(capsys, root):
    save_weights(root, SMALL)
    given = ["--config", f"{root}/slim.yaml", "--weights", f"{root}/w.pt", "--gt", f"{root}/gt"]
    assert main(["eval", *given, "--output", f"{root}/out", *SMALL, "PREDICT.REID_PREFIX", "17"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "PREDICT.REID_PREFIX" in error
    assert not (root / "out" / "metrics.json").exists()


def test_python_call_equals_the_file(root):
    save_weights(root, SMALL)
    scores = evaluate_reid(load_cfg(None, SMALL), weights=root / "w.pt", ground_truth=root / "gt", output=root / "out")
    assert scores.boxes == 16
    assert scores.to_dict().items() <= json.loads((root / "out" / "reid.json").read_text()).items()

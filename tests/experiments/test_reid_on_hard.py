from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reid_on_hard as bench
import torch
from helpers.locations import ROOT

from fairmot.cli import main as fairmot
from fairmot.config.load import load_cfg
from fairmot.formats.images import write_image
from fairmot.models.build import build_model
from fairmot.structures.report import ScoredSequence
from fairmot.structures.sequence import BoxTable, SequenceInfo
from fairmot.utils.seed import make_rng

CONFIG = ROOT / "configs" / "synthetic_hard.yaml"
NOTHING = bench.DropOuts(visibility=0.2, single=0.0, burst=0.0)
TRAINING_WORLD = ["--preset", "hard", "--sequences", "16", "--frames", "40", "--fps", "10"]
TINY = [
    "MODEL.WIDTH", "0.125", "MODEL.HEAD_CHANNELS", "8", "MODEL.REID_DIM", "8", "INPUT.SIZE_HW", "(64,96)",
]  # fmt: skip


def table(frames, ids, lefts, *, visibilities=1.0, tops=20.0) -> BoxTable:
    """People of 20 x 50 pixels."""
    frames, ids = np.asarray(frames), np.asarray(ids)
    boxes = np.column_stack([np.asarray(lefts, float), np.full(len(ids), tops), np.full((len(ids), 2), (20.0, 50.0))])
    ones = np.ones(len(ids))
    return BoxTable(frames, ids, boxes, ones, np.ones(len(ids), np.int64), visibilities * ones)


def crowd(people: int, frames: int, visibilities: float = 1.0) -> BoxTable:
    numbers, ids = np.divmod(np.arange(people * frames), people)
    return table(numbers + 1, ids + 1, 30.0 * ids, visibilities=visibilities)


def meeting() -> ScoredSequence:
    """Two people walk towards each other, are hidden for 8 frames where they meet, and walk back."""
    frames = np.arange(1, 41)
    place = np.minimum(3.0 * frames, 3.0 * (41 - frames))
    hidden = np.where((frames > 16) & (frames <= 24), 0.0, 1.0)
    both = table(
        np.repeat(frames, 2),
        np.tile([1, 2], 40),
        np.column_stack([place, 130 - place]).ravel(),
        visibilities=np.repeat(hidden, 2),
    )
    info = SequenceInfo("meeting", Path("meeting"), 30.0, 40, (100, 200))
    nothing = replace(both[np.zeros(0, np.int64)])
    return ScoredSequence(info, both, nothing)


def test_people_of_other_classes_and_marks_are_left_out():
    people = crowd(3, 2)
    people.classes[0], people.confidences[1] = 8, 0
    kept = bench.scored_people(people[::-1])
    assert list(zip(kept.frames.tolist(), kept.ids.tolist(), strict=True)) == [(1, 3), (2, 1), (2, 2), (2, 3)]


def test_the_hidden_are_never_seen_and_the_others_always_where_nothing_is_missed():
    people = crowd(4, 50)
    people.visibilities[::3] = 0.2
    kept = bench.drop_out(people, NOTHING, make_rng(0))
    assert len(kept) == int((people.visibilities > 0.2).sum())
    assert (kept.visibilities > 0.2).all()


def test_single_misses_have_their_share_and_hang_on_the_generator_alone():
    people = crowd(20, 300)
    missing = bench.DropOuts(single=0.1, burst=0.0)
    one, same, other = (bench.drop_out(people, missing, make_rng(seed)) for seed in (1, 1, 2))
    assert 0.08 < 1 - len(one) / len(people) < 0.12
    assert (one.boxes_tlwh == same.boxes_tlwh).all()
    assert len(one) != len(other) or (one.ids != other.ids).any()


def test_bursts_take_runs_of_frames_out_of_one_person():
    people = crowd(10, 300)
    missing = bench.DropOuts(single=0.0, burst=0.01, burst_frames=(5, 5))
    kept = bench.drop_out(people, missing, make_rng(3))
    for identity in range(1, 11):
        seen = np.isin(np.arange(0, 302), kept.frames[kept.ids == identity])
        edges = np.flatnonzero(np.diff(seen.astype(int)))
        runs = np.diff(edges)[1::2]  # seen runs and missed runs alternate, beginning with a seen one
        assert not len(runs) or min(runs) >= 5 or edges[-1] > 294
    assert 0.02 < 1 - len(kept) / len(people) < 0.08


def test_perfect_embeddings_tell_everybody_apart():
    people = table([1, 1, 2, 2], [7, 3, 3, 9], [0, 30, 31, 60])
    embeddings = bench.perfect_embeddings(people)
    assert (embeddings @ embeddings.T == (people.ids[:, None] == people.ids[None])).all()


class NumbersAsEmbeddings:
    """Stands in for a predictor: a box's embedding is its left side and the frame's brightness."""

    def embed(self, image, boxes_xyxy):
        return np.column_stack([boxes_xyxy[:, 0], np.full(len(boxes_xyxy), image[0, 0, 0])])


def test_embeddings_come_in_the_order_of_the_rows(tmp_path):
    for number in (1, 2, 3):
        write_image(tmp_path / f"{number:06d}.png", np.full((64, 96, 3), 10 * number, np.uint8))
    people = table([3, 1, 3], [1, 1, 2], [7, 5, 9])
    embeddings = bench.trained_embeddings(NumbersAsEmbeddings(), tmp_path, people)
    assert embeddings.tolist() == [[7, 30], [5, 10], [9, 30]]


def test_detections_come_frame_by_frame_with_their_embeddings():
    people = table([1, 1, 3], [1, 2, 1], [0, 30, 4])
    embeddings = np.arange(6.0).reshape(3, 2)
    frames = {seen.frame: seen.detections for seen in bench.as_observations(people, embeddings, 3)}
    assert [len(frames[number]) for number in (1, 2, 3)] == [2, 0, 1]
    assert frames[3].embeddings.tolist() == [[4.0, 5.0]]
    assert frames[3].boxes_xyxy.tolist() == [[4.0, 20.0, 24.0, 70.0]]
    assert frames[1].scores.tolist() == [1.0, 1.0]


def test_perfect_embeddings_beat_motion_where_two_meet_unseen_and_turn_back():
    truth, cfg = meeting(), load_cfg()
    seen = bench.drop_out(truth.truth, NOTHING, make_rng(0))
    embeddings = bench.perfect_embeddings(seen)
    perfect = bench.track_and_score(cfg, truth, seen, embeddings)
    motion = bench.track_and_score(bench.without_appearance(cfg), truth, seen, embeddings)
    assert perfect["IDSW"] == 0
    assert perfect["IDF1"] > motion["IDF1"] + 0.2


def test_motion_alone_differs_in_nothing_but_the_appearance_cost():
    cfg = load_cfg(overrides=["TRACKER.BUFFER", "20"])
    motion = bench.without_appearance(cfg)
    assert cfg.TRACKER.USE_APPEARANCE
    assert not motion.TRACKER.USE_APPEARANCE
    assert motion.TRACKER.BUFFER == 20


def made_up(name: str, motion: float, trained: float) -> bench.SeedScores:
    def scores(idf1: float) -> dict[str, float]:
        return {"IDF1": idf1, "HOTA": 0.5, "IDSW": 12}

    return bench.SeedScores(name, scores(motion), scores(trained), scores(0.9), share_kept=0.75)


def test_the_table_has_a_row_a_sequence_and_the_mean():
    text = bench.format_table([made_up("a", 0.6, 0.7), made_up("b", 0.5, 0.55)])
    titles, *rows = (" ".join(line.split()) for line in text.splitlines())
    assert titles.startswith("sequence boxes motion IDF1 trained IDF1 perfect IDF1")
    assert rows[0] == "a 75.0 60.0 70.0 90.0 50.0 50.0 50.0 12 12 12 10.0 30.0"
    assert rows[2] == "mean 75.0 55.0 62.5 90.0 50.0 50.0 50.0 12 12 12 7.5 35.0"


def test_a_seed_that_gains_too_little_is_named():
    assert bench.shortfalls([made_up("a", 0.6, 0.7), made_up("b", 0.5, 0.55)]) == []
    (line,) = bench.shortfalls([made_up("a", 0.6, 0.7), made_up("b", 0.5, 0.52)])
    assert line.startswith("b: the trained embeddings gain 2.0 points of IDF1")
    assert [line.split(":")[0] for line in bench.shortfalls([made_up("a", 0.6, 0.5)])] == ["a", "mean"]


@pytest.fixture
def untrained(tmp_path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "untrained.pt"
    torch.save(build_model(load_cfg(CONFIG, TINY)).state_dict(), path)
    return path


def test_the_script_prints_its_table_and_fails_an_untrained_network(untrained, tmp_path, capsys):
    arguments = ["--config", str(CONFIG), "--weights", str(untrained), "--work", str(tmp_path / "work")]
    code = bench.main([*arguments, "--seeds", "1", "--frames", "12", "--preset", "easy", *TINY])
    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines[1].split()[0] == "SYN-easy-9001"
    assert lines[2].split()[0] == "mean"
    assert "3.0 are wanted" in lines[3]
    assert (tmp_path / "work" / "SYN-easy-9001" / "gt" / "gt.txt").is_file()


@pytest.mark.parametrize(
    ("extra", "message"),
    [(["--seeds", "0"], "--seeds"), (["--preset", "harder"], "preset"), (["--weights", "none.pt"], "none.pt")],
)
def test_wrong_use_is_one_line_and_exit_code_2(untrained, capsys, extra, message):
    assert bench.main(["--config", str(CONFIG), "--weights", str(untrained), *extra, *TINY]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reid_on_hard: ")
    assert message in line


@pytest.mark.slow
@pytest.mark.e2e
def test_reid_matters_on_hard(tmp_path):
    """With the checkpoint that docs/synthetic.md tells how to train, or one trained here from the quickstart's."""
    weights = ROOT / "runs" / "synthetic_hard" / "train" / "last.pt"
    start = ROOT / "runs" / "quickstart" / "train" / "last.pt"
    if not weights.is_file():
        if not start.is_file():
            pytest.skip("needs the quickstart's checkpoint: run scripts/quickstart.sh first")
        data, output = tmp_path / "data", tmp_path / "run"
        assert fairmot(["synthesize", "--output", str(data), *TRAINING_WORLD]) == 0
        options = ["DATA.ROOT", str(data), "MODEL.WEIGHTS", str(start)]
        assert fairmot(["train", "--config", str(CONFIG), "--output", str(output), *options]) == 0
        weights = output / "last.pt"
    assert bench.main(["--config", str(CONFIG), "--weights", str(weights)]) == 0

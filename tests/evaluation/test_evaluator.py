"""Worked examples and invariants of the evaluator, and equality with TrackEval on the same files."""

import json
from dataclasses import replace

import numpy as np
import pytest
import trackeval
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.config.load import load_cfg
from fairmot.evaluation.build import build_evaluator
from fairmot.evaluation.evaluator import Evaluator, evaluate_tables
from fairmot.evaluation.sequences import add_results, read_ground_truth
from fairmot.formats.motchallenge import write_ground_truth, write_results, write_sequence_info
from fairmot.utils.errors import InputError

SEEDS = st.integers(0, 10**6)
CONTRACT = {
    *("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr"),
    *("MOTA", "MOTP", "IDSW", "Frag", "MT", "PT", "ML", "CLR_TP", "CLR_FP", "CLR_FN"),
    *("IDF1", "IDP", "IDR", "IDTP", "IDFP", "IDFN"),
}


def pair(frames, swap_at=99):
    """Two people far apart, and results whose identities are swapped from frame `swap_at` on."""
    gt = [(f, i, 100 * i, 0, 10, 20, 1, 1) for f in range(1, frames + 1) for i in (1, 2)]
    results = [(f, 10 + (i if f < swap_at else 3 - i), 100 * i, 0, 10, 20) for f, i, *_ in gt]
    return gt, results


def test_evaluate_perfect_results_scores_one(sequence):
    scores = evaluate_tables([sequence(*pair(10), length=10)]).combined
    fractions = (
        "HOTA",
        "DetA",
        "AssA",
        "LocA",
        "DetRe",
        "DetPr",
        "AssRe",
        "AssPr",
        "MOTA",
        "MOTP",
        "IDF1",
        "IDP",
        "IDR",
    )
    assert [scores[name] for name in fractions] == pytest.approx([1.0] * len(fractions))
    assert [scores[name] for name in ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "Frag", "MT")] == [20, 0, 0, 0, 0, 2]


def test_evaluate_without_results_scores_zero(sequence):
    scores = evaluate_tables([sequence(pair(10)[0], [], length=10)]).combined
    assert [scores[name] for name in ("HOTA", "MOTA", "IDF1")] == [0.0, 0.0, 0.0]
    assert [scores[name] for name in ("CLR_FN", "IDFN", "ML", "CLR_TP")] == [20, 20, 2, 0]


def test_evaluate_frames_without_results_count_as_misses(sequence):
    """10 frames of ground truth, results in 5 of them: a scorer of those 5 frames alone gives MOTA 1."""
    gt, results = pair(10)
    scores = evaluate_tables([sequence(gt, [row for row in results if row[0] <= 5], length=10)]).combined
    assert scores["MOTA"] == pytest.approx(0.5)
    assert scores["CLR_FN"] == 10


def test_evaluate_identity_swap_gives_worked_scores(sequence):
    """Each track is half one person and half the other: 2 switches in 20 boxes; IDF1 1/2; AssA 5 / (5 + 5 + 5)."""
    scores = evaluate_tables([sequence(*pair(10, swap_at=6), length=10)]).combined
    assert scores["IDSW"] == 2
    assert scores["MOTA"] == pytest.approx(1 - 2 / 20)
    assert scores["IDF1"] == pytest.approx(0.5)
    assert scores["AssA"] == pytest.approx(1 / 3)
    assert scores["HOTA"] == pytest.approx(np.sqrt(1 / 3))


def test_combined_scores_are_ratios_of_summed_counts(sequence):
    """8 of 10 boxes found in A, 10 of 30 in B: recall 18 / 40, where the mean of ratios is 0.57."""
    gt_a = [(f, 1, 0, 0, 10, 20, 1, 1) for f in range(1, 11)]
    gt_b = [(f, 1, 0, 0, 10, 20, 1, 1) for f in range(1, 31)]
    scenes = [
        sequence(gt_a, [(f, 1, 0, 0, 10, 20) for f in range(1, 9)], name="A"),
        sequence(gt_b, [(f, 1, 0, 0, 10, 20) for f in range(1, 11)], name="B", length=30),
    ]
    report = evaluate_tables(scenes)
    assert report.combined["MOTA"] == pytest.approx(18 / 40)
    assert report.combined["IDR"] == pytest.approx(18 / 40)
    assert report.combined["CLR_FN"] == 22
    assert list(report.to_dict()) == ["COMBINED", "A", "B"]


def test_combined_scores_have_the_documented_names_and_types(random_sequence):
    scores = evaluate_tables([random_sequence(3)]).combined
    assert set(scores) >= CONTRACT
    assert all(type(scores[name]) is int for name in ("IDSW", "Frag", "MT", "CLR_TP", "IDTP"))
    assert all(type(value) in (int, float) for value in scores.values())


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value == pytest.approx(theirs[name], abs=1e-9), name


def rename(table, rng):
    unique, index = np.unique(table.ids, return_inverse=True)
    return replace(table, ids=rng.permutation(1000)[: len(unique)][index])


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_evaluate_renamed_identities_gives_equal_scores(random_sequence, seed):
    scene, rng = random_sequence(seed), np.random.default_rng(seed)
    renamed = replace(scene, ground_truth=rename(scene.ground_truth, rng), results=rename(scene.results, rng))
    for backend in ("trackeval", "motmetrics"):
        scores = [Evaluator(backend=backend).evaluate([each]).combined for each in (scene, renamed)]
        assert_same(*scores)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_evaluate_shuffled_rows_gives_equal_scores(random_sequence, seed):
    scene, rng = random_sequence(seed), np.random.default_rng(seed)
    gt = scene.ground_truth[rng.permutation(len(scene.ground_truth))]
    results = scene.results[rng.permutation(len(scene.results))]
    shuffled = replace(scene, ground_truth=gt, results=results)
    assert evaluate_tables([shuffled]).to_dict() == evaluate_tables([scene]).to_dict()


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_evaluate_sequences_are_independent_and_counts_add_up(random_sequence, seed):
    scenes = [random_sequence(seed, name="A"), random_sequence(seed + 1, name="B", frames=7)]
    report = evaluate_tables(scenes)
    for scene in scenes:
        assert report.sequences[scene.info.name] == evaluate_tables([scene]).sequences[scene.info.name]
    for name in ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "IDTP", "IDFP", "IDFN", "MT", "ML"):
        assert report.combined[name] == sum(scores[name] for scores in report.sequences.values())


def trackeval_scores(root, names, benchmark):
    """Return TrackEval's scores of root/gt and root/results/me, by its own reader and preprocessing."""
    dataset = trackeval.datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(root / "gt"),
            "TRACKERS_FOLDER": str(root / "results"),
            "TRACKERS_TO_EVAL": ["me"],
            "TRACKER_SUB_FOLDER": "",
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": dict.fromkeys(names),
            "BENCHMARK": benchmark,
            "PRINT_CONFIG": False,
        }
    )
    quiet = {"PRINT_CONFIG": False}
    metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(quiet), trackeval.metrics.Identity(quiet)]
    scores = {}
    for name in names:
        data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("me", name), "pedestrian")
        scores[name] = [metric.eval_sequence(data) for metric in metrics]
    scores["COMBINED"] = [m.combine_sequences({n: scores[n][i] for n in names}) for i, m in enumerate(metrics)]
    return {
        name: {key: float(np.mean(value)) for family in families for key, value in family.items()}
        for name, families in scores.items()
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("protocol", ["mot17", "mot20", "mot15"])
def test_evaluate_files_equals_trackeval(random_sequence, tmp_path, seed, protocol):
    names = [f"S{seed}-1", f"S{seed}-2"]
    for index, name in enumerate(names):
        scene = random_sequence(100 * seed + index, name=name, frames=30, people=9)
        write_sequence_info(replace(scene.info, root=tmp_path / "gt" / name))
        write_ground_truth(tmp_path / "gt" / name / "gt" / "gt.txt", scene.ground_truth)
        write_results(tmp_path / "results" / "me" / f"{name}.txt", scene.results)
    read = add_results(read_ground_truth(tmp_path / "gt"), tmp_path / "results" / "me")
    report = Evaluator(protocol).evaluate(read.sequences)
    expected = trackeval_scores(tmp_path, names, protocol.upper())
    assert report.combined["CLR_TP"] > 100
    for name, scores in report.to_dict().items():
        assert_same(scores, expected[name])


@pytest.mark.dataset
@pytest.mark.parametrize("backend", ["trackeval", "motmetrics"])
def test_evaluate_real_sequences_equals_official_scores(eval_data, backend):
    folder = eval_data / "mot17-train-frcnn"
    read = add_results(read_ground_truth(folder / "gt"), folder / "results" / "MPNTrack")
    report = Evaluator(backend=backend).evaluate(read.sequences)
    expected = json.loads((folder / "expected.json").read_text())
    assert report.protocol == "mot17"
    assert report.to_dict().keys() == expected.keys()
    for name, scores in report.to_dict().items():
        for key in expected[name] if backend == "trackeval" else ("IDTP", "IDFP", "IDFN", "IDF1"):
            assert scores[key] == pytest.approx(expected[name][key], abs=1e-9), (name, key)


def test_build_evaluator_reads_the_eval_section():
    cfg = load_cfg(None, ["EVAL.PROTOCOL", "mot20", "EVAL.BACKEND", "motmetrics", "EVAL.EVENTS", "False"])
    assert build_evaluator(cfg) == Evaluator("mot20", "motmetrics", events=False)
    assert build_evaluator(load_cfg()) == Evaluator("auto", "trackeval", events=True)


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "no sequence to score"), (["A", "B", "A"], "A: the name of two"), (["COMBINED"], "COMBINED: not allowed")],
)
def test_evaluate_wrong_sequence_names_raises(sequence, names, message):
    with pytest.raises(InputError, match=message):
        evaluate_tables([sequence([], [], name=name) for name in names])

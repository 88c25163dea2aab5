"""The table of tracking gains: bootstrap on known answers, rows, and the script's going on where it was."""

from dataclasses import replace

import numpy as np
import pytest
import tracking_bootstrap as bootstrap
import tracking_gains as tool
import tracking_report as report
from detector_stand_in import StandInOptions, write_caches
from helpers.locations import SHARED
from helpers.small_pairs import people_side_by_side, write_sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from tracking_bootstrap import METRICS, combine, compare, count_segments, cut_evenly, draw_segments
from tracking_rows import PARTS, Row, all_rows, choose_rows

from fairmot.config.load import load_cfg
from fairmot.evaluation.evaluator import evaluate_tables
from fairmot.evaluation.sequences import cut_sequence
from fairmot.formats.detection_cache import read_cache, write_cache
from fairmot.structures.sequence import SequenceInfo
from fairmot.utils.errors import InputError
from fairmot.utils.seed import make_rng

REAL = SHARED / "data" / "mot17-half"
HITS, MISSES, WRONG, SWITCHES = 76, 77, 78, 79  # columns of CLEAR's counts
MOTA = METRICS.index("MOTA")


def result(tmp_path, name, seed, *, length=40):
    """A sequence with a made-up result: the truth with holes, shifts and exchanged identities."""
    sequence = people_side_by_side(tmp_path, length=length, count=6)
    rng, truth = make_rng(seed), sequence.truth
    kept = rng.random(len(truth)) < 0.8
    ids = np.where((truth.frames > 25) & (truth.ids < 3), 3 - truth.ids, truth.ids)
    boxes = truth.boxes_tlwh + rng.normal(0, 4, truth.boxes_tlwh.shape)
    results = replace(truth, ids=ids, boxes_tlwh=boxes)[kept]
    info = SequenceInfo(name, tmp_path / name, 30.0, length, (300, 640))
    return replace(sequence, info=info, results=results)


def one_score(hits, switches):
    """(S, C) counts of 10 true boxes a segment, where CLEAR alone knows anything."""
    counts = np.zeros((len(hits), 83))
    counts[:, HITS], counts[:, MISSES], counts[:, SWITCHES] = hits, 10 - np.array(hits), switches
    return counts


@given(length=st.integers(1, 500), frames=st.integers(1, 600))
def test_segments_hold_each_frame_once_and_are_of_one_length(length, frames):
    parts = cut_evenly(length, frames)
    assert [frame for part in parts for frame in part] == list(range(length))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len(parts) == max(1, round(length / frames))


def test_a_segment_needs_a_frame():
    with pytest.raises(ValueError, match=r"^frames"):
        cut_evenly(10, 0)


def test_whole_sequences_combine_as_the_evaluator_does(tmp_path):
    sequences = [result(tmp_path, f"seq{seed}", seed) for seed in (1, 2, 3)]
    counts = count_segments(sequences)
    assert counts.shape == (3, 83)
    found = combine(counts.sum(axis=0, keepdims=True))[0]
    wanted = evaluate_tables(sequences)
    np.testing.assert_allclose(found, [wanted.combined[name] for name in METRICS], rtol=1e-12)
    assert 0.3 < found[0] < 0.95
    assert found[3] > 0
    each = combine(counts)
    for scores, name in zip(each, ("seq1", "seq2", "seq3"), strict=True):
        np.testing.assert_allclose(scores, [wanted.sequences[name][metric] for metric in METRICS], rtol=1e-12)


def test_segments_taken_several_times_combine_as_trackeval_does(tmp_path):
    sequence = result(tmp_path, "seq", 4)
    counts = count_segments([sequence], frames=10)
    times = [2, 0, 1, 3]
    parts = [
        replace(cut_sequence(sequence, part), info=replace(sequence.info, name=f"{place}-{copy}", length=len(part)))
        for place, part in enumerate(cut_evenly(40, 10))
        for copy in range(times[place])
    ]
    wanted = evaluate_tables(parts).combined
    found = combine(np.array([times]) @ counts)[0]
    np.testing.assert_allclose(found, [wanted[name] for name in METRICS], rtol=1e-12)


def test_nothing_at_all_scores_zero():
    np.testing.assert_array_equal(combine(np.zeros((2, 83))), np.zeros((2, 4)))


def test_draws_take_as_many_segments_as_there_are():
    taken = draw_segments(7, 4000, make_rng(1))
    assert (taken.sum(axis=1) == 7).all()
    np.testing.assert_allclose(taken.mean(axis=0), 1, atol=0.07)
    np.testing.assert_allclose(taken.var(axis=0), 6 / 7, atol=0.1)


def test_two_segments_have_a_known_interval():
    own, base = one_score([9, 7], [0, 0]), one_score([6, 6], [0, 0])
    found = compare(own, base, draw_segments(2, 4000, make_rng(2)))
    np.testing.assert_allclose(
        [found.difference[MOTA], found.low[MOTA], found.high[MOTA]], [0.2, 0.1, 0.3], atol=1e-12
    )  # a quarter of the draws take one segment twice


def test_interval_of_many_segments_is_the_normal_one():
    gains = make_rng(3).integers(0, 3, 400)
    own, base = one_score(5 + gains, np.zeros(400)), one_score(np.full(400, 5), np.zeros(400))
    found = compare(own, base, draw_segments(400, 4000, make_rng(4)))
    half = 1.96 * gains.std() / 10 / np.sqrt(400)
    assert found.difference[MOTA] == pytest.approx(gains.mean() / 10)
    assert found.low[MOTA] == pytest.approx(gains.mean() / 10 - half, abs=half / 10)
    assert found.high[MOTA] == pytest.approx(gains.mean() / 10 + half, abs=half / 10)


def test_pairs_cancel_what_both_trackers_find_hard():
    hits = make_rng(5).integers(1, 9, 50)
    own, base = one_score(hits + 1, np.zeros(50)), one_score(hits, np.zeros(50))
    taken = draw_segments(50, 500, make_rng(6))
    found = compare(own, base, taken)
    np.testing.assert_allclose([found.low[MOTA], found.high[MOTA]], 0.1, atol=1e-12)
    same = compare(base, base, taken)
    assert not np.any([same.difference, same.low, same.high])


def test_other_segments_are_not_compared():
    with pytest.raises(ValueError, match=r"^base_SC"):
        compare(one_score([1, 2], [0, 0]), one_score([1], [0]), np.ones((1, 2), dtype=int))


def test_each_row_changes_the_tracker_alone():
    rows = all_rows()
    assert len({row.key for row in rows}) == len(rows)
    cfgs = {row.key: row.cfg for row in rows}
    plain = cfgs["fairmot"]
    assert plain == load_cfg()
    assert {row.base for row in rows} <= cfgs.keys()
    for row in rows[1:]:
        assert row.cfg.TRACKER != plain.TRACKER
        assert {**row.cfg, "TRACKER": None} == {**plain, "TRACKER": None}
    for name, keys in PARTS.items():
        assert {key: cfgs[name].TRACKER[key] for key in keys} == keys


def test_strong_from_a_file_is_taken_apart(tmp_path):
    (tmp_path / "best.yaml").write_text(
        "TRACKER: {SECOND_ASSOCIATION: true,\n"
        "MEASUREMENT_NOISE: nsa, BUFFER: 45, OVERLAP_WEIGHT: 0.3, APPEARANCE_THRESHOLD: 0.7,\n"
        "  OVERLAP_THRESHOLD: 0.6, SECOND_OVERLAP_THRESHOLD: 0.4}\n"
    )
    rows = {row.key: row for row in all_rows(tmp_path / "best.yaml")}
    strong = rows["strong"].cfg.TRACKER
    without = {key: row.cfg.TRACKER for key, row in rows.items() if key.startswith("strong without")}
    assert {key: {name for name in cfg if cfg[name] != strong[name]} for key, cfg in without.items()} == {
        "strong without low scores": {"SECOND_ASSOCIATION"},
        "strong without overlap in the first cost": {"OVERLAP_WEIGHT", "APPEARANCE_THRESHOLD"},
        "strong without noise nsa": {"MEASUREMENT_NOISE"},
        "strong without buffer of 2 s": {"BUFFER"},
        "strong without its other numbers": {"OVERLAP_THRESHOLD", "SECOND_OVERLAP_THRESHOLD"},
    }
    assert {rows[key].base for key in without} == {"strong"}


def test_chosen_rows_bring_what_they_are_compared_with():
    rows = [Row(key, load_cfg(), base) for key, base in (("fairmot", "fairmot"), ("a", "fairmot"), ("b", "a"))]
    assert [row.key for row in choose_rows(rows, [])] == ["fairmot", "a", "b"]
    assert [row.key for row in choose_rows(rows, ["[b]"])] == ["a", "b"]
    with pytest.raises(InputError, match="no row 'c'"):
        choose_rows(rows, ["c"])


def test_report_marks_what_is_sure():
    rows = [Row("fairmot", load_cfg()), Row("better", load_cfg()), Row("other", load_cfg())]
    hits = np.arange(12) % 8
    segments = [one_score(values, np.zeros(12)) for values in (hits, hits + 2, hits + np.tile([1, -1], 6))]
    counts = {
        row.key: report.Counted(np.stack([each[:6].sum(axis=0), each[6:].sum(axis=0)]), each)
        for row, each in zip(rows, segments, strict=True)
    }
    lines = report.format_tables(rows, counts, title="pairs", draws=300, of="one seed").splitlines()
    assert lines[0] == "### pairs"
    assert "| better | 0.0 | 0.0 | 48.3 | 0.0 | fairmot | +0.0 | +0.0 | +20.0 | +0.0 | +0.0, +0.0 |" in lines
    better, other = (
        next(line for line in lines if line.startswith(f"| {name} | fairmot")) for name in ("better", "other")
    )
    assert better.endswith("| **+20.0 (+20.0 to +20.0)** |")
    assert "+0.0 (-" in other
    assert "**" not in other


@pytest.fixture
def bench(tmp_path):
    write_sequence(tmp_path / "pairs" / "train" / "one", people_side_by_side(tmp_path, length=12), images=12)

    def run(*argv, jobs=1):
        options = ["--data", str(tmp_path / "pairs"), "--work", str(tmp_path / "work"), "--jobs", str(jobs)]
        return tool.main([*options, "--seeds", "1", "2", "--frames", "6", *argv])

    return run


def test_script_does_what_is_not_done(tmp_path, bench, monkeypatch, capsys):
    assert bench("--rows", "byte") == 0
    first = capsys.readouterr()
    assert (tmp_path / "work" / "pairs-train.md").read_text() == first.out
    assert [line.split(": ")[1] for line in first.err.splitlines()[-4:]] == ["fairmot", "fairmot", "byte", "byte"]
    assert "| byte | fairmot |" in first.out
    assert "Scores of 2 seeds" in first.out
    assert "Second: 2 segments" in first.out
    done = []
    real = tool.do
    monkeypatch.setattr(tool, "do", lambda bench, job: done.append((job.row.key, job.seed)) or real(bench, job))
    assert bench("--rows", "byte") == 0
    assert capsys.readouterr().out == first.out
    assert done == []
    (path,) = (tmp_path / "work" / "caches" / "pairs-train").glob("seed2-*/pairs.npz")
    cache = read_cache(path)
    np.testing.assert_allclose(cache.camera_motion[1:, 0, 2], -2, atol=0.3)
    write_cache(path, cache.with_min_score(0.5))
    assert bench("--rows", "byte", "--caches", str(path.parent)) == 0
    own = capsys.readouterr().out
    assert own.startswith("### pairs-train-own\n")
    assert "Scores of a detector's own caches" in own
    assert done == [("fairmot", 0), ("byte", 0)]
    done.clear()
    assert bench("--rows", "byte") == 0
    assert done == [("fairmot", 2), ("byte", 2)]
    assert capsys.readouterr().out != first.out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--part", "val"], "val: no such folder"),
        (["--rows", "nonsense"], "no row 'nonsense'"),
        (["--frames", "0"], "--frames and --jobs are 1 or more"),
        (["--caches", "nowhere"], "--caches: nowhere: no such folder"),
        (["--strong", "nowhere.yaml"], "nowhere.yaml: no such file"),
    ],
)
def test_wrong_use_is_one_line(bench, capsys, argv, message):
    assert bench(*argv) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("tracking_gains: ")
    assert error.count("\n") == 1


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_order_of_segments_does_not_matter(seed):
    rng = make_rng(seed)
    own, base = rng.integers(0, 9, (2, 5, 83)).astype(float)
    order, taken = rng.permutation(5), draw_segments(5, 50, rng)
    for left, right in zip(compare(own, base, taken), compare(own[order], base[order], taken[:, order]), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-12)
    assert own.shape[1] == bootstrap.THRESHOLDS * 4 + 7


@pytest.mark.dataset
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real frames in ../shared/data")
def test_published_tracker_scores_on_the_stand_in_as_trained_networks_do(tmp_path):
    write_caches(REAL / "val", tmp_path, StandInOptions(), seed=1)
    scores = combine(count_segments(tool.run_row(load_cfg(), REAL / "val", tmp_path)).sum(axis=0, keepdims=True))[0]
    assert 0.5 < scores[METRICS.index("HOTA")] < 0.65
    assert 0.55 < scores[MOTA] < 0.75

from dataclasses import replace

import numpy as np
import pytest
from helpers.tune_worlds import PEOPLE, write_world

from fairmot.commands.tune.data import read_tune_data
from fairmot.config.load import load_cfg
from fairmot.formats.detection_cache import read_cache, write_cache
from fairmot.formats.motchallenge import write_truth
from fairmot.utils.errors import InputError

SEVERAL = ("A", "B", "C", "D", "E", "F", "G", "H")


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one") / "world"
    write_world(folder, frames=20)
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several") / "world"
    write_world(folder, SEVERAL, frames=4)
    return folder


def read(world, *holdout, overrides=(), **more):
    places = {"caches": [world / "caches"], "truth": world / "gt"} | more
    return read_tune_data(load_cfg(None, overrides), holdout=holdout, **places)


def names(pieces):
    return [piece.name for piece in pieces]


def test_of_several_sequences_a_quarter_is_held_out_drawn_by_the_seed(several):
    data = read(several)
    assert len(data.held_out) == 2
    assert sorted(names(data.tuned) + names(data.held_out)) == list(SEVERAL)
    assert names(read(several).held_out) == names(data.held_out)
    others = {tuple(names(read(several, overrides=("SEED", str(seed))).held_out)) for seed in range(5)}
    assert len(others) > 1
    assert not data.warnings


def test_a_share_or_names_of_sequences(several):
    assert len(read(several, "0.5").held_out) == 4
    assert len(read(several, "0.001").held_out) == 1
    assert len(read(several, "0.99").tuned) == 1
    data = read(several, "C", "B")
    assert names(data.held_out) == ["B", "C"]


def test_a_share_of_zero_holds_nothing_out_and_warns(several):
    data = read(several, "0")
    assert names(data.tuned) == list(SEVERAL)
    assert not data.held_out
    assert data.warnings[0].startswith("nothing is held out")


def test_copies_for_several_detectors_stay_together(tmp_path):
    stems = ("X-01", "X-02", "X-03")
    write_world(tmp_path / "w", [f"{stem}-{kind}" for stem in stems for kind in ("DPM", "SDP")], frames=3)
    data = read(tmp_path / "w")
    stem = data.held_out[0].name[:4]
    assert names(data.held_out) == [f"{stem}-DPM", f"{stem}-SDP"]
    named = read(tmp_path / "w", "X-02-SDP")
    assert names(named.held_out) == ["X-02-DPM", "X-02-SDP"]
    write_world(tmp_path / "one", ["X-01-DPM", "X-01-SDP"], frames=3)
    with pytest.raises(InputError, match="copies of one"):
        read(tmp_path / "one")


def test_of_one_sequence_the_later_half_is_held_out_and_counted_from_1(one):
    data = read(one)
    (tuned,), (held,) = data.tuned, data.held_out
    assert [seen.frame for seen in tuned.observations] == list(range(1, 11))
    assert [seen.frame for seen in held.observations] == list(range(1, 11))
    whole = read_cache(one / "caches" / "A.npz")
    counts = [len(seen.detections) for seen in (*tuned.observations, *held.observations)]
    assert counts == whole.frame_counts.tolist()
    assert held.truth.info.length == 10
    assert len(held.truth.truth) == 10 * PEOPLE
    assert held.truth.truth.frames.min() == 1


def test_another_share_of_its_frames(one):
    data = read(one, "0.25")
    assert [len(piece.observations) for piece in (*data.tuned, *data.held_out)] == [15, 5]
    assert not read(one, "0").held_out
    with pytest.raises(InputError, match="leaves none"):
        read(one, "0.99")


def test_a_held_out_part_without_people_scores_nothing(tmp_path):
    write_world(tmp_path / "w", frames=20)
    (path,) = (tmp_path / "w" / "gt").rglob("gt.txt")
    path.write_text("".join(line for line in path.read_text().splitlines(True) if int(line.split(",")[0]) <= 10))
    with pytest.raises(InputError, match="no true box"):
        read(tmp_path / "w")


def test_frames_that_nobody_saw_stay_gaps_in_both_parts(tmp_path):
    write_world(tmp_path / "w", frames=20)
    path = tmp_path / "w" / "caches" / "A.npz"
    kept = np.array([1, 2, 5, 9, 10, 14, 20])
    cache = read_cache(path)
    rows = np.isin(np.repeat(np.arange(1, 21), cache.frame_counts), kept)
    fewer = replace(
        cache,
        frame_counts=cache.frame_counts[kept - 1],
        boxes_xyxy=cache.boxes_xyxy[rows],
        scores=cache.scores[rows],
        embeddings=cache.embeddings[rows],
        classes=cache.class_index[rows],
        frame_numbers=kept,
    )
    write_cache(path, fewer)
    data = read(tmp_path / "w")
    assert [seen.frame for seen in data.tuned[0].observations] == [1, 2, 5, 9, 10]
    assert [seen.frame for seen in data.held_out[0].observations] == [4, 10]


@pytest.mark.parametrize("wrong", [("1",), ("-0.5",), ("Z",), ("A", "Z"), ("0.5", "0.5"), ("nan",)])
def test_a_holdout_that_makes_no_sense(several, wrong):
    with pytest.raises(InputError, match=r"--holdout: \S+ is no sequence here; wanted is a share .*A, B, C"):
        read(several, *wrong)


def test_holding_all_out(several):
    with pytest.raises(InputError, match="none is left to tune on"):
        read(several, *SEVERAL)


def test_caches_as_files_and_extra_ones(several):
    files = [several / "caches" / f"{name}.npz" for name in SEVERAL]
    assert names(read(several, "A", caches=files).held_out) == ["A"]
    alone = read(several, truth=several / "gt" / "C")
    assert (names(alone.tuned), names(alone.held_out)) == (["C"], ["C"])


def test_wrong_caches(several, tmp_path):
    with pytest.raises(InputError, match=r"--caches: none for B \(B\.npz\); there are A"):
        read(several, caches=[several / "caches" / "A.npz"])
    with pytest.raises(InputError, match="no such file"):
        read(several, caches=[tmp_path / "none.npz"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no detection cache here"):
        read(several, caches=[tmp_path / "empty"])
    write_world(tmp_path / "w", frames=5)
    with pytest.raises(InputError, match="A has another cache"):
        read(several, caches=[several / "caches", tmp_path / "w" / "caches"])
    with pytest.raises(InputError, match=r"A\.npz: 5 frames, where A has 4"):
        read(several, caches=[tmp_path / "w" / "caches"], truth=several / "gt" / "A")


def test_embeddings_shorter_than_their_prefix(several):
    assert (
        read(several, overrides=("PREDICT.REID_PREFIX", "4")).tuned[0].observations[0].detections.embeddings.shape[1]
        == 4
    )
    with pytest.raises(InputError, match="have 8 values, fewer than"):
        read(several, overrides=("PREDICT.REID_PREFIX", "9"))


def test_truth_without_a_box(tmp_path):
    write_world(tmp_path / "w", frames=3)
    (piece,) = read(tmp_path / "w", "0").tuned
    write_truth(tmp_path / "w" / "gt" / "A" / "gt" / "gt.txt", piece.truth.results)
    with pytest.raises(InputError, match="no box of truth"):
        read(tmp_path / "w", "0")


def test_what_looks_like_a_test_set_is_warned_of(tmp_path):
    write_world(tmp_path / "set" / "val", ["S"], frames=4)
    (warning,) = read(tmp_path / "set" / "val").warnings
    assert warning.startswith("val: this looks like a test")
    write_world(tmp_path / "set" / "train", ["LATEST-1", "test_2"], frames=4)
    (warning,) = read(tmp_path / "set" / "train", "LATEST-1").warnings
    assert warning.startswith("test_2: ")


def test_the_camera_s_motion(tmp_path, several):
    with pytest.raises(InputError, match=r"--keys: TRACKER\.CAMERA_MOTION: .*A\.npz holds no camera motion"):
        read(several, with_camera=True)
    with pytest.raises(InputError, match="holds no camera motion"):
        read(several, overrides=("TRACKER.CAMERA_MOTION", "flow"), with_camera=True)
    write_world(tmp_path / "w", frames=4, with_camera=True)
    (piece,) = read(tmp_path / "w", "0", with_camera=True).tuned
    assert all(seen.camera_motion.tolist() == np.eye(2, 3).tolist() for seen in piece.observations)


def test_the_camera_s_motion_from_a_file(one, tmp_path):
    (tmp_path / "A.txt").write_text("2 1 0 5 0 1 -7\n")
    overrides = ("TRACKER.CAMERA_MOTION", "file", "TRACKER.CAMERA_FILE", str(tmp_path))
    (piece,) = read(one, "0", overrides=overrides, with_camera=True).tuned
    assert piece.observations[1].camera_motion.tolist() == [[1, 0, 5], [0, 1, -7]]


def test_digests_tell_data_apart(several, tmp_path):
    digests = read(several).digests()
    assert digests == read(several).digests()
    assert sum(map(len, digests.values())) == len(SEVERAL)
    assert digests != read(several, "A").digests()
    write_world(tmp_path / "w", SEVERAL, frames=4)
    path = tmp_path / "w" / "caches" / "A.npz"
    cache = read_cache(path)
    write_cache(path, replace(cache, scores=cache.scores * np.float32(0.99)))
    changed = read(tmp_path / "w").digests()
    both = [{**found["tuned"], **found["held out"]} for found in (digests, changed)]
    assert [name for name in both[0] if both[0][name] != both[1][name]] == ["A"]

from dataclasses import replace

import numpy as np
import pytest
from helpers.tune_worlds import PEOPLE, write_world

from fairmot.commands.tune.data import read_tune_data
from fairmot.config.load import load_cfg
from fairmot.formats.detection_cache import read_cache, write_cache
from fairmot.formats.motchallenge import write_ground_truth
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
    given = {"caches": [world / "caches"], "ground_truth": world / "gt"} | more
    return read_tune_data(load_cfg(None, overrides), holdout=holdout, **given)


def names(parts):
    return [part.name for part in parts]


def test_split_default_of_several_holds_out_a_seeded_quarter(several):
    data = read(several)
    assert len(data.held_out) == 2
    assert sorted(names(data.tuned) + names(data.held_out)) == list(SEVERAL)
    assert names(read(several).held_out) == names(data.held_out)
    others = {tuple(names(read(several, overrides=("SEED", str(seed))).held_out)) for seed in range(5)}
    assert len(others) > 1
    assert not data.warnings


def test_split_by_fraction_or_names(several):
    assert len(read(several, "0.5").held_out) == 4
    assert len(read(several, "0.001").held_out) == 1
    assert len(read(several, "0.99").tuned) == 1
    data = read(several, "C", "B")
    assert names(data.held_out) == ["B", "C"]


def test_split_fraction_zero_holds_out_nothing_and_warns(several):
    data = read(several, "0")
    assert names(data.tuned) == list(SEVERAL)
    assert not data.held_out
    assert data.warnings[0].startswith("nothing is held out")


def test_split_keeps_copies_for_several_detectors_together(tmp_path):
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


def test_split_default_of_one_sequence_holds_out_its_second_half(one):
    data = read(one)
    (tuned,), (held,) = data.tuned, data.held_out
    assert [each.frame for each in tuned.inputs] == list(range(1, 11))
    assert [each.frame for each in held.inputs] == list(range(1, 11))
    cache = read_cache(one / "caches" / "A.npz")
    counts = [len(each.detections) for each in (*tuned.inputs, *held.inputs)]
    assert counts == cache.frame_counts.tolist()
    assert held.ground_truth.info.length == 10
    assert len(held.ground_truth.ground_truth) == 10 * PEOPLE
    assert held.ground_truth.ground_truth.frames.min() == 1


def test_split_one_sequence_by_fraction(one):
    data = read(one, "0.25")
    assert [len(part.inputs) for part in (*data.tuned, *data.held_out)] == [15, 5]
    assert not read(one, "0").held_out
    with pytest.raises(InputError, match="leaves none"):
        read(one, "0.99")


def test_split_held_out_part_without_ground_truth_is_refused(tmp_path):
    write_world(tmp_path / "w", frames=20)
    (path,) = (tmp_path / "w" / "gt").rglob("gt.txt")
    path.write_text("".join(line for line in path.read_text().splitlines(True) if int(line.split(",")[0]) <= 10))
    with pytest.raises(InputError, match="no ground-truth box"):
        read(tmp_path / "w")


def test_split_missing_frames_stay_missing_in_both_parts(tmp_path):
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
    assert [each.frame for each in data.tuned[0].inputs] == [1, 2, 5, 9, 10]
    assert [each.frame for each in data.held_out[0].inputs] == [4, 10]


@pytest.mark.parametrize("wrong", [("1",), ("-0.5",), ("Z",), ("A", "Z"), ("0.5", "0.5"), ("nan",)])
def test_split_wrong_holdout_is_refused(several, wrong):
    with pytest.raises(InputError, match=r"--holdout: \S+ is not a sequence of --gt; expected a fraction .*A, B, C"):
        read(several, *wrong)


def test_split_all_held_out_is_refused(several):
    with pytest.raises(InputError, match="none is left to tune on"):
        read(several, *SEVERAL)


def test_read_caches_as_files_ignores_further_ones(several):
    files = [several / "caches" / f"{name}.npz" for name in SEVERAL]
    assert names(read(several, "A", caches=files).held_out) == ["A"]
    alone = read(several, ground_truth=several / "gt" / "C")
    assert (names(alone.tuned), names(alone.held_out)) == (["C"], ["C"])


def test_read_wrong_caches_are_refused(several, tmp_path):
    with pytest.raises(InputError, match=r"--caches: none for B \(B\.npz\); found A"):
        read(several, caches=[several / "caches" / "A.npz"])
    with pytest.raises(InputError, match="no such file"):
        read(several, caches=[tmp_path / "none.npz"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no detection cache"):
        read(several, caches=[tmp_path / "empty"])
    write_world(tmp_path / "w", frames=5)
    with pytest.raises(InputError, match="A has another cache"):
        read(several, caches=[several / "caches", tmp_path / "w" / "caches"])
    with pytest.raises(InputError, match=r"A\.npz: 5 frames, but A has 4"):
        read(several, caches=[tmp_path / "w" / "caches"], ground_truth=several / "gt" / "A")


def test_read_embeddings_shorter_than_the_prefix_are_refused(several):
    assert read(several, overrides=("PREDICT.REID_PREFIX", "4")).tuned[0].inputs[0].detections.embeddings.shape[1] == 4
    with pytest.raises(InputError, match="of 8 values, fewer than"):
        read(several, overrides=("PREDICT.REID_PREFIX", "9"))


def test_read_ground_truth_without_boxes_is_refused(tmp_path):
    write_world(tmp_path / "w", frames=3)
    (part,) = read(tmp_path / "w", "0").tuned
    write_ground_truth(tmp_path / "w" / "gt" / "A" / "gt" / "gt.txt", part.ground_truth.results)
    with pytest.raises(InputError, match="no ground-truth box in the tuned part"):
        read(tmp_path / "w", "0")


def test_read_names_of_test_sets_give_a_warning(tmp_path):
    write_world(tmp_path / "set" / "val", ["S"], frames=4)
    (warning,) = read(tmp_path / "set" / "val").warnings
    assert warning.startswith("val: the name of a test")
    write_world(tmp_path / "set" / "train", ["LATEST-1", "test_2"], frames=4)
    (warning,) = read(tmp_path / "set" / "train", "LATEST-1").warnings
    assert warning.startswith("test_2: ")


def test_read_camera_motion_of_the_caches(tmp_path, several):
    with pytest.raises(InputError, match=r"--keys: TRACKER\.CAMERA_MOTION: .*A\.npz contains no camera motion"):
        read(several, with_camera_motion=True)
    with pytest.raises(InputError, match="no camera motion"):
        read(several, overrides=("TRACKER.CAMERA_MOTION", "flow"), with_camera_motion=True)
    write_world(tmp_path / "w", frames=4, with_camera=True)
    (part,) = read(tmp_path / "w", "0", with_camera_motion=True).tuned
    assert all(each.camera_motion.tolist() == np.eye(2, 3).tolist() for each in part.inputs)


def test_read_camera_motion_from_a_file(one, tmp_path):
    (tmp_path / "A.txt").write_text("2 1 0 5 0 1 -7\n")
    overrides = ("TRACKER.CAMERA_MOTION", "file", "TRACKER.CAMERA_FILE", str(tmp_path))
    (part,) = read(one, "0", overrides=overrides, with_camera_motion=True).tuned
    assert part.inputs[1].camera_motion.tolist() == [[1, 0, 5], [0, 1, -7]]


def test_digests_differ_for_other_data(several, tmp_path):
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

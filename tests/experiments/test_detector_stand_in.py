"""The detector stand-in: the same for the same seed, noise with a memory, scores and looks that tell what is seen."""

from dataclasses import replace

import detector_stand_in as tool
import numpy as np
import pytest
from helpers.small_pairs import FRAMES, PEOPLE, people_side_by_side, write_sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_in_clutter import ClutterOptions, find_doubles, find_places, find_specks
from stand_in_looks import LooksOptions, draw_looks, embed_people
from stand_in_noise import drifting, in_runs, kept_share
from stand_in_people import PeopleOptions, jitter_boxes, score_people
from stand_in_scene import measure_cover, read_scene

from fairmot.formats.detection_cache import MIN_SAVED_SCORE, read_cache
from fairmot.geometry.boxes import pairwise_iou, tlwh_to_xyxy
from fairmot.utils.seed import make_rng


def scene_of(sequence, seed=1):
    return read_scene(sequence.info, sequence.truth, make_rng(seed))


def test_drifting_noise_has_variance_one_and_the_asked_memory():
    noise = drifting(make_rng(1), (400, 200), keep=0.8)
    assert noise.var() == pytest.approx(1, abs=0.05)
    assert (noise[1:] * noise[:-1]).mean() == pytest.approx(0.8, abs=0.05)
    assert (noise[10:] * noise[:-10]).mean() == pytest.approx(0.8**10, abs=0.05)
    with pytest.raises(ValueError, match=r"^keep"):
        drifting(make_rng(1), (2, 1), keep=1.5)


def test_noise_fades_alike_at_any_frame_rate():
    assert kept_share(0.5, frame_rate=30.0) ** 2 == pytest.approx(kept_share(0.5, frame_rate=15.0))


def test_runs_have_the_asked_share_and_length():
    on = in_runs(make_rng(2), np.full((2000, 50), 0.02), leave=0.1)
    starts = (on[1:] & ~on[:-1]).sum()
    assert on.mean() == pytest.approx(0.02 / 0.12, abs=0.01)
    assert on[1:].sum() / starts == pytest.approx(10, rel=0.1)
    assert on[0].mean() == pytest.approx(0.02 / 0.12, abs=0.15)
    assert not in_runs(make_rng(2), np.zeros((50, 3)), leave=1.0).any()
    with pytest.raises(ValueError, match=r"^leave"):
        in_runs(make_rng(2), np.zeros((2, 1)), leave=0.0)


def test_who_is_in_front_is_told_by_the_foot(tmp_path):
    truth = people_side_by_side(tmp_path, length=2).truth
    truth = truth[np.lexsort((truth.ids, truth.frames))]
    share, front = measure_cover(truth, tlwh_to_xyxy(truth.boxes_tlwh))
    behind = truth.ids % 2 == 0
    assert (front[~behind] == -1).all()
    assert (truth.ids[front[behind]] == truth.ids[behind] - 1).all()
    assert (truth.frames[front[behind]] == truth.frames[behind]).all()
    np.testing.assert_allclose(share, np.where(behind, 0.75 * 0.9, 0))


def test_who_is_not_scored_is_seen_as_a_whole_or_not_at_all(tmp_path):
    kinds = [1, 1, 8, 8, 8, 8, 13, 13]
    sequence = people_side_by_side(tmp_path, length=5, kinds=kinds)
    found = set()
    for seed in range(12):
        scene = scene_of(sequence, seed)
        assert scene.count >= 2
        assert len(scene) == 5 * scene.count
        found.add(scene.count)
        hidden_dolls = (scene.boxes_xyxy[:, 0] > 160) & (scene.boxes_xyxy[:, 1] < 95)
        np.testing.assert_allclose(scene.visibilities[hidden_dolls], 1 - 0.75 * 0.9)
    assert found >= {3, 4}


def test_hidden_people_score_lower_and_are_missed_in_runs(tmp_path):
    scene = scene_of(people_side_by_side(tmp_path, length=300))
    options = PeopleOptions()
    scores = score_people(scene, options, make_rng(3))
    hidden = scene.visibilities < 0.5
    assert 0.7 < np.median(scores[~hidden]) < 0.95
    assert np.median(scores[hidden]) < 0.4
    none = replace(options, onset=0.0, onset_hidden=0.0)
    lost_FP = scene.spread(scores - score_people(scene, none, make_rng(3)), fill=0.0) < 0
    often = lost_FP[:, ::2].mean(), lost_FP[:, 1::2].mean()
    assert 0 < 2 * often[0] < often[1]
    assert lost_FP[1:][lost_FP[:-1]].mean() > 0.8  # a frame after a missed one is missed too


def test_jitter_grows_with_height_and_with_what_is_hidden(tmp_path):
    sequence = people_side_by_side(tmp_path)
    large = replace(sequence, truth=replace(sequence.truth, boxes_tlwh=3 * sequence.truth.boxes_tlwh))
    scenes = scene_of(sequence), scene_of(replace(large, info=replace(large.info, image_hw=(900, 1920))))
    small, tall = (jitter_boxes(scene, PeopleOptions(), make_rng(4)) - scene.boxes_xyxy for scene in scenes)
    np.testing.assert_allclose(tall, 3 * small, atol=1e-9)
    hidden = scenes[0].visibilities < 0.5
    assert small[hidden].std() > 2 * small[~hidden].std()
    assert 0.8 < pairwise_iou(scenes[0].boxes_xyxy, scenes[0].boxes_xyxy + small).diagonal()[~hidden].mean() < 0.97


def test_looks_are_apart_but_for_those_who_dress_alike():
    looks = draw_looks(300, LooksOptions(alike=3, alike_share=1.0), make_rng(5))
    likeness = np.sort(looks @ looks.T, axis=1)[:, ::-1]
    assert likeness[:, 0] == pytest.approx(1)
    assert likeness[:, 1:3].mean() == pytest.approx(0.8, abs=0.05)
    assert likeness[:, 3:].mean() == pytest.approx(0.2, abs=0.05)
    alone = draw_looks(300, LooksOptions(alike=1, alike_share=1.0), make_rng(5))
    assert (alone @ alone.T)[~np.eye(300, dtype=bool)].max() < 0.75


def test_embeddings_of_hidden_people_turn_to_who_is_in_front(tmp_path):
    scene = scene_of(people_side_by_side(tmp_path, hidden=0.6))
    embeddings = embed_people(scene, LooksOptions(alike=1), make_rng(6))
    grid = np.zeros((scene.length, scene.count, 64))
    grid[scene.frames, scene.objects] = embeddings
    np.testing.assert_allclose(np.linalg.norm(grid, axis=2), 1)
    clear, hidden = grid[:, ::2], grid[:, 1::2]
    own = (clear[10:] * clear[:-10]).sum(axis=2).mean()
    to_front, to_other = ((hidden * front).sum(axis=2).mean() for front in (clear, np.roll(clear, 1, axis=1)))
    assert own > 0.7
    assert own > to_front > to_other + 0.1


def test_places_last_some_frames_and_keep_their_look(tmp_path):
    scene = scene_of(people_side_by_side(tmp_path, count=2, hidden=0.1))
    spots = find_places(scene, ClutterOptions(places=1.0), LooksOptions(alike=1), make_rng(7))
    likeness = spots.embeddings[:-1] @ spots.embeddings[1:].T
    together = np.diff(spots.frames)[:, None] >= 0
    assert len(spots.frames) > 5
    assert together.all()
    assert np.sort(likeness, axis=1)[:, -1].mean() > 0.6
    covered = [
        pairwise_iou(spots.boxes_xyxy[spots.frames == frame], scene.boxes_xyxy[scene.frames == frame]).max(initial=0)
        for frame in range(scene.length)
    ]
    assert max(covered) < 0.35


def test_doubles_lie_on_people_and_score_lower(tmp_path):
    scene = scene_of(people_side_by_side(tmp_path))
    people = tool.find_people(scene, tool.StandInOptions(), [make_rng(8, part) for part in range(3)])
    doubles = find_doubles(scene, people, ClutterOptions(doubles=2.0), make_rng(9))
    assert len(doubles.frames) > 20
    for place in range(20):
        same = people.frames == doubles.frames[place]
        first = (people.embeddings[same] @ doubles.embeddings[place]).argmax()
        assert doubles.scores[place] < people.scores[same][first]
        assert pairwise_iou(people.boxes_xyxy[same][[first]], doubles.boxes_xyxy[[place]])[0, 0] > 0.1


def test_specks_come_as_often_as_asked_and_none_where_nobody_is(tmp_path):
    sequence = people_side_by_side(tmp_path)
    options, looks = ClutterOptions(specks=0.5), LooksOptions()
    specks = find_specks(scene_of(sequence), options, looks, make_rng(10))
    assert len(specks.frames) == pytest.approx(0.5 * PEOPLE * FRAMES, rel=0.2)
    nobody = scene_of(replace(sequence, truth=sequence.truth[np.zeros(0, dtype=np.int64)]))
    for find in (find_specks, find_places):
        assert find(nobody, options, looks, make_rng(10)).embeddings.shape == (0, 64)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), hidden=st.floats(0, 1))
def test_caches_are_sound_and_depend_on_the_seed_alone(tmp_path_factory, seed, hidden):
    sequence = people_side_by_side(tmp_path_factory.getbasetemp(), length=6, hidden=hidden)
    cache, again = (tool.detect(sequence, tool.StandInOptions(), seed=seed) for _ in range(2))
    assert len(cache) == 6
    for name in ("frame_counts", "boxes_xyxy", "scores", "embeddings"):
        np.testing.assert_array_equal(getattr(cache, name), getattr(again, name))
    assert cache.scores.min(initial=1) >= MIN_SAVED_SCORE
    np.testing.assert_allclose(np.linalg.norm(cache.embeddings, axis=1), 1, atol=1e-5)
    for frame in cache.frames():
        assert (np.diff(frame.scores) <= 0).all()
    other = tool.detect(sequence, tool.StandInOptions(), seed=seed + 1)
    assert other.scores.shape != cache.scores.shape or (other.scores != cache.scores).any()


def test_more_clutter_leaves_people_as_they_are(tmp_path):
    sequence = people_side_by_side(tmp_path)
    quiet = tool.StandInOptions(clutter=ClutterOptions(places=0.0, doubles=0.0, specks=0.0))
    few, all_ = (tool.detect(sequence, options, seed=3) for options in (quiet, tool.StandInOptions()))
    kept = {tuple(row) for row in all_.boxes_xyxy.tolist()}
    assert len(all_.scores) > len(few.scores)
    assert all(tuple(row) in kept for row in few.boxes_xyxy.tolist())


def test_script_writes_a_cache_a_sequence_with_the_cameras_motion(tmp_path, capsys):
    sequence = people_side_by_side(tmp_path, length=4)
    write_sequence(tmp_path / "truth" / "pairs", sequence, images=4)
    argv = ["--gt", str(tmp_path / "truth"), "--output", str(tmp_path / "caches"), "--seed", "5"]
    assert tool.main(argv) == 0
    path = tmp_path / "caches" / "pairs.npz"
    assert capsys.readouterr().out.strip() == str(path)
    still = read_cache(path)
    assert len(still) == 4
    assert still.camera_motion is None
    assert tool.main([*argv, "--camera-motion"]) == 0
    moving = read_cache(path)
    np.testing.assert_array_equal(moving.scores, still.scores)
    np.testing.assert_allclose(moving.camera_motion[1:, 0, 2], -2, atol=0.3)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--gt", "nowhere"], "nowhere: no such folder"),
        (["--gt", "nowhere", "--seed", "-1"], "--seed is 0 or more"),
        (["--gt", "nowhere", "--alike-share", "2"], "--alike-share between 0 and 1"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, capsys, argv, message):
    assert tool.main([*argv, "--output", str(tmp_path / "caches")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_missing_images_are_told(tmp_path, capsys):
    sequence = people_side_by_side(tmp_path, length=4)
    write_sequence(tmp_path / "truth" / "pairs", sequence, images=4)
    (tmp_path / "truth" / "pairs" / "img1" / "000004.png").unlink()
    (tmp_path / "truth" / "pairs" / "img1" / "000003.png").unlink()
    argv = ["--gt", str(tmp_path / "truth"), "--output", str(tmp_path / "caches"), "--camera-motion"]
    assert tool.main(argv) == 2
    assert "2 images of 4 frames" in capsys.readouterr().err

"""What later trackers added, part by part: a scene that the published tracker gets wrong, or a rule alone."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.walkers import NOBODY, PARTS, assert_same, random_frames, run, see

from fairmot.structures.detections import Detections
from fairmot.structures.track_event import TrackEvent
from fairmot.structures.tracks import AssociationStage
from fairmot.tracking.options import EmbeddingOptions, GalleryOptions, MotionOptions, SecondAssociation, TrackerOptions
from fairmot.tracking.tracker import JointTracker
from fairmot.utils.errors import InputError

LOW = TrackerOptions(second=SecondAssociation(0.1, 0.5))


def joined(*groups: Detections) -> Detections:
    return Detections(
        np.concatenate([group.boxes_xyxy for group in groups]),
        np.concatenate([group.scores for group in groups]),
        np.concatenate([group.embeddings for group in groups]),
        np.concatenate([group.class_index for group in groups]),
    )


class TestLowScores:
    def test_a_low_score_keeps_a_track_but_starts_none(self) -> None:
        frames = [see((0, 0)), see((0, 4), score=0.2), see((0, 8), score=0.2), see((1, 400), score=0.2)]
        assert run(JointTracker(LOW), frames) == [[1], [1], [1], []]
        assert run(JointTracker(), frames) == [[1], [], [], []]

    def test_a_score_at_the_low_threshold_is_none(self) -> None:
        assert run(JointTracker(LOW), [see((0, 0)), see((0, 0), score=0.1)]) == [[1], []]

    def test_high_scores_come_first(self) -> None:
        """A hidden person's low box lies closer to the track than its own high one."""
        tracker = JointTracker(LOW)
        tracker.update(see((0, 0)))
        tracks = tracker.update(joined(see((3, 0), score=0.3), see((0, 12))))
        assert tracks.detection_index.tolist() == [1]
        assert tracks.stages.tolist() == [AssociationStage.APPEARANCE]

    def test_a_lost_track_takes_no_low_score(self) -> None:
        frames = [see((0, 0)), see((0, 0)), NOBODY, see((0, 0), score=0.3)]
        assert run(JointTracker(LOW), frames)[-1] == []

    def test_classes_do_not_mix_there(self) -> None:
        frames = [see((0, 0), classes=[0]), see((0, 0), classes=[1], score=0.3)]
        assert run(JointTracker(LOW), frames)[-1] == []


class TestBirth:
    def test_a_new_track_needs_the_higher_score(self) -> None:
        tracker = JointTracker(TrackerOptions(initiation_threshold=0.7))
        frames = [see((0, 0)), joined(see((0, 0), score=0.5), see((1, 300), score=0.6))]
        assert run(tracker, frames) == [[1], [1]]
        assert tracker.num_tracks == 1

    def test_who_may_not_start_is_matched_all_the_same(self) -> None:
        tracker = JointTracker()
        tracker.update(see((0, 0)))
        for _ in range(3):
            tracks = tracker.update(see((0, 0), (1, 300)), can_initiate=np.array([False, False]))
            assert tracks.ids.tolist() == [1]
        assert tracker.num_tracks == 1
        tracker.update(see((0, 0), (1, 300)), can_initiate=np.array([False, True]))
        assert tracker.num_tracks == 2

    def test_one_answer_for_each_detection(self) -> None:
        tracker = JointTracker()
        with pytest.raises(ValueError, match="can_initiate"):
            tracker.update(see((0, 0)), can_initiate=np.array([True, True]))
        assert tracker.state_dict()["updates"] == 0


class TestRecovery:
    """A person stops while hidden; the filter has run on by then."""

    def frames(self) -> list[Detections]:
        walk = [see((0, 10.0 * step)) for step in range(10)]
        return [*walk, *[NOBODY] * 10, *[see((5, 92.0))] * 2]

    def test_the_last_sight_finds_who_stood_still(self) -> None:
        blind = TrackerOptions(ocr_threshold=0.7)
        assert run(JointTracker(blind), self.frames())[-2] == [1]
        assert run(JointTracker(), self.frames())[-2] == []

    def test_it_is_told_apart(self) -> None:
        tracker = JointTracker(TrackerOptions(ocr_threshold=0.7))
        for frame in self.frames()[:-1]:
            tracks = tracker.update(frame)
        assert tracks.stages.tolist() == [AssociationStage.OCR]
        assert tracks.costs[0] < 0.7

    def test_a_stranger_at_the_last_sight_is_none(self) -> None:
        """The person who comes out there looks altogether different."""
        choosy = TrackerOptions(ocr_threshold=0.7, ocr_appearance_threshold=0.3)
        assert run(JointTracker(choosy), self.frames())[-2] == []
        same = [*self.frames()[:-2], see((0, 92.0))]
        assert run(JointTracker(choosy), same)[-1] == [1]

    def test_the_last_sight_follows_the_camera(self) -> None:
        tracker = JointTracker(TrackerOptions(ocr_threshold=0.7))
        for frame in self.frames()[:-2]:
            tracker.update(frame)
        jump = np.array([[1.0, 0, 500], [0, 1, 0]])
        assert tracker.update(see((5, 592.0)), camera_motion=jump).ids.tolist() == [1]

    def test_filtering_again_is_as_if_seen_along_a_straight_line(self) -> None:
        walk = [see((0, 10.0 * step)) for step in range(10)]
        line = [see((0, 90 + 2.0 * step)) for step in range(1, 12)]
        hidden = JointTracker(TrackerOptions(ocr_threshold=0.7, motion=MotionOptions(oru=True)))
        run(hidden, [*walk, *[NOBODY] * 10, line[-1]])
        seen = JointTracker()
        run(seen, [*walk, *line])
        for name in ("means", "covariances"):
            np.testing.assert_allclose(hidden.state_dict()[name], seen.state_dict()[name], rtol=1e-5, atol=1e-5)

    def test_filtering_again_changes_nothing_without_a_gap(self) -> None:
        frames = [see((0, 3.0 * step), (1, 300 - 2.0 * step)) for step in range(20)]
        again = JointTracker(TrackerOptions(motion=MotionOptions(oru=True)))
        assert_same([again.update(frame) for frame in frames], _plain(frames))

    def test_filtering_again_keeps_to_the_time_that_went_by(self) -> None:
        """Frames come at a third of the rate that the source tells; a step is 1/30 s."""
        options = TrackerOptions(motion=MotionOptions(kalman_rate=30.0, frame_rate=30.0, oru=True))
        tracker = JointTracker(options)
        walk = [*[see((0, 3.0 * step)) for step in range(12)], *[NOBODY] * 8, see((0, 60.0))]
        for number, frame in enumerate(walk):
            tracker.update(frame, time=number / 10)
        assert float(tracker.state_dict()["means"][0, 4]) == pytest.approx(1.0, abs=0.1)


def _plain(frames: list[Detections]) -> list[Any]:
    tracker = JointTracker()
    return [tracker.update(frame) for frame in frames]


class TestMotion:
    def test_a_frame_of_three_steps_moves_as_far_as_three_frames(self) -> None:
        """10 frames a second, steps of 1/30 s: after a second frame unseen the place is the same as at 30 a second."""
        slow = JointTracker(TrackerOptions(motion=MotionOptions(kalman_rate=30.0, frame_rate=10.0)))
        run(slow, [see((0, 0)), see((0, 12.0)), see((0, 24.0))])
        speed = float(slow.state_dict()["means"][0, 4])
        assert 3 < speed < 4.5
        slow.update(NOBODY)
        assert float(slow.state_dict()["means"][0, 0]) == pytest.approx(144 + 3 * speed, abs=1.0)

    def test_time_tells_the_steps_where_frames_are_uneven(self) -> None:
        options = TrackerOptions(motion=MotionOptions(kalman_rate=30.0, frame_rate=30.0))
        even, uneven = JointTracker(options), JointTracker(options)
        for step in range(8):
            even.update(see((0, 6.0 * step)), time=step / 30)
            uneven.update(see((0, 6.0 * step)), time=step / 30)
        even.update(NOBODY, frame_index=11, time=10 / 30)
        uneven.update(NOBODY, time=10 / 30)
        assert uneven.state_dict()["means"][0, 0] == pytest.approx(even.state_dict()["means"][0, 0])

    def test_without_a_rate_time_changes_nothing(self) -> None:
        frames = random_frames(1, 20)
        tracker = JointTracker()
        timed = [tracker.update(frame, time=number**2 / 30) for number, frame in enumerate(frames)]
        assert_same(timed, _plain(frames))

    @pytest.mark.parametrize(
        ("time", "message"), [(0.4, "time: 0.4 s comes before 0.5 s"), (math.nan, "time: nan"), (math.inf, "time: inf")]
    )
    def test_time_does_not_go_back(self, time: float, message: str) -> None:
        tracker = JointTracker()
        tracker.update(see((0, 0)), time=0.5)
        with pytest.raises(ValueError, match=message):
            tracker.update(see((0, 0)), time=time)
        assert tracker.state_dict()["frame"] == 1
        assert tracker.update(see((0, 0)), time=0.5).ids.tolist() == [1]

    def test_a_sure_detection_moves_a_track_more(self) -> None:
        places = {}
        for score in (0.5, 0.95):
            tracker = JointTracker(TrackerOptions(motion=MotionOptions(measurement_noise="nsa")))
            tracker.update(see((0, 0)))
            places[score] = float(tracker.update(see((0, 10.0), score=score)).boxes_tlwh[0, 0])
        assert 100 < places[0.5] < places[0.95] < 110

    def test_a_perfect_score_is_no_division_by_zero(self) -> None:
        tracker = JointTracker(TrackerOptions(motion=MotionOptions(measurement_noise="nsa")))
        tracker.update(see((0, 0), score=1.0))
        assert np.isfinite(tracker.update(see((0, 5.0), score=1.0)).boxes_tlwh).all()


class TestLooks:
    def blend(self, looks: EmbeddingOptions, *, score: float) -> float:
        tracker = JointTracker(TrackerOptions(embedding=looks))
        tracker.update(see((0, 0)))
        tracker.update(see((1, 0), score=score))
        return float(tracker.state_dict()["embeddings"][0, 1])

    def test_sure_detections_weigh_more(self) -> None:
        plain = self.blend(EmbeddingOptions(), score=0.45)
        assert self.blend(EmbeddingOptions(), score=1.0) == pytest.approx(plain)
        assert self.blend(EmbeddingOptions(by_score=True), score=1.0) == pytest.approx(plain, abs=1e-6)
        assert 0 < self.blend(EmbeddingOptions(by_score=True), score=0.45) < plain / 5


class TestGallery:
    OPTIONS = TrackerOptions(max_lost=3, gallery=GalleryOptions(100, 0.2))

    def frames(self, who: int = 0, away: int = 20) -> list[Detections]:
        return [see((0, 0)), see((0, 0)), *[NOBODY] * away, *[see((who, 500.0))] * 2]

    def test_who_comes_back_elsewhere_has_the_old_identity(self) -> None:
        assert run(JointTracker(self.OPTIONS), self.frames())[-2:] == [[], [1]]
        assert run(JointTracker(TrackerOptions(max_lost=3)), self.frames())[-2:] == [[], [2]]

    def test_somebody_else_has_a_new_one(self) -> None:
        assert run(JointTracker(self.OPTIONS), self.frames(who=1))[-1] == [2]

    def test_it_forgets(self) -> None:
        assert run(JointTracker(self.OPTIONS), self.frames(away=101))[-1] == [2]

    def test_two_do_not_share_one_identity(self) -> None:
        tracker = JointTracker(self.OPTIONS)
        run(tracker, [*self.frames()[:-2], *[see((0, 500.0), (0, 900.0))] * 2])
        assert sorted(tracker.state_dict()["ids"].tolist()) in ([1, 2], [1, 3])

    def test_classes_are_apart(self) -> None:
        tracker = JointTracker(self.OPTIONS)
        run(tracker, [see((0, 0), classes=[0])] * 2 + [NOBODY] * 20)
        assert run(tracker, [see((0, 500.0), classes=[1])] * 2)[-1] == [2]

    def test_false_alarms_are_not_remembered(self) -> None:
        tracker = JointTracker(self.OPTIONS)
        run(tracker, [NOBODY, see((0, 0)), *[NOBODY] * 20])
        assert len(tracker.state_dict()["gallery_ids"]) == 0

    def test_it_is_saved_and_loaded(self) -> None:
        first, second = JointTracker(self.OPTIONS), JointTracker(self.OPTIONS)
        run(first, self.frames()[:-2])
        second.load_state_dict(first.state_dict())
        assert run(second, self.frames()[-2:]) == [[], [1]]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda state: state.pop("gallery_classes"), "gallery_classes is missing"),
            (lambda state: state.update(gallery_embeddings=np.zeros((5, 3))), "gallery_embeddings: expected shape"),
        ],
    )
    def test_a_broken_gallery_is_named(self, change: Any, message: str) -> None:
        tracker = JointTracker(self.OPTIONS)
        run(tracker, self.frames()[:-2])
        state = tracker.state_dict()
        change(state)
        with pytest.raises(InputError, match=message):
            JointTracker(self.OPTIONS).load_state_dict(state)

    def test_without_appearance_nobody_is_recognised(self) -> None:
        blind = replace(self.OPTIONS, use_appearance=False)
        assert run(JointTracker(blind), self.frames())[-1] == [2]


class TestAssociationAlone:
    """The ablation of the paper: box overlap, embeddings and the filter alone or together."""

    def test_overlap_alone_ignores_looks_and_the_gate(self) -> None:
        alone = TrackerOptions(use_appearance=False, use_motion=False)
        assert run(JointTracker(alone), [see((0, 0)), see((1, 10))]) == [[1], [1]]
        assert run(JointTracker(alone), [see((0, 0)), see((0, 30))]) == [[1], []]

    def test_looks_alone_find_anybody_anywhere(self) -> None:
        alone = TrackerOptions(use_motion=False, use_overlap=False)
        frames = [see((0, 0), (1, 50)), see((1, 900), (0, 1200))]
        tracker = JointTracker(alone)
        tracker.update(frames[0])
        tracks = tracker.update(frames[1])
        assert dict(zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True)) == {1: 1, 2: 0}
        assert run(JointTracker(alone), [see((0, 0)), see((1, 0))]) == [[1], []]

    def test_looks_alone_confirm_by_looks(self) -> None:
        alone = TrackerOptions(use_motion=False, use_overlap=False)
        assert run(JointTracker(alone), [NOBODY, see((0, 0)), see((0, 700))])[-1] == [1]

    def test_motion_alone_ignores_looks(self) -> None:
        alone = TrackerOptions(use_appearance=False, use_overlap=False)
        assert run(JointTracker(alone), [see((0, 0)), see((1, 5))]) == [[1], [1]]
        assert run(JointTracker(alone), [see((0, 0)), see((1, 300))]) == [[1], []]

    def test_without_motion_boxes_are_the_detections(self) -> None:
        tracker = JointTracker(TrackerOptions(use_motion=False))
        for shift in (0.0, 7.0, 11.0):
            tracks = tracker.update(see((0, shift)))
            np.testing.assert_allclose(tracks.boxes_tlwh, [[100 + shift, 100, 40, 100]])

    def test_something_must_be_left(self) -> None:
        with pytest.raises(ValueError, match="at least one must be True"):
            TrackerOptions(use_appearance=False, use_motion=False, use_overlap=False)

    def test_overlap_in_the_first_cost_settles_a_tie_of_looks(self) -> None:
        """Two who look alike, side by side: the embeddings say nothing, overlap says who is who."""
        frames = [see((0, 0), (0, 12)), see((0, 10), (0, 1))]
        tracker = JointTracker(TrackerOptions(use_motion=False, overlap_weight=0.3))
        tracker.update(frames[0])
        tracks = tracker.update(frames[1])
        assert dict(zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True)) == {1: 1, 2: 0}

    def test_scores_weigh_overlap(self) -> None:
        """1 - 0.6 * 0.45 is beyond 0.7, where 1 - 0.6 is not."""
        scene = [see((0, 0)), see((1, 10), score=0.45)]
        alone = TrackerOptions(use_appearance=False, use_motion=False, overlap_threshold=0.7)
        assert run(JointTracker(alone), scene)[-1] == [1]
        assert run(JointTracker(replace(alone, fuse_score=True)), scene)[-1] == []


class TestOutput:
    def test_boxes_of_the_detections_or_of_the_filter(self) -> None:
        for own, left in ((True, 110.0), (False, 107.0)):
            tracker = JointTracker(TrackerOptions(report_detections=own))
            tracker.update(see((0, 0)))
            tracks = tracker.update(joined(see((1, 500)), see((0, 10.0))))
            assert tracks.boxes_tlwh[0, 0] == pytest.approx(left, abs=3.0 if not own else 1e-6)
            assert (tracks.boxes_tlwh[0, 0] == 110.0) == own


class TestStory:
    def test_every_track_tells_stage_cost_and_age(self) -> None:
        tracker = JointTracker()
        tracks = tracker.update(see((0, 0)))
        assert (tracks.ages.tolist(), tracks.stages.tolist()) == ([1], [AssociationStage.INITIATION])
        assert np.isnan(tracks.costs).all()
        tracks = tracker.update(see((0, 0)), frame_index=4)
        assert (tracks.ages.tolist(), tracks.stages.tolist()) == ([4], [AssociationStage.APPEARANCE])
        assert 0 <= tracks.costs[0] < 0.01
        tracks = tracker.update(see((1, 4)))
        assert tracks.stages.tolist() == [AssociationStage.OVERLAP]
        assert tracks.costs[0] == pytest.approx(1 - 37 / 45, abs=0.02)

    def test_the_log_tells_a_life(self) -> None:
        told: list[TrackEvent] = []
        tracker = JointTracker(TrackerOptions(max_lost=2), log=told.extend)
        run(tracker, [NOBODY, see((0, 0)), see((0, 0)), NOBODY, see((0, 0)), *[NOBODY] * 6])
        assert [(item.frame, item.event) for item in told] == [
            (2, "initiated"),
            (3, "confirmed"),
            (4, "lost"),
            (5, "recovered"),
            (6, "lost"),
            (9, "removed"),
        ]
        assert {item.track for item in told} == {1}
        assert told[1].to_dict() == {
            "frame": 3, "event": "confirmed", "track": 1, "detection": 0, "stage": "tentative",
            "cost": told[1].cost, "score": pytest.approx(0.9),
        }  # fmt: skip
        assert told[-1].to_dict() == {"frame": 9, "event": "removed", "track": 1, "reason": "not matched since frame 5"}

    def test_a_false_alarm_a_duplicate_and_the_gallery_say_why(self) -> None:
        told: list[TrackEvent] = []
        tracker = JointTracker(TestGallery.OPTIONS, log=told.extend)
        run(tracker, [see((0, 0)), see((0, 0)), see((3, 900)), *[NOBODY] * 20, *[see((0, 500.0))] * 2])
        notes = [item.reason for item in told if item.reason]
        assert notes == [
            "confirmed in the first frame",
            "not confirmed",
            "not matched since frame 2",
            "re-identified from the gallery; was track 3",
        ]
        told.clear()
        tracker = JointTracker(log=told.extend)
        tracker.update(see((0, 0), (1, 0)))
        tracker.update(see((0, 0)))
        assert told[-1].reason == "duplicate of track 1"

    @pytest.mark.parametrize("parts", [{}, *PARTS])
    def test_the_log_alone_tells_who_was_reported(self, parts: dict[str, Any]) -> None:
        """Whatever the options: replaying the log gives the identities of each frame, and telling changes nothing."""
        frames = random_frames(11, 60)
        told: list[TrackEvent] = []
        options = TrackerOptions(max_lost=5, **parts)
        tracker, silent = JointTracker(options, log=told.extend), JointTracker(options)
        tracks = [tracker.update(frame) for frame in frames]
        assert_same(tracks, [silent.update(frame) for frame in frames])
        for number, item in enumerate(tracks, 1):
            here = [line for line in told if line.frame == number]
            seen = {line.track for line in here if line.event in ("confirmed", "matched", "recovered")}
            seen |= {line.track for line in here if line.reason == "confirmed in the first frame"}
            gone = {line.track for line in here if line.event == "removed"}
            assert seen - gone == set(item.ids.tolist())

    def test_no_identity_lives_twice(self) -> None:
        for parts in PARTS:
            tracker = JointTracker(TrackerOptions(max_lost=3, **parts))
            for frame in random_frames(5, 80, people=10):
                tracker.update(frame)
                ids = tracker.state_dict()["ids"].tolist()
                assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("parts", PARTS)
def test_every_part_goes_on_from_a_saved_state(parts: dict[str, Any]) -> None:
    frames = random_frames(21, 60)
    options = TrackerOptions(max_lost=5, **parts)
    whole, first, second = (JointTracker(options) for _ in range(3))
    expected = [whole.update(frame, time=n / 30) for n, frame in enumerate(frames)]
    for n, frame in enumerate(frames[:31]):
        first.update(frame, time=n / 30)
    second.load_state_dict(first.state_dict())
    assert_same([second.update(frame, time=n / 30) for n, frame in enumerate(frames[31:], 31)], expected[31:])


def test_a_thousand_empty_frames_leave_nobody() -> None:
    """Ten thousand are among the slow tests (test_soak.py)."""
    tracker = JointTracker(replace(TestGallery.OPTIONS, second=SecondAssociation()))
    run(tracker, [see((0, 0), (1, 300))] * 3)
    for _ in range(1000):
        assert len(tracker.update(NOBODY)) == 0
    assert tracker.num_tracks == 0
    assert len(tracker.state_dict()["gallery_ids"]) == 0
    assert run(tracker, [see((0, 0))] * 2) == [[], [3]]


def test_more_detections_than_any_network_gives() -> None:
    """A thousand at once, K being 500."""
    rng = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(np.arange(40) * 60, np.arange(25) * 130), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([corners, corners + np.array([40, 100])], axis=1).astype(np.float32)
    crowd = Detections(boxes, np.full(1000, 0.9, np.float32), rng.normal(size=(1000, 16)).astype(np.float32))
    tracker = JointTracker()
    assert tracker.update(crowd).ids.tolist() == list(range(1, 1001))
    assert sorted(tracker.update(crowd).ids.tolist()) == list(range(1, 1001))

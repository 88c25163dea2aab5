import math

import numpy as np
import pytest
from helpers.walkers import BOX, EMPTY, assert_same, detect, random_frames, run

from fairmot.structures.detections import Detections
from fairmot.structures.tracks import Tracks
from fairmot.tracking.options import EmbeddingOptions, MotionOptions, TrackerOptions
from fairmot.tracking.tracker import JointTracker


def track(frames: list[Detections]) -> list[Tracks]:
    tracker = JointTracker()
    return [tracker.update(frame) for frame in frames]


class TestPrediction:
    def test_lost_tracks_keep_their_height(self) -> None:
        tracker = JointTracker()
        for step in range(6):
            tracker.update(detect((0, 0), box=(100, 100, 140, 200 + 4 * step)))
        heights = []
        for _ in range(4):
            tracker.update(EMPTY)
            heights.append(float(tracker.state_dict()["means"][0, 3]))
        assert heights[0] > 120
        assert heights[1:] == [heights[0]] * 3

    def test_predict_three_steps_equals_three_frames(self) -> None:
        """10 frames per second with steps of 1/30 s."""
        slow = JointTracker(TrackerOptions(motion=MotionOptions(kalman_rate=30.0, frame_rate=10.0)))
        run(slow, [detect((0, 0)), detect((0, 12.0)), detect((0, 24.0))])
        velocity = float(slow.state_dict()["means"][0, 4])
        assert 3 < velocity < 4.5
        slow.update(EMPTY)
        assert float(slow.state_dict()["means"][0, 0]) == pytest.approx(144 + 3 * velocity, abs=1.0)

    def test_time_sets_the_steps_of_uneven_frames(self) -> None:
        options = TrackerOptions(motion=MotionOptions(kalman_rate=30.0, frame_rate=30.0))
        even, uneven = JointTracker(options), JointTracker(options)
        for step in range(8):
            even.update(detect((0, 6.0 * step)), time=step / 30)
            uneven.update(detect((0, 6.0 * step)), time=step / 30)
        even.update(EMPTY, frame_index=11, time=10 / 30)
        uneven.update(EMPTY, time=10 / 30)
        assert uneven.state_dict()["means"][0, 0] == pytest.approx(even.state_dict()["means"][0, 0])

    def test_time_without_kalman_rate_has_no_effect(self) -> None:
        frames = random_frames(1, 20)
        tracker = JointTracker()
        timed = [tracker.update(frame, time=number**2 / 30) for number, frame in enumerate(frames)]
        assert_same(timed, track(frames))

    @pytest.mark.parametrize(
        ("time", "message"), [(0.4, "time: 0.4 s comes before 0.5 s"), (math.nan, "time: nan"), (math.inf, "time: inf")]
    )
    def test_decreasing_time_is_refused(self, time: float, message: str) -> None:
        tracker = JointTracker()
        tracker.update(detect((0, 0)), time=0.5)
        with pytest.raises(ValueError, match=message):
            tracker.update(detect((0, 0)), time=time)
        assert tracker.state_dict()["frame"] == 1
        assert tracker.update(detect((0, 0)), time=0.5).ids.tolist() == [1]


class TestCameraMotion:
    def test_all_tracks_are_transformed(self) -> None:
        """The camera shifts by 300 px with a tracked, a lost and a tentative person in the image."""
        shift = np.array([[1.0, 0.0, 300.0], [0.0, 1.0, 0.0]])

        def after_shift(motion: np.ndarray | None) -> list[list[int]]:
            tracker = JointTracker()
            run(tracker, [detect((0, 0), (1, 200)), detect((0, 0)), detect((0, 0), (2, 400))])
            return [
                tracker.update(detect((0, 300), (1, 500), (2, 700)), camera_motion=motion).ids.tolist(),
                tracker.update(detect((0, 300), (1, 500), (2, 700))).ids.tolist(),
            ]

        assert after_shift(shift) == [[1, 3, 2], [1, 3, 2]]
        assert after_shift(None)[0] == []

    def test_zoom_scales_boxes(self) -> None:
        tracker = JointTracker()
        tracker.update(detect((0, 0)))
        zoom = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
        tracks = tracker.update(detect((0, 0), box=(200, 200, 280, 400)), camera_motion=zoom)
        np.testing.assert_allclose(tracks.boxes_tlwh, [[200, 200, 80, 200]])

    def test_identity_changes_nothing(self) -> None:
        frames = random_frames(3, 40)
        tracker = JointTracker()
        with_motion = [tracker.update(frame, camera_motion=np.eye(2, 3)) for frame in frames]
        for one, other in zip(with_motion, track(frames), strict=True):
            assert one.ids.tolist() == other.ids.tolist()
            np.testing.assert_allclose(one.boxes_tlwh, other.boxes_tlwh, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("motion", [np.eye(3), np.full((2, 3), np.nan)])
    def test_invalid_affine_is_refused_before_the_state_changes(self, motion: np.ndarray) -> None:
        tracker = JointTracker()
        tracker.update(detect((0, 0)))
        with pytest.raises(ValueError, match="camera_motion"):
            tracker.update(detect((0, 0)), camera_motion=motion)
        assert tracker.state_dict()["frame"] == 1


class TestUpdate:
    def test_nsa_moves_a_track_more_for_a_higher_score(self) -> None:
        lefts = {}
        for score in (0.5, 0.95):
            tracker = JointTracker(TrackerOptions(motion=MotionOptions(measurement_noise="nsa")))
            tracker.update(detect((0, 0)))
            lefts[score] = float(tracker.update(detect((0, 10.0), score=score)).boxes_tlwh[0, 0])
        assert 100 < lefts[0.5] < lefts[0.95] < 110

    def test_nsa_with_score_one_is_finite(self) -> None:
        tracker = JointTracker(TrackerOptions(motion=MotionOptions(measurement_noise="nsa")))
        tracker.update(detect((0, 0), score=1.0))
        assert np.isfinite(tracker.update(detect((0, 5.0), score=1.0)).boxes_tlwh).all()

    def test_embedding_weight_by_score(self) -> None:
        def new_component(embedding: EmbeddingOptions, score: float) -> float:
            tracker = JointTracker(TrackerOptions(embedding=embedding))
            run(tracker, [detect((0, 0)), detect((1, 0), score=score)])
            return float(tracker.state_dict()["embeddings"][0, 1])

        fixed, by_score = EmbeddingOptions(), EmbeddingOptions(by_score=True)
        expected = new_component(fixed, 0.45)
        assert new_component(fixed, 1.0) == pytest.approx(expected)
        assert new_component(by_score, 1.0) == pytest.approx(expected, abs=1e-6)
        assert 0 < new_component(by_score, 0.45) < expected / 5


class TestObservationCentricReupdate:
    def test_gap_equals_observations_on_a_straight_line(self) -> None:
        walk = [detect((0, 10.0 * step)) for step in range(10)]
        line = [detect((0, 90 + 2.0 * step)) for step in range(1, 12)]
        reupdated = JointTracker(TrackerOptions(ocr_threshold=0.7, motion=MotionOptions(oru=True)))
        run(reupdated, [*walk, *[EMPTY] * 10, line[-1]])
        observed = JointTracker()
        run(observed, [*walk, *line])
        for name in ("means", "covariances"):
            np.testing.assert_allclose(reupdated.state_dict()[name], observed.state_dict()[name], rtol=1e-5, atol=1e-5)

    def test_without_gaps_nothing_changes(self) -> None:
        frames = [detect((0, 3.0 * step), (1, 300 - 2.0 * step)) for step in range(20)]
        tracker = JointTracker(TrackerOptions(motion=MotionOptions(oru=True)))
        assert_same([tracker.update(frame) for frame in frames], track(frames))

    def test_steps_follow_the_time(self) -> None:
        """Frames come at a third of the nominal rate; a step is 1/30 s."""
        motion = MotionOptions(kalman_rate=30.0, frame_rate=30.0, oru=True)
        tracker = JointTracker(TrackerOptions(motion=motion))
        walk = [*[detect((0, 3.0 * step)) for step in range(12)], *[EMPTY] * 8, detect((0, 60.0))]
        for number, frame in enumerate(walk):
            tracker.update(frame, time=number / 10)
        assert float(tracker.state_dict()["means"][0, 4]) == pytest.approx(1.0, abs=0.1)


def test_boxes_are_those_of_the_detections_or_the_filter() -> None:
    for report_detections in (True, False):
        tracker = JointTracker(TrackerOptions(report_detections=report_detections))
        tracker.update(detect((0, 0)))
        left = tracker.update(detect((0, 10.0))).boxes_tlwh[0, 0]
        assert (left == BOX[0] + 10) == report_detections
        assert left == pytest.approx(108, abs=2)

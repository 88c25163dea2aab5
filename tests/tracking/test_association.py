"""Association stages of the tracker: each option on a sequence that it changes."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.walkers import EMPTY, concat, detect, run

from fairmot.structures.detections import Detections
from fairmot.structures.tracks import AssociationStage
from fairmot.tracking.options import SecondAssociation, TrackerOptions
from fairmot.tracking.tracker import JointTracker

SECOND = TrackerOptions(second=SecondAssociation(0.1, 0.5))
OVERLAP_ONLY = TrackerOptions(use_appearance=False, use_motion=False)
APPEARANCE_ONLY = TrackerOptions(use_motion=False, use_overlap=False)
MOTION_ONLY = TrackerOptions(use_appearance=False, use_overlap=False)


def detection_by_id(tracker: JointTracker, first: Detections, second: Detections) -> dict[int, int]:
    """Return identity -> detection row of the second frame."""
    tracker.update(first)
    tracks = tracker.update(second)
    return dict(zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True))


class TestSecondAssociation:
    def test_low_scores_continue_tracks_but_initiate_none(self) -> None:
        low = [detect((0, 4), score=0.2), detect((0, 8), score=0.2), detect((1, 400), score=0.2)]
        assert run(JointTracker(SECOND), [detect((0, 0)), *low]) == [[1], [1], [1], []]
        assert run(JointTracker(), [detect((0, 0)), *low]) == [[1], [], [], []]

    def test_threshold_is_exclusive(self) -> None:
        assert run(JointTracker(SECOND), [detect((0, 0)), detect((0, 0), score=0.1)]) == [[1], []]

    def test_high_scores_are_matched_first(self) -> None:
        """The low box of an occluded person overlaps the track more than the track's own high box."""
        tracker = JointTracker(SECOND)
        tracker.update(detect((0, 0)))
        tracks = tracker.update(concat(detect((3, 0), score=0.3), detect((0, 12))))
        assert tracks.detection_index.tolist() == [1]
        assert tracks.stages.tolist() == [AssociationStage.APPEARANCE]

    def test_lost_tracks_are_not_matched(self) -> None:
        frames = [detect((0, 0)), detect((0, 0)), EMPTY, detect((0, 0), score=0.3)]
        assert run(JointTracker(SECOND), frames)[-1] == []

    def test_classes_do_not_mix(self) -> None:
        frames = [detect((0, 0), classes=[0]), detect((0, 0), classes=[1], score=0.3)]
        assert run(JointTracker(SECOND), frames)[-1] == []


class TestObservationCentricRecovery:
    """A person stops during an occlusion, while the Kalman prediction moves on."""

    OCR = TrackerOptions(ocr_threshold=0.7)

    def frames(self) -> list[Detections]:
        walk = [detect((0, 10.0 * step)) for step in range(10)]
        return [*walk, *[EMPTY] * 10, *[detect((5, 92.0))] * 2]

    def test_last_observation_recovers_the_track(self) -> None:
        assert run(JointTracker(self.OCR), self.frames())[-2] == [1]
        assert run(JointTracker(), self.frames())[-2] == []

    def test_stage_and_cost_are_reported(self) -> None:
        tracker = JointTracker(self.OCR)
        for frame in self.frames()[:-1]:
            tracks = tracker.update(frame)
        assert tracks.stages.tolist() == [AssociationStage.OCR]
        assert tracks.costs[0] < 0.7

    def test_appearance_threshold_rejects_another_person(self) -> None:
        strict = TrackerOptions(ocr_threshold=0.7, ocr_appearance_threshold=0.3)
        assert run(JointTracker(strict), self.frames())[-2] == []
        assert run(JointTracker(strict), [*self.frames()[:-2], detect((0, 92.0))])[-1] == [1]

    def test_last_observation_is_transformed_by_camera_motion(self) -> None:
        tracker = JointTracker(self.OCR)
        run(tracker, self.frames()[:-2])
        shift = np.array([[1.0, 0, 500], [0, 1, 0]])
        assert tracker.update(detect((5, 592.0)), camera_motion=shift).ids.tolist() == [1]


class TestAblation:
    """Overlap, embeddings and motion alone or combined, as in the paper's ablation."""

    def test_overlap_only_ignores_appearance_and_gate(self) -> None:
        assert run(JointTracker(OVERLAP_ONLY), [detect((0, 0)), detect((1, 10))]) == [[1], [1]]
        assert run(JointTracker(OVERLAP_ONLY), [detect((0, 0)), detect((0, 30))]) == [[1], []]

    def test_appearance_only_matches_at_any_distance(self) -> None:
        frames = detect((0, 0), (1, 50)), detect((1, 900), (0, 1200))
        assert detection_by_id(JointTracker(APPEARANCE_ONLY), *frames) == {1: 1, 2: 0}
        assert run(JointTracker(APPEARANCE_ONLY), [detect((0, 0)), detect((1, 0))]) == [[1], []]

    def test_appearance_only_confirms_by_appearance(self) -> None:
        assert run(JointTracker(APPEARANCE_ONLY), [EMPTY, detect((0, 0)), detect((0, 700))])[-1] == [1]

    def test_motion_only_ignores_appearance(self) -> None:
        assert run(JointTracker(MOTION_ONLY), [detect((0, 0)), detect((1, 5))]) == [[1], [1]]
        assert run(JointTracker(MOTION_ONLY), [detect((0, 0)), detect((1, 300))]) == [[1], []]

    def test_without_motion_boxes_are_the_detections(self) -> None:
        tracker = JointTracker(TrackerOptions(use_motion=False))
        for shift in (0.0, 7.0, 11.0):
            tracks = tracker.update(detect((0, shift)))
            np.testing.assert_allclose(tracks.boxes_tlwh, [[100 + shift, 100, 40, 100]])

    def test_all_disabled_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one must be True"):
            TrackerOptions(use_appearance=False, use_motion=False, use_overlap=False)

    def test_overlap_weight_decides_between_equal_embeddings(self) -> None:
        tracker = JointTracker(TrackerOptions(use_motion=False, overlap_weight=0.3))
        assert detection_by_id(tracker, detect((0, 0), (0, 12)), detect((0, 10), (0, 1))) == {1: 1, 2: 0}

    def test_fuse_score_weights_overlap(self) -> None:
        """1 - 0.6 * 0.45 is above the threshold 0.7, 1 - 0.6 is not."""
        frames = [detect((0, 0)), detect((1, 10), score=0.45)]
        options = replace(OVERLAP_ONLY, overlap_threshold=0.7)
        assert run(JointTracker(options), frames)[-1] == [1]
        assert run(JointTracker(replace(options, fuse_score=True)), frames)[-1] == []


@pytest.mark.parametrize(("older", "survivor"), [("lost", 2), ("tracked", 1), ("tie", 2)])
def test_duplicate_with_the_shorter_life_is_removed(older: str, survivor: int) -> None:
    """A tracked (1) and a lost (2) box at one position, from a constructed state."""
    tracker = JointTracker()
    tracker.update(detect((0, 0), (1, 0)))
    state = tracker.state_dict()
    state["states"] = np.array([1, 2])
    state["start_frames"] = {"lost": [0, -9], "tracked": [-9, 0], "tie": [0, -1]}[older]
    tracker.load_state_dict(state)
    tracker.update(detect((0, 0)))
    assert tracker.state_dict()["ids"].tolist() == [survivor]


def test_duplicate_of_a_long_lost_track_is_removed() -> None:
    """A new track moves to the position of a lost track of longer life."""
    tracker = JointTracker()
    run(tracker, [detect((0, 0))] * 6)
    ids = run(tracker, [detect((1, shift)) for shift in (60, 40, 24, 12, 4, 0)])
    assert ids[0] == []
    assert ids[1:4] == [[2], [2], [2]]
    assert [] in ids[4:]
    assert 1 in tracker.state_dict()["ids"]


def test_tracks_of_two_classes_are_no_duplicates() -> None:
    tracker = JointTracker()
    tracker.update(detect((0, 0), (1, 0), classes=[0, 1]))
    assert tracker.update(detect((0, 0), classes=[0])).ids.tolist() == [1]
    assert tracker.num_tracks == 2

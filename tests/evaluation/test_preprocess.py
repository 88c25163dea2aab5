import numpy as np
import pytest

from fairmot.evaluation.preprocess import preprocess_sequence
from fairmot.evaluation.protocol import PROTOCOLS

PERSON, CAR, VEHICLE, STATIC, DISTRACTOR = 1, 3, 6, 7, 8
MOT15, MOT17, MOT20 = PROTOCOLS["mot15"], PROTOCOLS["mot17"], PROTOCOLS["mot20"]


def left(preprocessed):
    """Numbers of remaining ground-truth and result boxes."""
    return sum(map(len, preprocessed.gt_labels)), sum(map(len, preprocessed.result_labels))


def test_labels_and_overlaps(sequence):
    scene = sequence(
        [(1, 7, 0, 0, 10, 10, 1, PERSON), (3, 9, 50, 0, 10, 10, 1, PERSON), (3, 7, 0, 0, 10, 10, 1, PERSON)],
        [(3, 44, 0, 0, 10, 20), (1, 30, 0, 0, 10, 10)],
        length=4,
    )
    preprocessed = preprocess_sequence(scene, MOT17)
    assert [labels.tolist() for labels in preprocessed.gt_labels] == [[0], [], [0, 1], []]
    assert [labels.tolist() for labels in preprocessed.result_labels] == [[0], [], [1], []]
    assert [iou.tolist() for iou in preprocessed.ious] == [[[1.0]], [], [[0.5], [0.0]], []]
    assert preprocessed.gt_ids.tolist() == [7, 9]
    assert preprocessed.result_ids.tolist() == [30, 44]


@pytest.mark.parametrize("kind", [2, STATIC, DISTRACTOR, 12])
def test_result_on_a_distractor_is_removed(sequence, kind):
    scene = sequence([(1, 1, 0, 0, 10, 10, 0, kind)], [(1, 5, 1, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT17)) == (0, 0)


def test_result_on_another_class_is_a_false_positive(sequence):
    scene = sequence([(1, 1, 0, 0, 10, 10, 1, CAR)], [(1, 5, 1, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT17)) == (0, 1)


def test_class_6_is_a_distractor_in_mot20_only(sequence):
    scene = sequence([(1, 1, 0, 0, 10, 10, 0, VEHICLE)], [(1, 5, 1, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT17)) == (0, 1)
    assert left(preprocess_sequence(scene, MOT20)) == (0, 0)


def test_mot15_scores_all_flagged_boxes(sequence):
    scene = sequence([(1, 1, 0, 0, 10, 10, 1, -1), (1, 2, 50, 0, 10, 10, 0, -1)], [(1, 5, 1, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT15)) == (1, 1)


def test_unflagged_people_are_not_scored_results_stay(sequence):
    scene = sequence([(1, 1, 0, 0, 10, 10, 0, PERSON)], [(1, 5, 0, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT17)) == (0, 1)


def test_all_boxes_are_matched_before_distractors(sequence):
    """One result, on a person beside whom a distractor stands at IoU 0.67: the person has it, so it stays."""
    scene = sequence([(1, 1, 0, 0, 10, 10, 1, PERSON), (1, 2, 2, 0, 10, 10, 0, DISTRACTOR)], [(1, 5, 0, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT17)) == (1, 1)


def test_unflagged_people_take_part_in_the_matching(sequence):
    scene = sequence([(1, 1, 0, 0, 10, 10, 0, PERSON), (1, 2, 2, 0, 10, 10, 0, DISTRACTOR)], [(1, 5, 0, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT17)) == (0, 1)


def test_of_two_results_the_one_on_the_distractor_goes(sequence):
    scene = sequence(
        [(1, 1, 0, 0, 10, 10, 1, PERSON), (1, 2, 2, 0, 10, 10, 0, DISTRACTOR)],
        [(1, 5, 2, 0, 10, 10), (1, 6, 0, 0, 10, 10)],
    )
    preprocessed = preprocess_sequence(scene, MOT17)
    assert preprocessed.result_ids.tolist() == [6]
    assert preprocessed.ious[0].tolist() == [[1.0]]


def test_iou_of_one_half_is_a_match(sequence):
    on_half = sequence([(1, 1, 0, 0, 10, 10, 0, DISTRACTOR)], [(1, 5, 0, 0, 10, 20)])
    below = sequence([(1, 1, 0, 0, 10, 10, 0, DISTRACTOR)], [(1, 5, 0, 0, 10, 20.01)])
    assert left(preprocess_sequence(on_half, MOT17)) == (0, 0)
    assert left(preprocess_sequence(below, MOT17)) == (0, 1)


def test_class_without_flags_is_scored_completely(sequence):
    """As in training: MOT17 flags people only."""
    cars = [(1, number, 20 * number, 0, 10, 10, 0, CAR) for number in (1, 2)]
    person = (1, 5, 200, 0, 10, 10, 0, PERSON)
    assert left(preprocess_sequence(sequence([*cars, person], []), MOT17.for_class(CAR))) == (2, 0)
    flagged = (1, 3, 60, 0, 10, 10, 1, CAR)
    assert left(preprocess_sequence(sequence([*cars, flagged], []), MOT17.for_class(CAR))) == (1, 0)
    assert left(preprocess_sequence(sequence([person], []), MOT17)) == (0, 0)


def test_distractors_apply_to_people_only(sequence):
    scene = sequence([(1, 1, 0, 0, 10, 10, 0, DISTRACTOR)], [(1, 5, 1, 0, 10, 10)])
    assert left(preprocess_sequence(scene, MOT17.for_class(PERSON))) == (0, 0)
    assert left(preprocess_sequence(scene, MOT17.for_class(CAR))) == (0, 1)


def test_empty_sequence(sequence):
    preprocessed = preprocess_sequence(sequence([], [], length=2), MOT17)
    assert [iou.shape for iou in preprocessed.ious] == [(0, 0), (0, 0)]


def test_tables_are_not_changed(random_sequence):
    scene = random_sequence(1)
    before = scene.results.boxes_tlwh.copy(), scene.ground_truth.ids.copy()
    preprocess_sequence(scene, MOT17)
    assert np.array_equal(before[0], scene.results.boxes_tlwh)
    assert np.array_equal(before[1], scene.ground_truth.ids)

import pytest

from fairmot.evaluation.checks import check_sequence
from fairmot.evaluation.protocol import CUSTOM, PROTOCOLS
from fairmot.utils.errors import InputError

MOT17 = PROTOCOLS["mot17"]


@pytest.mark.parametrize(
    ("gt", "results", "message"),
    [
        ([(21, 1, 0, 0, 9, 9, 1, 1)], [], "A ground truth: frame 21 is beyond the sequence's 20 frames"),
        ([], [(0, 1, 0, 0, 9, 9)], "A results: frame 0 is beyond the sequence's 20 frames"),
        ([(2, 1, 0, 0, 9, 9, 1, 1)] * 2, [], "A ground truth: identity 1 is in frame 2 twice"),
        ([], [(2, 1, 0, 0, 9, 9), (1, 1, 0, 0, 9, 9), (2, 1, 5, 5, 9, 9)], "A results: identity 1 is in frame 2 twice"),
        ([], [(2, 1, 0, 0, 9, 9, 1, -1), (2, 1, 5, 5, 9, 9, 1, 1)], "A results: identity 1 is in frame 2 twice"),
        ([(2, 1, 0, 0, 9, 9, 1, 14)], [], "A ground truth: class 14 is not one of MOTChallenge's, 1 to 13"),
        ([], [(2, 1, 0, 0, 9, 9, 1, 3)], "A results: class 3 in column 8: only people are scored"),
    ],
)
def test_invalid_tables_are_refused_with_the_row(sequence, gt, results, message):
    with pytest.raises(InputError) as caught:
        check_sequence(sequence(gt, results), MOT17)
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", [-1, 0, 3])
def test_results_of_several_classes_need_a_class(sequence, kind):
    scene = sequence([], [(2, 1, 0, 0, 9, 9, 1, 2), (2, 2, 0, 0, 9, 9, 1, kind)])
    with pytest.raises(InputError, match=f"A results: class {kind} in column 8: classes 1 to 2 are scored"):
        check_sequence(scene, MOT17, num_classes=2)


def test_custom_classes_count_from_one_up(sequence):
    check_sequence(sequence([(2, 1, 0, 0, 9, 9, 1, 80)], []), CUSTOM)
    with pytest.raises(InputError, match="A ground truth: class 0 is not a number from 1 up"):
        check_sequence(sequence([(2, 1, 0, 0, 9, 9, 1, 0)], []), CUSTOM)


def test_objects_of_two_classes_may_have_one_identity(sequence):
    rows = [(2, 1, 0, 0, 9, 9, 1, 1), (2, 1, 0, 0, 9, 9, 1, 2)]
    check_sequence(sequence(rows, rows), MOT17, num_classes=2)

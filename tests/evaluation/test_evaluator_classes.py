"""Evaluator with several classes: scores of each class and their sums."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trackeval.metrics import CLEAR, HOTA, Identity

from fairmot.evaluation.evaluator import Evaluator, evaluate_tables
from fairmot.evaluation.preprocess import preprocess_sequence
from fairmot.evaluation.protocol import PROTOCOLS, choose_protocol
from fairmot.evaluation.trackeval_backend import score_sequence
from fairmot.utils.errors import InputError

PEDESTRIAN, CAR = 1, 3  # in ground truth; results number the class list from 1
TWO = ("pedestrian", "car")
COUNTS = ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "IDTP", "IDFP", "IDFN", "MT", "ML")


def crossing(*, confused=0, frames=10):
    """A person and a car for 10 frames.

    The person is found throughout; the car too, but its track breaks in the middle; in the first `confused` frames the
    car is also taken for a person.
    """
    gt, results = [], []
    for frame in range(1, frames + 1):
        person, car = (10.0 * frame, 0, 10, 20), (110.0 - 10 * frame, 5, 40, 20)
        gt += [(frame, 1, *person, 1, PEDESTRIAN), (frame, 2, *car, 1, CAR)]
        results += [(frame, 7, *person, 0.9, 1), (frame, 8 if frame <= frames // 2 else 9, *car, 0.9, 2)]
        if frame <= confused:
            results.append((frame, 10, *car, 0.5, 1))
    return gt, results


def test_scores_of_a_worked_example(sequence):
    """People: 10 found, 2 of 12 results wrong. Cars: 10 found, by two tracks of 5."""
    report = evaluate_tables([sequence(*crossing(confused=2), length=10)], classes=TWO)
    assert list(report.to_dict()) == ["COMBINED", "A", "A/pedestrian", "A/car", "COMBINED/pedestrian", "COMBINED/car"]
    people, cars, both = (report.sequences[name] for name in ("A/pedestrian", "A/car", "A"))
    assert [people[name] for name in ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW")] == [10, 2, 0, 0]
    assert (people["MOTA"], people["IDF1"]) == pytest.approx((0.8, 20 / 22))
    assert [cars[name] for name in ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW")] == [10, 0, 0, 1]
    assert (cars["MOTA"], cars["IDF1"], cars["AssA"]) == pytest.approx((0.9, 0.5, 0.5))
    assert [both[name] for name in ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "IDTP")] == [20, 2, 0, 1, 15]
    assert (both["MOTA"], both["IDF1"]) == pytest.approx((17 / 20, 30 / 42))
    assert both["AssA"] == pytest.approx((10 * 1 + 10 * 0.5) / 20)
    assert both["HOTA"] == pytest.approx(np.sqrt(20 / 22 * 0.75))
    assert report.combined == pytest.approx(both)
    assert report.sequences["COMBINED/car"] == pytest.approx(cars)


def test_wrong_class_is_a_miss_and_a_false_positive(sequence):
    gt, results = crossing()
    swapped = [(*row[:7], 3 - row[7]) for row in results]
    scores = evaluate_tables([sequence(gt, swapped, length=10)], classes=TWO).combined
    assert [scores[name] for name in ("CLR_TP", "CLR_FP", "CLR_FN")] == [0, 20, 20]


def test_custom_classes_are_numbered_by_the_list(sequence):
    gt, results = crossing(confused=2)
    own = [(*row[:7], 1 if row[7] == PEDESTRIAN else 2) for row in gt]
    report = evaluate_tables([sequence(own, results, length=10)], classes=("walker", "tram"))
    assert (report.protocol, report.reason) == ("custom", "DATA.CLASSES has a name that is not MOTChallenge's")
    assert report.sequences["A/tram"]["IDF1"] == pytest.approx(0.5)
    assert report.combined["MOTA"] == pytest.approx(17 / 20)


def test_single_class_other_than_pedestrian(sequence):
    gt, results = crossing()
    cars = [(*row[:7], -1) for row in results if row[7] == 2]
    report = evaluate_tables([sequence(gt, cars, length=10)], classes=("car",))
    assert list(report.to_dict()) == ["COMBINED", "A"]
    assert report.combined["MOTA"] == pytest.approx(0.9)


@pytest.mark.parametrize("backend", ["trackeval", "motmetrics"])
def test_class_scores_equal_those_of_its_own_tables(random_sequence, backend):
    scenes = [classed(random_sequence(seed, name=name), seed) for seed, name in ((5, "A"), (6, "B"))]
    evaluator = Evaluator("mot17", backend=backend, classes=TWO)
    report = evaluator.evaluate(scenes)
    for index, kind in enumerate(TWO, 1):
        alone = [replace(scene, results=unclassed(scene.results[scene.results.classes == index])) for scene in scenes]
        single = replace(evaluator, classes=(kind,)).evaluate(alone)
        assert report.sequences[f"COMBINED/{kind}"] == pytest.approx(single.combined)
        for name in ("A", "B"):
            assert report.sequences[f"{name}/{kind}"] == pytest.approx(single.sequences[name])


def classed(scene, seed):
    kinds = np.random.default_rng(seed).integers(1, 3, len(scene.results))
    return replace(scene, results=replace(scene.results, classes=kinds))


def unclassed(table):
    return replace(table, classes=np.full(len(table), -1))


@given(st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_counts_add_up_over_classes_and_sequences(random_sequence, seed):
    scenes = [classed(random_sequence(seed + number, name=name), seed) for number, name in enumerate("AB")]
    rows = Evaluator("mot17", classes=TWO).evaluate(scenes).to_dict()
    for count in COUNTS:
        for name in ("A", "B", "COMBINED"):
            assert rows[name][count] == sum(rows[f"{name}/{kind}"][count] for kind in TWO)
        for kind in ("", "/pedestrian", "/car"):
            assert rows[f"COMBINED{kind}"][count] == rows[f"A{kind}"][count] + rows[f"B{kind}"][count]


def test_sequence_equals_trackevals_detection_average(random_sequence):
    scene = classed(random_sequence(11, people=9, frames=30), 11)
    report = Evaluator("mot17", classes=TWO).evaluate([scene])
    raw = {}
    for index, (kind, number) in enumerate(zip(TWO, (PEDESTRIAN, CAR), strict=True), 1):
        part = replace(scene, results=scene.results[scene.results.classes == index])
        raw[kind] = score_sequence(preprocess_sequence(part, PROTOCOLS["mot17"].for_class(number)))
    quiet = {"PRINT_CONFIG": False}
    for family, metric in (("HOTA", HOTA()), ("CLEAR", CLEAR(quiet)), ("Identity", Identity(quiet))):
        expected = metric.combine_classes_det_averaged({kind: scores[family] for kind, scores in raw.items()})
        for name, value in expected.items():
            assert report.sequences["A"][name] == pytest.approx(np.mean(value), abs=1e-12), name


def test_events_of_each_class(sequence):
    report = Evaluator("mot17", events=True, classes=TWO).evaluate([sequence(*crossing(confused=2), length=10)])
    assert list(report.events) == ["A/pedestrian", "A/car"]
    assert report.events["A/pedestrian"].count("FP") == 2
    assert report.events["A/car"].count("SWITCH") == 1


def test_classes_that_contradict_the_protocol_are_refused(sequence):
    classless, with_classes = sequence([(1, 1, 0, 0, 9, 9)], []), sequence([(1, 1, 0, 0, 9, 9, 1, 1)], [])
    with pytest.raises(
        InputError,
        match=r"DATA.CLASSES: pedestrian, car, but the ground truth has no classes \(mot15: the ground truth",
    ):
        choose_protocol([classless], classes=TWO)
    with pytest.raises(InputError, match=r"DATA.CLASSES: car, but the ground truth has no classes"):
        choose_protocol([with_classes], "mot15", classes=("car",))
    with pytest.raises(
        InputError, match=r"EVAL.PROTOCOL mot17: DATA.CLASSES \(boat\) are not MOTChallenge's; use auto"
    ):
        choose_protocol([with_classes], "mot17", classes=("boat",))
    assert choose_protocol([classless], classes=("boat",)).protocol.name == "mot15"
    assert choose_protocol([with_classes], classes=("boat",)).protocol.name == "custom"


def test_class_6_is_ambiguous_for_people_only(sequence):
    scene = sequence([(1, 1, 0, 0, 9, 9, 1, 6)], [])
    with pytest.raises(InputError, match="class 6 are distractors in MOT20"):
        choose_protocol([scene], classes=TWO)
    assert choose_protocol([scene], classes=("car", "non-motorised vehicle")).protocol.name == "mot17"

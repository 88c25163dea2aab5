"""Verification scores: worked examples, brute force, and selection of the scored boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.evaluation import reid
from fairmot.evaluation.protocol import CUSTOM, PROTOCOLS
from fairmot.evaluation.reid import score_embeddings, scored_boxes


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def random_people(rng, boxes, people, *, spread=1.0, length=8):
    """Boxes of people whose embeddings lie around one of their own."""
    identities = rng.integers(0, people, boxes)
    middles = rng.normal(size=(people, length))
    return unit(middles[identities] + spread * rng.normal(size=(boxes, length))), identities


def brute_force(embeddings, identities, far):
    """Try each similarity that a pair has, and one above all, as the threshold."""
    rows, columns = np.triu_indices(len(embeddings), 1)
    similarities = (embeddings[rows] * embeddings[columns]).sum(1)
    genuine = identities[rows] == identities[columns]
    thresholds = np.append(np.unique(similarities), 2.0)
    allowed = [t for t in thresholds if (similarities[~genuine] >= t).mean() <= far]
    return (similarities[genuine] >= min(allowed)).mean()


@given(seed=st.integers(0, 10**6), boxes=st.integers(8, 60), people=st.integers(2, 4), far=st.sampled_from(reid.FARS))
@settings(deadline=None, max_examples=40)
def test_rates_equal_brute_force(seed, boxes, people, far):
    """Two similarities nearer to one another than 1e-5 may change places, which moves the rate by a pair or two."""
    embeddings, identities = random_people(np.random.default_rng(seed), boxes, people)
    scores = score_embeddings(embeddings, identities, fars=[far])
    same = (identities[:, None] == identities)[np.triu_indices(boxes, 1)]
    assert (scores.genuine, scores.impostor) == (same.sum(), (~same).sum())
    if scores.genuine and scores.impostor:
        expected = brute_force(embeddings, identities, far)
        assert scores.rates[far] == pytest.approx(expected, abs=2.5 / scores.genuine)


def test_perfect_embeddings_have_tpr_one():
    identities = np.repeat(np.arange(5), 4)
    scores = score_embeddings(np.eye(5)[identities], identities)
    assert scores.to_dict() == {
        **{f"TPR@FAR={far}": 1.0 for far in ("0.1", "0.01", "0.001", "0.0001")},
        "genuine": 30,
        "impostor": 160,
        "boxes": 20,
        "dimension": 5,
    }


def test_random_embeddings_have_tpr_equal_to_far():
    rng = np.random.default_rng(0)
    scores = score_embeddings(unit(rng.normal(size=(1500, 16))), rng.integers(0, 20, 1500))
    assert scores.rates[0.1] == pytest.approx(0.1, abs=0.01)
    assert scores.rates[0.01] == pytest.approx(0.01, abs=0.003)


def test_worked_example_of_three_boxes():
    """The one genuine pair has similarity 0.8, the impostors' have 0.6 and 0.96: a FAR of a half lets the higher in."""
    embeddings = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
    scores = score_embeddings(embeddings, np.array([0, 0, 1]), fars=[0.49, 0.5])
    assert scores.rates == {0.49: 0.0, 0.5: 1.0}
    assert (scores.genuine, scores.impostor) == (1, 2)


def test_equal_similarities_are_accepted_together():
    """All embeddings equal: every threshold accepts all impostors or none."""
    scores = score_embeddings(np.ones((6, 1)), np.array([0, 0, 0, 1, 1, 1]), fars=[0.1, 0.99, 1.0])
    assert scores.rates == {0.1: 0.0, 0.99: 0.0, 1.0: 1.0}


@pytest.mark.parametrize(
    ("identities", "pairs"),
    [([], (0, 0)), ([3], (0, 0)), ([3, 4], (0, 1)), ([3, 3], (1, 0))],
    ids=["no box", "one box", "no genuine pair", "no impostor"],
)
def test_undefined_rates_are_null(identities, pairs):
    scores = score_embeddings(np.ones((len(identities), 2)) / np.sqrt(2), np.array(identities, dtype=np.int64))
    assert (scores.genuine, scores.impostor) == pairs
    assert [value for name, value in scores.to_dict().items() if "TPR" in name] == [None] * 4


def test_pairs_are_within_one_class():
    embeddings, identities = random_people(np.random.default_rng(1), 60, 3)
    classes = np.arange(60) % 2
    scores = score_embeddings(embeddings, identities, classes=classes)
    parts = [score_embeddings(embeddings[classes == kind], identities[classes == kind]) for kind in (0, 1)]
    assert scores.genuine == sum(part.genuine for part in parts)
    assert scores.impostor == sum(part.impostor for part in parts)
    assert scores.boxes == 60


def test_block_size_does_not_change_scores(monkeypatch):
    embeddings, identities = random_people(np.random.default_rng(2), 150, 12)
    expected = score_embeddings(embeddings, identities)
    monkeypatch.setattr(reid, "BLOCK", 32)
    seen = []
    parts = score_embeddings(embeddings, identities, progress=lambda blocks: seen.extend(blocks) or blocks)
    assert parts == expected
    assert len(seen) == 5 * 6 / 2
    assert all(span.stop - span.start == 32 for block in seen for span in block)


def test_wrong_shapes_are_refused_by_name():
    with pytest.raises(ValueError, match="identities"):
        score_embeddings(np.ones((3, 2)), np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="classes"):
        score_embeddings(np.ones((3, 2)), np.zeros(3, dtype=np.int64), classes=np.zeros(2, dtype=np.int64))


@pytest.mark.parametrize(
    ("protocol", "names", "ids", "kinds"),
    [
        pytest.param(PROTOCOLS["mot17"], ["pedestrian"], [0, 4], [0, 0], id="people"),
        pytest.param(PROTOCOLS["mot17"], ["car", "pedestrian"], [0, 2, 4], [1, 0, 1], id="cars without flags"),
        pytest.param(PROTOCOLS["mot15"], ["pedestrian"], [0, 3, 4], [0, 0, 0], id="ground truth without classes"),
        pytest.param(CUSTOM, ["tram", "bus"], [0, 3, 4], [0, 1, 0], id="custom classes"),
    ],
)
def test_scored_boxes_follow_the_protocol(sequence, protocol, names, ids, kinds):
    """Five boxes: a person, one with flag 0, a car, a distractor, a person."""
    classes = [1, 1, 3, 2 if names == ["tram", "bus"] else 8, 1]
    marked = zip([1, 0, 0, 1, 1], classes, strict=True)
    gt = [(1, number, 0, 0, 9, 9, mark, kind) for number, (mark, kind) in enumerate(marked)]
    boxes = scored_boxes(sequence(gt, []), protocol, classes=names)
    assert (boxes.ids.tolist(), boxes.classes.tolist()) == (ids, kinds)

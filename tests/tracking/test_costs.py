import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import chi2

from fairmot.geometry.boxes import pairwise_iou
from fairmot.tracking.costs import (
    GATE,
    appearance_cost,
    forbid_across_classes,
    fuse_motion,
    normalise,
    overlap_cost,
)


def test_gate_is_the_chi_square_quantile() -> None:
    assert round(float(chi2.ppf(0.95, df=4)), 4) == GATE


def test_appearance_cost_is_the_cosine_distance() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(4, 16)), rng.normal(size=(5, 16))
    np.testing.assert_allclose(appearance_cost(left, right), cdist(left, right, "cosine"), atol=1e-12)


def test_euclidean_cost_is_that_of_unit_embeddings() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(4, 16)), rng.normal(size=(5, 16))
    expected = cdist(normalise(left), normalise(right))
    np.testing.assert_allclose(appearance_cost(left, right, metric="euclidean"), expected, atol=1e-12)


def test_zero_embedding_has_cost_one() -> None:
    zero, some = np.zeros((1, 8), np.float32), np.eye(1, 8, dtype=np.float32)
    assert normalise(zero).tolist() == zero.tolist()
    assert appearance_cost(zero, np.concatenate([zero, some])).tolist() == [[1.0, 1.0]]


def test_equal_embeddings_have_cost_zero_not_negative() -> None:
    embeddings = normalise(np.random.default_rng(1).normal(size=(50, 64)).astype(np.float32))
    cost = appearance_cost(embeddings, embeddings)
    assert (cost >= 0).all()
    assert np.diag(cost).max() < 1e-12


def test_fuse_motion_weights_and_gates() -> None:
    appearance, distances = np.array([[0.5, 0.5, 0.5]]), np.array([[2.0, GATE, GATE + 1e-3]])
    fused = fuse_motion(appearance, distances, motion_lambda=0.98)
    np.testing.assert_allclose(fused, [[0.53, 0.49 + 0.02 * GATE, np.inf]])
    assert fuse_motion(appearance, distances, motion_lambda=0.0).tolist() == [[2.0, GATE, np.inf]]
    assert fuse_motion(appearance, distances, motion_lambda=1.0).tolist() == [[0.5, 0.5, np.inf]]
    assert fuse_motion(appearance, distances, motion_lambda=1.0, gate=2.0).tolist() == [[0.5, np.inf, np.inf]]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0, 200)] * 2, *[st.floats(1, 100)] * 2), min_size=1, max_size=6))
def test_overlap_cost_adds_one_to_sides(boxes: list[tuple[float, ...]]) -> None:
    """Equals the IoU of boxes whose right and bottom sides are moved by 1."""
    boxes_xyxy = np.array(boxes)
    boxes_xyxy[:, 2:] += boxes_xyxy[:, :2]
    grown = boxes_xyxy + np.array([0, 0, 1, 1])
    np.testing.assert_allclose(overlap_cost(boxes_xyxy, boxes_xyxy), 1 - pairwise_iou(grown, grown), atol=1e-9)


def test_empty_overlap_cost_keeps_its_shape() -> None:
    assert overlap_cost(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
    assert overlap_cost(np.zeros((3, 4)), np.zeros((0, 4))).shape == (3, 0)


def test_pairs_of_two_classes_are_forbidden() -> None:
    cost = np.zeros((2, 2))
    assert forbid_across_classes(cost, np.array([0, 1]), np.array([1, 0])).tolist() == [[np.inf, 0], [0, np.inf]]
    assert forbid_across_classes(cost, np.array([0, 0]), np.array([0, 0])) is cost

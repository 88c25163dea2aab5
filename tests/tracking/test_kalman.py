"""Batched filter against the dense one, track by track, and invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.tracking import kalman
from fairmot.tracking.kalman import KalmanState

MODELS = [kalman.ASPECT_HEIGHT, kalman.WIDTH_HEIGHT]
TRANSITION = np.kron([[1.0, 1.0], [0.0, 1.0]], np.eye(4))
OBSERVATION = np.eye(4, 8)


def make_boxes(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            rng.uniform(0, 1920, count),
            rng.uniform(0, 1080, count),
            rng.uniform(0.2, 0.8, count),
            rng.uniform(20, 300, count),
        ],
        axis=1,
    )


def noise(height: float, scales: tuple[float, ...], aspects: tuple[float, ...]) -> np.ndarray:
    deviations = [
        value
        for scale, aspect in zip(scales, aspects, strict=True)
        for value in (scale, scale, None, scale)
        for value in [aspect if value is None else value * height]
    ]
    return np.diag(np.square(deviations))


def matrix(covariances: np.ndarray) -> np.ndarray:
    """(3, 4) blocks -> dense (8, 8)."""
    positions, mixed, velocities = (np.diag(values) for values in covariances)
    return np.block([[positions, mixed], [mixed, velocities]])


def moving_state(count: int, seed: int = 0) -> KalmanState:
    """Three steps along moving boxes, with all correlations nonzero."""
    boxes = make_boxes(count, seed)
    state = kalman.initiate(boxes)
    for step in range(1, 4):
        state = kalman.update(kalman.predict(state), boxes + step * np.array([3.0, -2.0, 0.001, 0.5]))
    return kalman.warp(state, np.array([[1.0, 0.05, 3.0], [-0.05, 1.0, 1.0]]))


def test_initiate_has_zero_velocity_and_initial_variances() -> None:
    state = kalman.initiate(np.array([[100.0, 50.0, 0.5, 80.0]]))
    assert state.means.tolist() == [[100.0, 50.0, 0.5, 80.0, 0, 0, 0, 0]]
    expected = noise(80.0, (1 / 10, 1 / 16), (1e-2, 1e-5))
    np.testing.assert_allclose(matrix(state.covariances[0]), expected)


def test_predict_equals_the_dense_filter() -> None:
    state = moving_state(5)
    predicted = kalman.predict(state)
    for mean, covariance, new_mean, new_covariance in zip(*state, *predicted, strict=True):
        np.testing.assert_allclose(new_mean, TRANSITION @ mean)
        expected = TRANSITION @ matrix(covariance) @ TRANSITION.T + noise(mean[3], (1 / 20, 1 / 160), (1e-2, 1e-5))
        np.testing.assert_allclose(matrix(new_covariance), expected, rtol=1e-9, atol=1e-12)


def test_update_equals_the_dense_filter() -> None:
    state, boxes = moving_state(5), make_boxes(5, seed=1)
    updated = kalman.update(state, boxes)
    for mean, covariance, box, new_mean, new_covariance in zip(*state, boxes, *updated, strict=True):
        covariance = matrix(covariance)
        innovation = OBSERVATION @ covariance @ OBSERVATION.T + noise(mean[3], (1 / 20,), (1e-1,))
        gain = covariance @ OBSERVATION.T @ np.linalg.inv(innovation)
        np.testing.assert_allclose(new_mean, mean + gain @ (box - OBSERVATION @ mean))
        expected = (np.eye(8) - gain @ OBSERVATION) @ covariance
        np.testing.assert_allclose(matrix(new_covariance), expected, rtol=1e-7, atol=1e-10)


def test_squared_mahalanobis_equals_the_dense_filter() -> None:
    state, boxes = moving_state(4), make_boxes(3, seed=2)
    distances = kalman.squared_mahalanobis(state, boxes)
    assert distances.shape == (4, 3)
    for row in range(4):
        innovation = np.diag(state.covariances[row, 0]) + noise(state.means[row, 3], (1 / 20,), (1e-1,))
        for column in range(3):
            difference = boxes[column] - state.means[row, :4]
            expected = difference @ np.linalg.inv(innovation) @ difference
            assert distances[row, column] == pytest.approx(expected)


def test_flat_box_keeps_other_distances_exact() -> None:
    """A box of height 0.001 px has an aspect of tens of thousands."""
    state, boxes = moving_state(4), make_boxes(3, seed=2)
    flat = np.array([[50.0, 50.0, 40_000.0, 1e-3]])
    expected = kalman.squared_mahalanobis(state, boxes)
    for crowd, rows in ((np.concatenate([flat, boxes]), slice(1, None)), (np.concatenate([boxes, flat]), slice(3))):
        np.testing.assert_allclose(kalman.squared_mahalanobis(state, crowd)[:, rows], expected, rtol=1e-9)


def test_warp_transforms_centres_velocities_and_heights() -> None:
    state = KalmanState(np.array([[10.0, 20.0, 0.5, 40.0, 1.0, 2.0, 0.1, 3.0]]), np.ones((1, 3, 4)))
    rotation_and_zoom = np.array([[0.0, -2.0, 5.0], [2.0, 0.0, 7.0]])
    warped = kalman.warp(state, rotation_and_zoom)
    np.testing.assert_allclose(warped.means, [[-35.0, 27.0, 0.5, 80.0, -4.0, 2.0, 0.1, 6.0]])
    np.testing.assert_allclose(warped.covariances[0], [[4, 4, 1, 4]] * 3)
    wide = kalman.warp(state, rotation_and_zoom, box=kalman.WIDTH_HEIGHT)
    np.testing.assert_allclose(wide.means, [[-35.0, 27.0, 1.0, 80.0, -4.0, 2.0, 0.2, 6.0]])


def test_warp_by_identity_changes_nothing() -> None:
    state = moving_state(3)
    warped = kalman.warp(state, np.eye(2, 3))
    np.testing.assert_array_equal(warped.means, state.means)
    np.testing.assert_array_equal(warped.covariances, state.covariances)


def test_empty_state() -> None:
    state = kalman.initiate(np.zeros((0, 4)))
    assert kalman.update(kalman.predict(state), np.zeros((0, 4))).covariances.shape == (0, 3, 4)
    assert kalman.squared_mahalanobis(state, make_boxes(2)).shape == (0, 2)
    assert kalman.squared_mahalanobis(kalman.initiate(make_boxes(2)), np.zeros((0, 4))).shape == (2, 0)


def test_xywh_noise_scales_with_both_sides() -> None:
    """Source: BoT-SORT, equations 5 to 7."""
    state = kalman.initiate(np.array([[100.0, 50.0, 40.0, 80.0]]), box=kalman.WIDTH_HEIGHT)
    np.testing.assert_allclose(state.covariances[0, 0], np.square([4.0, 8.0, 4.0, 8.0]))
    np.testing.assert_allclose(state.covariances[0, 2], np.square([2.5, 5.0, 2.5, 5.0]))
    moved = kalman.predict(state, box=kalman.WIDTH_HEIGHT)
    process = np.square([2.0, 4.0, 2.0, 4.0])
    np.testing.assert_allclose(moved.covariances[0, 0], state.covariances[0, 0] + state.covariances[0, 2] + process)
    distances = kalman.squared_mahalanobis(state, np.array([[104.0, 50, 40, 80]]), box=kalman.WIDTH_HEIGHT)
    np.testing.assert_allclose(distances, [[16 / (16 + 4)]])


@pytest.mark.parametrize("box", MODELS)
def test_measure_and_boxes_tlwh_are_inverse(box: kalman.BoxModel) -> None:
    boxes_tlwh = np.array([[10.0, 20, 30, 60], [-5, 0, 7, 100]])
    state = kalman.initiate(box.measure(boxes_tlwh), box=box)
    np.testing.assert_allclose(box.boxes_tlwh(state.means), boxes_tlwh)


@pytest.mark.parametrize("box", MODELS)
def test_two_half_steps_equal_one_step_in_position(box: kalman.BoxModel) -> None:
    state = KalmanState(np.array([[10.0, 20, 30, 60, 4, -2, 0, 1]]), np.ones((1, 3, 4)))
    full = kalman.predict(state, box=box)
    halves = kalman.predict(kalman.predict(state, box=box, steps=0.5), box=box, steps=0.5)
    np.testing.assert_allclose(halves.means, full.means)
    unchanged = kalman.predict(state, box=box, steps=0.0)
    np.testing.assert_array_equal(unchanged.means, state.means)
    np.testing.assert_array_equal(unchanged.covariances, state.covariances)


def test_lower_noise_moves_closer_to_the_measurement() -> None:
    state = kalman.initiate(np.array([[100.0, 50.0, 0.5, 80.0]] * 3))
    updated = kalman.update(state, state.means[:, :4] + [10.0, 0, 0, 0], noise=np.array([0.1, 1.0, 4.0]))
    assert (np.diff(updated.means[:, 0]) < 0).all()
    assert (np.diff(updated.covariances[:, 0, 0]) > 0).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.floats(0.0, 2000.0),
    observed=st.lists(st.booleans(), min_size=1, max_size=40),
    box=st.sampled_from(MODELS),
)
def test_covariance_stays_positive_definite(
    seed: int, height: float, observed: list[bool], box: kalman.BoxModel
) -> None:
    rng = np.random.default_rng(seed)
    boxes = make_boxes(2, seed)
    boxes[:, 3] = height
    state = kalman.initiate(boxes, box=box)
    for is_observed in observed:
        state = kalman.predict(state, box=box, steps=rng.uniform(0, 3))
        if is_observed:
            measurements = boxes + rng.normal(size=(2, 4)) * (5.0, 5.0, 0.02, 5.0)
            state = kalman.update(state, measurements, box=box, noise=rng.uniform(0.05, 4, 2))
        state = kalman.warp(state, np.array([[1.0, 0.01, 1.0], [-0.01, 1.0, 0.0]]), box=box)
        positions, mixed, velocities = state.covariances.transpose(1, 0, 2)
        assert (positions > 0).all()
        assert (velocities > 0).all()
        assert (mixed**2 < positions * velocities).all()
        assert np.isfinite(state.means).all()

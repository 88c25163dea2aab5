from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import cho_factor

from fairmot.structures.sequence import BoxTable
from fairmot.tracking.postprocess import (
    WINDOW,
    PostprocessOptions,
    drop_short,
    interpolate_gaussian,
    interpolate_linear,
    postprocess,
)


def table(frames, ids, boxes=None, *, confidences=None, classes=None) -> BoxTable:
    frames, ids = np.asarray(frames, dtype=np.int64), np.asarray(ids, dtype=np.int64)
    count = len(frames)
    if boxes is None:
        boxes = np.column_stack([10.0 * ids + 2.0 * frames, 5.0 + 0.5 * frames, np.full((count, 2), (20.0, 50.0))])
    return BoxTable(
        frames,
        ids,
        np.asarray(boxes, dtype=np.float64).reshape(count, 4),
        np.full(count, 0.9) if confidences is None else np.asarray(confidences, dtype=np.float64),
        np.full(count, -1) if classes is None else np.asarray(classes, dtype=np.int64),
        np.ones(count),
        lines=np.arange(1, count + 1),
        columns=10,
    )


@st.composite
def tables(draw) -> BoxTable:
    """Rows in any order: tracks with gaps, identities of two classes, random boxes."""
    keys = draw(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 3), st.integers(1, 2)), unique=True, max_size=40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    frames, ids, classes = np.array(keys, dtype=np.int64).reshape(-1, 3).T
    boxes = np.column_stack([rng.normal(0, 300, (len(keys), 2)), rng.uniform(1, 300, (len(keys), 2))])
    return table(frames, ids, boxes, confidences=rng.uniform(size=len(keys)), classes=classes)


def keys_of(rows: BoxTable) -> list[tuple[int, int, int]]:
    return list(zip(rows.frames.tolist(), rows.ids.tolist(), rows.classes.tolist(), strict=True))


def row_of(rows: BoxTable, frame: int) -> BoxTable:
    (row,) = np.flatnonzero(rows.frames == frame)
    return rows[[row]]


both = pytest.mark.parametrize(
    "interpolate",
    [
        lambda rows, max_gap: interpolate_linear(rows, max_gap=max_gap),
        lambda rows, max_gap: interpolate_gaussian(rows, max_gap=max_gap, tau=10.0),
    ],
    ids=["linear", "gaussian"],
)


class TestBoth:
    @both
    @given(rows=tables(), max_gap=st.integers(0, 12))
    @settings(max_examples=60)
    def test_gaps_are_filled_and_nothing_else(self, interpolate, rows, max_gap):
        found = interpolate(rows, max_gap)
        expected = set(keys_of(rows))
        for identity, kind in {key[1:] for key in expected}:
            seen = sorted(key[0] for key in expected if key[1:] == (identity, kind))
            for before, after in pairwise(seen):
                if after - before - 1 <= max_gap:
                    expected |= {(frame, identity, kind) for frame in range(before, after)}
        assert keys_of(found) == sorted(expected)  # each once, by frame, then identity, then class
        assert (found.boxes_tlwh[:, 2:] > 0).all()
        assert np.issubdtype(found.frames.dtype, np.integer)
        assert found.columns == 10

    @both
    @given(
        st.lists(st.integers(2, 250), min_size=3, max_size=60, unique=True),
        st.tuples(st.integers(-500, 500), st.integers(-500, 500), st.integers(300, 400), st.integers(300, 400)),
        st.tuples(*[st.integers(-16, 16)] * 2, *[st.integers(-1, 1)] * 2),
    )
    @settings(max_examples=30)
    def test_constant_velocity_is_restored(self, interpolate, frames, start, velocity):
        kept = np.array(sorted({1, *frames}))
        full = np.arange(1, kept[-1] + 1)
        boxes = np.array(start) + full[:, None] * np.array(velocity)
        found = interpolate(table(kept, np.ones(len(kept)), boxes[kept - 1]), 250)
        np.testing.assert_array_equal(found.frames, full)
        np.testing.assert_allclose(found.boxes_tlwh, boxes, atol=1e-6)

    @both
    def test_gap_is_the_number_of_missing_frames(self, interpolate):
        rows = table([1, 5, 10], [1, 1, 1])  # 3 frames are missing, then 4
        assert interpolate(rows, 3).frames.tolist() == [1, 2, 3, 4, 5, 10]
        assert interpolate(rows, 2).frames.tolist() == [1, 5, 10]
        assert interpolate(rows, 4).frames.tolist() == list(range(1, 11))

    @both
    def test_filled_row_has_lower_confidence_and_the_class(self, interpolate):
        rows = table([1, 4], [7, 7], confidences=[0.9, 0.3], classes=[2, 2])
        filled = row_of(interpolate(rows, 5), 2)
        assert (filled.confidences[0], filled.classes[0], filled.ids[0], filled.lines[0]) == (0.3, 2, 7, 0)
        assert filled.visibilities[0] == 1

    @both
    def test_identity_of_two_classes_is_two_tracks(self, interpolate):
        rows = table([1, 3, 1, 3], [1, 1, 2, 1], classes=[1, 2, 1, 1])
        assert keys_of(interpolate(rows, 9)) == [(1, 1, 1), (1, 2, 1), (2, 1, 1), (3, 1, 1), (3, 1, 2)]

    @both
    def test_empty_table_stays_empty(self, interpolate):
        assert len(interpolate(table([], []), 9)) == 0

    @both
    def test_repeated_track_in_a_frame_is_refused(self, interpolate):
        with pytest.raises(ValueError, match="table: identity 4 is in frame 2 twice"):
            interpolate(table([2, 1, 2], [4, 4, 4]), 9)

    @both
    def test_input_table_is_not_changed(self, interpolate):
        rows = table([9, 1, 4], [1, 1, 1], [[0, 0, 5, 5], [9, 9, 7, 7], [3, 3, 4, 9]])
        boxes, frames = rows.boxes_tlwh.copy(), rows.frames.copy()
        interpolate(rows, 9)
        np.testing.assert_array_equal(rows.boxes_tlwh, boxes)
        np.testing.assert_array_equal(rows.frames, frames)


class TestInterpolateLinear:
    @given(rows=tables(), max_gap=st.integers(0, 40))
    @settings(max_examples=60)
    def test_existing_rows_are_bit_identical(self, rows, max_gap):
        found = interpolate_linear(rows, max_gap=max_gap)
        seen = found[found.lines > 0]
        order = np.lexsort((rows.classes, rows.ids, rows.frames))
        for name in ("frames", "ids", "boxes_tlwh", "confidences", "classes", "visibilities", "lines"):
            np.testing.assert_array_equal(getattr(seen, name), getattr(rows, name)[order])

    def test_filled_boxes_are_linear(self):
        rows = table([1, 5], [1, 1], [[0, 0, 10, 40], [8, -4, 14, 60]])
        np.testing.assert_allclose(row_of(interpolate_linear(rows, max_gap=3), 4).boxes_tlwh, [[6, -3, 13, 55]])


class TestInterpolateGaussian:
    def wave(self, length: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
        """Boxes of a curved path, and noisy ones."""
        times = np.arange(length)
        true = np.column_stack(
            [3 * times + 40 * np.sin(times / 40), 9 * np.cos(times / 30), 40 + 5 * np.sin(times / 50), 100 + times / 9]
        )
        return true, true + np.random.default_rng(3).normal(0, noise, true.shape)

    def jumps(self, boxes: np.ndarray) -> float:
        """Largest second difference of the centre's column."""
        return float(np.abs(np.diff(boxes[:, 0] + boxes[:, 2] / 2, n=2)).max())

    @pytest.mark.parametrize("length", [40, WINDOW, WINDOW + 1, 1300])
    def test_noise_is_smoothed_at_any_length(self, length):
        true, noisy = self.wave(length, 2.0)
        found = interpolate_gaussian(table(np.arange(length) + 1, np.ones(length), noisy), max_gap=9, tau=10.0)
        errors = [np.sqrt(((boxes - true) ** 2).mean()) for boxes in (found.boxes_tlwh, noisy)]
        assert errors[0] < 0.6 * errors[1]
        assert self.jumps(found.boxes_tlwh) < 0.35 * self.jumps(noisy)  # also at window borders

    def test_gap_in_a_curve_is_closer_than_linear(self):
        true, noisy = self.wave(160, 0.2)
        kept = np.r_[0:70, 90:160]
        rows = table(kept + 1, np.ones(len(kept)), noisy[kept])
        curved, straight = interpolate_gaussian(rows, max_gap=20, tau=10.0), interpolate_linear(rows, max_gap=20)
        errors = [np.abs(found.boxes_tlwh[70:90, :2] - true[70:90, :2]).mean() for found in (curved, straight)]
        assert errors[0] < errors[1]

    def test_one_window_equals_the_paper_about_a_line(self):
        _, noisy = self.wave(60, 2.0)
        times = np.arange(60.0)
        scale = 10 * np.log(10**3 / 60)
        kernel = np.exp(-((times[:, None] - times) ** 2) / (2 * scale**2))
        centre = noisy[:, 0] + noisy[:, 2] / 2
        line = np.polyval(np.polyfit(times, centre, 1), times)
        expected = line + kernel @ np.linalg.solve(kernel + 1e-6 * np.eye(60), centre - line)
        found = interpolate_gaussian(table(times + 1, np.ones(60), noisy), max_gap=9, tau=10.0).boxes_tlwh
        np.testing.assert_allclose(found[:, 0] + found[:, 2] / 2, expected, atol=1e-4)

    def test_segments_are_smoothed_separately(self):
        _, noisy = self.wave(60, 2.0)
        near, far = np.arange(60) + 1, np.arange(60) + 200
        alone = interpolate_gaussian(table(near, np.ones(60), noisy), max_gap=9, tau=10.0)
        rows = table(np.r_[near, far], np.ones(120), np.r_[noisy, 500 - noisy[:, [0, 1]].repeat(2, axis=1)])
        together = interpolate_gaussian(rows, max_gap=9, tau=10.0)
        np.testing.assert_array_equal(together.boxes_tlwh[:60], alone.boxes_tlwh)

    def test_single_row_is_unchanged(self):
        rows = table([5], [1], [[1, 2, 3, 4]])
        np.testing.assert_allclose(interpolate_gaussian(rows, max_gap=9, tau=10.0).boxes_tlwh, [[1, 2, 3, 4]])

    def test_boxes_are_not_smaller_than_the_smallest(self):
        boxes = np.array([[0, 0, 100, 200]] * 10 + [[0, 0, 2, 3]] * 3 + [[0, 0, 100, 200]] * 10, dtype=float)
        found = interpolate_gaussian(table(np.arange(23) + 1, np.ones(23), boxes), max_gap=9, tau=10.0)
        assert (found.boxes_tlwh[:, 2:] >= (2, 3)).all()

    @pytest.mark.parametrize("tau", [1.0, 0.0, -3.0])
    def test_tau_of_one_or_less_is_refused(self, tau):
        with pytest.raises(ValueError, match=r"tau: .* is not above 1"):
            interpolate_gaussian(table([1], [1]), max_gap=9, tau=tau)


class TestDropShort:
    @given(rows=tables(), min_length=st.integers(0, 12))
    @settings(max_examples=60)
    def test_tracks_are_kept_or_dropped_completely(self, rows, min_length):
        kept = keys_of(drop_short(rows, min_track_length=min_length))
        lengths: dict[tuple[int, int], int] = {}
        for _, *track in keys_of(rows):
            lengths[tuple(track)] = lengths.get(tuple(track), 0) + 1
        assert kept == sorted(key for key in keys_of(rows) if lengths[key[1:]] >= min_length)

    def test_gaps_do_not_count_as_rows(self):
        assert len(drop_short(table([1, 9], [1, 1]), min_track_length=3)) == 0


class TestPostprocess:
    rows = table([1, 3, 6, 1, 9], [1, 1, 1, 2, 2])

    def test_short_tracks_are_dropped_before_filling(self):
        found = postprocess(self.rows, PostprocessOptions("linear", max_gap=9, min_track_length=3))
        assert keys_of(found) == [(frame, 1, -1) for frame in range(1, 7)]

    def test_short_sequence_keeps_complete_tracks(self):
        few = table([1, 2, 3, 2, 3], [1, 1, 1, 2, 2])
        assert set(postprocess(few, PostprocessOptions(min_track_length=8)).ids.tolist()) == {1}
        assert len(postprocess(few[:0], PostprocessOptions(min_track_length=8))) == 0

    def test_without_steps_rows_are_sorted(self):
        assert keys_of(postprocess(self.rows, PostprocessOptions())) == sorted(keys_of(self.rows))

    def test_gaussian_uses_tau(self):
        rng = np.random.default_rng(0)
        rows = table(np.arange(1, 61), np.ones(60), rng.normal((0, 0, 50, 90), 4, (60, 4)))
        found = postprocess(rows, PostprocessOptions("gaussian", tau=8.0))
        expected = interpolate_gaussian(rows, max_gap=20, tau=8.0)
        np.testing.assert_array_equal(found.boxes_tlwh, expected.boxes_tlwh)
        assert np.abs(found.boxes_tlwh - rows.boxes_tlwh).max() > 1

    def test_invalid_options_are_refused(self):
        with pytest.raises(ValueError, match="interpolate: unknown 'cubic'"):
            PostprocessOptions("cubic")
        with pytest.raises(ValueError, match="tau: 1 is not above 1"):
            PostprocessOptions("gaussian", tau=1)


def test_cost_is_linear_in_the_length(monkeypatch):
    """Cost by the sizes of the solved systems."""
    solved: list[int] = []

    def counting(matrix):
        solved.append(len(matrix) ** 3)
        return cho_factor(matrix)

    monkeypatch.setattr("fairmot.tracking.postprocess.cho_factor", counting)
    work = []
    for length in (1000, 10_000):
        solved.clear()
        interpolate_gaussian(table(np.arange(length) + 1, np.ones(length)), max_gap=9, tau=10.0)
        work.append(sum(solved))
    assert 0 < work[1] < 11 * work[0]

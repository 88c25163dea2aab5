import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.tracking.camera_motion import identity, is_plausible, mask_boxes, reduce_image, scale_affine

RNG = np.random.default_rng(0)


def turned(degrees: float, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Turn and scale about the centre of a 100 x 200 image, then shift."""
    angle, centre = np.radians(degrees), np.array([100.0, 50.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, centre - turn @ centre + shift])


class TestReduceImage:
    def test_the_longer_side_is_the_one_asked_for(self):
        assert reduce_image(np.zeros((300, 400, 3), np.uint8), 100).grey.shape == (75, 100)
        assert reduce_image(np.zeros((400, 300, 3), np.uint8), 100).grey.shape == (100, 75)

    @pytest.mark.parametrize("side", [0, 400, 1000])
    def test_an_image_is_never_enlarged(self, side):
        image = RNG.integers(0, 255, (300, 400), dtype=np.uint8)
        np.testing.assert_array_equal(reduce_image(image, side).grey, image)

    def test_grey_with_and_without_a_channel_and_colour_agree(self):
        grey = RNG.integers(0, 255, (60, 80), dtype=np.uint8)
        plain = reduce_image(grey, 40).grey
        np.testing.assert_array_equal(reduce_image(grey[..., None], 40).grey, plain)
        np.testing.assert_array_equal(reduce_image(np.repeat(grey[..., None], 3, axis=2), 40).grey, plain)

    @pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5), (5, 0, 1), (1, 900), (4, 4, 3)])
    def test_an_image_of_hardly_any_pixels_is_small(self, shape):
        assert reduce_image(np.zeros(shape, np.uint8), 40).is_small

    @pytest.mark.parametrize(
        "image", [np.zeros((9, 9), np.float32), np.zeros(9, np.uint8), np.zeros((9, 9, 4), np.uint8)]
    )
    def test_what_is_no_image_is_refused_by_name(self, image):
        with pytest.raises(ValueError, match=r"image: expected \(H, W, 3\)"):
            reduce_image(image, 40)


class TestMaskPeople:
    def test_boxes_and_a_pixel_around_them_are_left_out(self):
        reduced = reduce_image(np.zeros((80, 160), np.uint8), 80)
        mask = mask_boxes(reduced, np.array([[20.0, 20, 40, 60]]))
        rows, columns = np.nonzero(mask == 0)
        assert (columns.min(), columns.max(), rows.min(), rows.max()) == (9, 21, 9, 31)
        assert set(np.unique(mask)) == {0, 255}

    def test_boxes_outside_and_without_numbers_do_no_harm(self):
        reduced = reduce_image(np.zeros((40, 40), np.uint8), 0)
        boxes = np.array([[-90.0, -90, -50, -50], [100, 100, 120, 130], [np.nan, 0, 9, 9], [0, 0, np.inf, 9]])
        assert (mask_boxes(reduced, boxes) == 255).all()
        assert (mask_boxes(reduced, np.zeros((0, 4))) == 255).all()
        assert (mask_boxes(reduced, np.array([[-1e30, -1e30, 1e30, 1e30]])) == 0).all()


@given(
    st.floats(-20, 20),
    st.floats(0.9, 1.1),
    st.floats(-9, 9),
    st.tuples(st.integers(64, 400), st.integers(64, 400)),
    st.integers(40, 200),
)
@settings(max_examples=50, deadline=None)
def test_a_reduced_affine_carries_the_same_points_in_the_full_image(degrees, scale, shift, size_hw, side):
    reduced = reduce_image(np.zeros(size_hw, np.uint8), side)
    small = turned(degrees, scale, (shift, -shift))
    full = scale_affine(small, reduced)
    pixel = np.array(size_hw[::-1]) / np.array(reduced.grey.shape[::-1])
    points = np.array([[0.0, 0.0], [30.0, 5.0], [7.0, 50.0]])
    carried = points @ small[:, :2].T + small[:, 2]
    in_full = ((points + 0.5) * pixel - 0.5) @ full[:, :2].T + full[:, 2]
    np.testing.assert_allclose(in_full, (carried + 0.5) * pixel - 0.5, atol=1e-8)


class TestIsPlausible:
    @pytest.mark.parametrize(
        "matrix", [identity(), turned(25), turned(0, 0.82), turned(0, 1.24), turned(-9, 1.1, (90, -40))]
    )
    def test_what_a_camera_does(self, matrix):
        assert is_plausible(matrix, (100, 200))

    @pytest.mark.parametrize(
        "matrix",
        [
            turned(35),
            turned(0, 0.79),
            turned(0, 1.26),
            turned(0, 1, (101, 0)),
            turned(0, 1, (0, -51)),
            np.array([[-1.0, 0, 199], [0, 1, 0]]),
            np.zeros((2, 3)),
            np.full((2, 3), np.nan),
            np.array([[1.0, 0.6, -30], [0, 1, 0]]),
        ],
    )
    def test_what_no_camera_does_between_two_frames(self, matrix):
        assert not is_plausible(matrix, (100, 200))

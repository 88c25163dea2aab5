import cv2
import numpy as np
import pytest
from helpers.locations import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.formats.images import read_image
from fairmot.formats.motchallenge import read_boxes
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.tracking import camera_motion
from fairmot.tracking.camera_motion import (
    EccMotion,
    FlowMotion,
    is_plausible,
    mask_boxes,
    reduce_image,
    scale_affine,
)

SIZE_HW = (270, 480)
CENTRE = np.array([240.0, 135.0])
NO_BOXES = np.zeros((0, 4))
VAL = SHARED / "data" / "mot17-half" / "val" / "MOT17-11-val"
KINDS = [FlowMotion, EccMotion]


def texture(seed: int, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    """Colour noise of several scales: corners and gradients everywhere."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    canvas = np.zeros((height, width, 3), np.float32)
    for cells in (6, 24, 90):
        noise = rng.normal(0, 30, (cells, cells * width // height, 3)).astype(np.float32)
        canvas += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(canvas + 128, 0, 255).astype(np.uint8)


def camera(shift=(0.0, 0.0), degrees: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Rotate and scale about the image's centre, then shift, as (3, 3)."""
    angle = np.radians(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.vstack([np.column_stack([linear, CENTRE - linear @ CENTRE + shift]), [0, 0, 1]])


def render(steps, *, people: int = 0, size=(40, 110)):
    """Yield image, people's boxes and the true affine of each frame; people of `size` (width, height) walk over it."""
    backdrop, coat = texture(1, (470, 680)), texture(2)
    offset = np.vstack([np.column_stack([np.eye(2), (-100.0, -100.0)]), [0, 0, 1]])
    pose = np.eye(3)
    for frame, step in enumerate([np.eye(3), *steps]):
        pose = step @ pose
        image = cv2.warpAffine(backdrop, (pose @ offset)[:2], SIZE_HW[::-1])
        boxes = []
        for person in range(people):
            left, top = 20 + 80 * person + 5 * frame, 15 + 20 * (person % 3) + 2 * frame
            image[top : top + size[1], left : left + size[0]] = coat[: size[1], : size[0]]
            boxes.append((left, top, left + size[0], top + size[1]))
        yield image, np.array(boxes, float).reshape(-1, 4), step[:2]


def error(found: np.ndarray, true: np.ndarray) -> float:
    """Largest distance (px) between the image's corners under both affines."""
    corners = np.array([[0, 0, 1], [479, 0, 1], [0, 269, 1], [479, 269, 1.0]])
    return float(np.linalg.norm(corners @ (found - true).T, axis=1).max())


@pytest.mark.parametrize("kind", KINDS)
class TestBothEstimators:
    def test_first_frame_gives_the_identity(self, kind):
        found = kind().update(texture(1), NO_BOXES)
        np.testing.assert_array_equal(found, np.eye(2, 3))
        assert found.dtype == np.float64

    def test_static_camera_gives_the_identity(self, kind):
        estimator, image = kind(), texture(1)
        for _ in range(3):
            assert error(estimator.update(image, NO_BOXES), np.eye(2, 3)) < 0.01

    def test_pan_and_rotation_are_found_behind_walking_people(self, kind):
        estimator = kind()
        steps = [camera((6.3, -2.4)), camera((-9.0, 3.0), degrees=1.0), camera((14.2, 1.1), degrees=-0.7)]
        for image, people, true in render(steps, people=5):
            assert error(estimator.update(image, people), true) < 0.25

    def test_reduced_size_gives_full_resolution_pixels(self, kind):
        estimator = kind(side=240)
        for image, people, true in render([camera((8.0, -3.0), degrees=0.5)] * 3, people=2):
            assert error(estimator.update(image, people), true) < 0.6

    def test_boxes_are_masked_out(self, kind):
        step = camera((-5.0, 0.0))
        covered, bare = kind(), kind()
        for image, people, _ in render([step] * 2, people=5, size=(79, 200)):
            with_boxes, without = covered.update(image, people), bare.update(image, NO_BOXES)
        assert error(with_boxes, step[:2]) < 0.25
        assert error(without, step[:2]) > 3

    def test_boxes_over_the_full_image_give_the_identity(self, kind):
        estimator = kind()
        for image, _, _ in render([camera((5.0, 0.0))] * 2):
            np.testing.assert_array_equal(estimator.update(image, np.array([[-5.0, -5, 500, 300]])), np.eye(2, 3))

    def test_nonfinite_boxes_are_ignored(self, kind):
        estimator = kind()
        nowhere = np.array([[np.nan, 0, 50, 50], [0, 0, np.inf, 200], [-300, -300, -200, -200]])
        for image, _, true in render([camera((5.0, 1.0))]):
            assert error(estimator.update(image, nowhere), true) < 0.25

    def test_blank_frames_give_the_identity_and_recover(self, kind):
        estimator = kind()
        blank = np.zeros((*SIZE_HW, 3), np.uint8)
        frames = list(render([camera((4.0, 2.0))] * 3))
        estimator.update(frames[0][0], NO_BOXES)
        for image in (blank, blank, frames[1][0]):
            np.testing.assert_array_equal(estimator.update(image, NO_BOXES), np.eye(2, 3))
        assert error(estimator.update(frames[2][0], NO_BOXES), frames[2][2]) < 0.25

    def test_change_of_image_size_restarts(self, kind):
        estimator = kind()
        frames = list(render([camera((4.0, 2.0))] * 2))
        estimator.update(frames[0][0], NO_BOXES)
        np.testing.assert_array_equal(estimator.update(frames[1][0][:200, :300], NO_BOXES), np.eye(2, 3))
        np.testing.assert_array_equal(estimator.update(frames[1][0], NO_BOXES), np.eye(2, 3))
        assert error(estimator.update(frames[2][0], NO_BOXES), frames[2][2]) < 0.25

    def test_scene_cut_gives_the_identity(self, kind):
        estimator = kind()
        estimator.update(texture(1), NO_BOXES)
        np.testing.assert_array_equal(estimator.update(texture(7), NO_BOXES), np.eye(2, 3))

    @pytest.mark.parametrize("shape", [(0, 0, 3), (5, 400), (31, 31, 3)])
    def test_tiny_images_give_the_identity(self, kind, shape):
        estimator = kind()
        for _ in range(2):
            np.testing.assert_array_equal(estimator.update(np.zeros(shape, np.uint8), NO_BOXES), np.eye(2, 3))

    def test_grey_images_are_accepted(self, kind):
        grey, channel = kind(), kind()
        for image, people, true in render([camera((5.0, 1.0))], people=2):
            plain = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            found = grey.update(plain, people)
            assert error(found, true) < 0.25
            np.testing.assert_array_equal(channel.update(plain[..., None], people), found)

    def test_two_estimators_are_independent(self, kind):
        sequences = [list(render([camera(shift)] * 2, people=2)) for shift in ((5.0, 1.0), (-7.0, 2.0))]
        alone = [
            [estimator.update(image, people) for image, people, _ in frames]
            for estimator, frames in zip((kind(), kind()), sequences, strict=True)
        ]
        one, two = kind(), kind()
        for frame, (first, second) in enumerate(zip(*sequences, strict=True)):
            np.testing.assert_array_equal(one.update(*first[:2]), alone[0][frame])
            np.testing.assert_array_equal(two.update(*second[:2]), alone[1][frame])

    def test_arguments_are_not_changed(self, kind):
        estimator = kind()
        for image, people, _ in render([camera((5.0, 1.0))], people=2):
            image_before, people_before = image.copy(), people.copy()
            estimator.update(image, people)
            np.testing.assert_array_equal(image, image_before)
            np.testing.assert_array_equal(people, people_before)

    def test_unknown_model_is_refused(self, kind):
        with pytest.raises(ValueError, match="model: unknown 'homography'"):
            kind(model="homography")

    @pytest.mark.dataset
    def test_real_frames_differ_less_after_warping(self, kind):
        if not VAL.is_dir():
            pytest.skip(f"no real frames at {VAL}")
        estimator, static, warped, before = kind(), [], [], None
        gt = read_boxes(VAL / "gt" / "gt.txt", "ground_truth")
        for number in range(1, 9):
            image = read_image(VAL / "img1" / f"{number:06d}.jpg")
            found = estimator.update(image, tlwh_to_xyxy(gt.boxes_tlwh[gt.frames == number]))
            if before is not None:
                static.append(cv2.absdiff(before, image).mean())
                warped.append(cv2.absdiff(cv2.warpAffine(before, found, image.shape[1::-1]), image).mean())
            before = image
        assert np.mean(warped) < 0.8 * np.mean(static)


class TestFlowMotion:
    def test_similarity_model_finds_zoom(self):
        estimator = FlowMotion()
        for image, people, true in render([camera((3.0, 1.0), scale=1.03), camera((1.0, 0.0), 1.0, 0.97)], people=3):
            assert error(estimator.update(image, people), true) < 0.25

    def test_affine_model_finds_a_stretch(self):
        stretch = np.array([[1.03, 0.01, -5.0], [0.0, 0.98, 4.0], [0, 0, 1]])
        estimator, similar = FlowMotion(model="affine"), FlowMotion()
        for image, people, _ in render([stretch], people=3):
            found, rigid = estimator.update(image, people), similar.update(image, people)
        assert error(found, stretch[:2]) < 0.3
        assert error(rigid, stretch[:2]) > 1.0

    def test_too_few_inliers_are_rejected(self, monkeypatch):
        monkeypatch.setattr(camera_motion, "MIN_INLIERS", 1000)
        estimator = FlowMotion()
        for image, people, _ in render([camera((5.0, 1.0))]):
            np.testing.assert_array_equal(estimator.update(image, people), np.eye(2, 3))

    def test_error_is_small_over_many_frames(self):
        estimator = FlowMotion()
        swing = [camera((4 * np.cos(frame / 3), 2 * np.sin(frame / 4))) for frame in range(25)]
        errors = [error(estimator.update(image, people), true) for image, people, true in render(swing, people=4)]
        assert max(errors) < 0.3


class TestEccMotion:
    def test_affine_model_finds_zoom(self):
        estimator = EccMotion(model="affine")
        for image, people, true in render([camera((3.0, 1.0), scale=1.03)], people=3):
            assert error(estimator.update(image, people), true) < 0.3

    def test_low_correlation_is_rejected(self, monkeypatch):
        monkeypatch.setattr(camera_motion, "MIN_CORRELATION", 1.01)
        estimator = EccMotion()
        for image, people, _ in render([camera((5.0, 1.0))]):
            np.testing.assert_array_equal(estimator.update(image, people), np.eye(2, 3))


def rotation(degrees: float, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Rotate and scale about the centre of a 100 x 200 image, then shift."""
    angle, centre = np.radians(degrees), np.array([100.0, 50.0])
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, centre - linear @ centre + shift])


class TestReduceImage:
    def test_longer_side_is_reduced(self):
        assert reduce_image(np.zeros((300, 400, 3), np.uint8), 100).grey.shape == (75, 100)
        assert reduce_image(np.zeros((400, 300, 3), np.uint8), 100).grey.shape == (100, 75)

    @pytest.mark.parametrize("side", [0, 400, 1000])
    def test_images_are_never_enlarged(self, side):
        image = np.random.default_rng(0).integers(0, 255, (300, 400), dtype=np.uint8)
        np.testing.assert_array_equal(reduce_image(image, side).grey, image)

    def test_grey_and_colour_images_agree(self):
        grey = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)
        plain = reduce_image(grey, 40).grey
        np.testing.assert_array_equal(reduce_image(grey[..., None], 40).grey, plain)
        np.testing.assert_array_equal(reduce_image(np.repeat(grey[..., None], 3, axis=2), 40).grey, plain)

    @pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5), (5, 0, 1), (1, 900), (4, 4, 3)])
    def test_tiny_images_are_small(self, shape):
        assert min(reduce_image(np.zeros(shape, np.uint8), 40).grey.shape) < camera_motion.MIN_SIDE

    @pytest.mark.parametrize(
        "image", [np.zeros((9, 9), np.float32), np.zeros(9, np.uint8), np.zeros((9, 9, 4), np.uint8)]
    )
    def test_other_arrays_are_refused(self, image):
        with pytest.raises(ValueError, match=r"image: expected \(H, W, 3\)"):
            reduce_image(image, 40)


class TestMaskBoxes:
    def test_boxes_and_one_pixel_around_are_masked(self):
        reduced = reduce_image(np.zeros((80, 160), np.uint8), 80)
        mask = mask_boxes(reduced, np.array([[20.0, 20, 40, 60]]))
        rows, columns = np.nonzero(mask == 0)
        assert (columns.min(), columns.max(), rows.min(), rows.max()) == (9, 21, 9, 31)
        assert set(np.unique(mask)) == {0, 255}

    def test_outside_and_nonfinite_boxes_are_ignored(self):
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
def test_scaled_affine_maps_the_same_points(degrees, scale, shift, size_hw, side):
    reduced = reduce_image(np.zeros(size_hw, np.uint8), side)
    reduced_affine = rotation(degrees, scale, (shift, -shift))
    full = scale_affine(reduced_affine, reduced)
    pixel = np.array(size_hw[::-1]) / np.array(reduced.grey.shape[::-1])
    points = np.array([[0.0, 0.0], [30.0, 5.0], [7.0, 50.0]])
    mapped = points @ reduced_affine[:, :2].T + reduced_affine[:, 2]
    in_full = ((points + 0.5) * pixel - 0.5) @ full[:, :2].T + full[:, 2]
    np.testing.assert_allclose(in_full, (mapped + 0.5) * pixel - 0.5, atol=1e-8)


class TestIsPlausible:
    @pytest.mark.parametrize(
        "matrix", [np.eye(2, 3), rotation(25), rotation(0, 0.82), rotation(0, 1.24), rotation(-9, 1.1, (90, -40))]
    )
    def test_camera_motions_are_plausible(self, matrix):
        assert is_plausible(matrix, (100, 200))

    @pytest.mark.parametrize(
        "matrix",
        [
            rotation(35),
            rotation(0, 0.79),
            rotation(0, 1.26),
            rotation(0, 1, (101, 0)),
            rotation(0, 1, (0, -51)),
            np.array([[-1.0, 0, 199], [0, 1, 0]]),
            np.zeros((2, 3)),
            np.full((2, 3), np.nan),
            np.array([[1.0, 0.6, -30], [0, 1, 0]]),
        ],
    )
    def test_other_affines_are_not_plausible(self, matrix):
        assert not is_plausible(matrix, (100, 200))

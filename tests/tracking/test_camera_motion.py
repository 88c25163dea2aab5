import cv2
import numpy as np
import pytest
from helpers.locations import SHARED

from fairmot.formats.images import read_image
from fairmot.formats.motchallenge import read_boxes
from fairmot.geometry.boxes import tlwh_to_xyxy
from fairmot.tracking.camera_motion import EccMotion, FlowMotion, identity

SIZE_HW = (270, 480)
CENTRE = np.array([240.0, 135.0])
NOBODY = np.zeros((0, 4))
VAL = SHARED / "data" / "mot17-half" / "val" / "MOT17-11-val"
KINDS = [FlowMotion, EccMotion]


def texture(seed: int, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    """Colour noise of several scales, so that every place has corners and slopes."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    canvas = np.zeros((height, width, 3), np.float32)
    for cells in (6, 24, 90):
        noise = rng.normal(0, 30, (cells, cells * width // height, 3)).astype(np.float32)
        canvas += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(canvas + 128, 0, 255).astype(np.uint8)


def camera(shift=(0.0, 0.0), degrees: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Turn and scale about the image's centre, then shift, as (3, 3)."""
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.vstack([np.column_stack([turn, CENTRE - turn @ CENTRE + shift]), [0, 0, 1]])


def film(steps, *, people: int = 0, size=(40, 110)):
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
    """Largest distance (px) of the image's corners carried by both."""
    corners = np.array([[0, 0, 1], [479, 0, 1], [0, 269, 1], [479, 269, 1.0]])
    return float(np.linalg.norm(corners @ (found - true).T, axis=1).max())


@pytest.mark.parametrize("kind", KINDS)
class TestBoth:
    def test_the_first_frame_stands_still(self, kind):
        found = kind().update(texture(1), NOBODY)
        np.testing.assert_array_equal(found, identity())
        assert found.dtype == np.float64

    def test_a_camera_at_rest_is_found_at_rest(self, kind):
        estimator, image = kind(), texture(1)
        for _ in range(3):
            assert error(estimator.update(image, NOBODY), identity()) < 0.01

    def test_a_known_pan_and_turn_are_found_behind_people_who_walk(self, kind):
        estimator = kind()
        steps = [camera((6.3, -2.4)), camera((-9.0, 3.0), degrees=1.0), camera((14.2, 1.1), degrees=-0.7)]
        for image, people, true in film(steps, people=5):
            assert error(estimator.update(image, people), true) < 0.25

    def test_at_a_reduced_size_the_affine_is_still_in_full_pixels(self, kind):
        estimator = kind(side=240)
        for image, people, true in film([camera((8.0, -3.0), degrees=0.5)] * 3, people=2):
            assert error(estimator.update(image, people), true) < 0.6

    def test_boxes_decide_what_is_ground(self, kind):
        step = camera((-5.0, 0.0))
        covered, bare = kind(), kind()
        for image, people, _ in film([step] * 2, people=5, size=(79, 200)):
            with_boxes, without = covered.update(image, people), bare.update(image, NOBODY)
        assert error(with_boxes, step[:2]) < 0.25
        assert error(without, step[:2]) > 3

    def test_where_people_fill_the_picture_it_stands_still(self, kind):
        estimator = kind()
        for image, _, _ in film([camera((5.0, 0.0))] * 2):
            np.testing.assert_array_equal(estimator.update(image, np.array([[-5.0, -5, 500, 300]])), identity())

    def test_boxes_that_are_no_numbers_are_left_out(self, kind):
        estimator = kind()
        nowhere = np.array([[np.nan, 0, 50, 50], [0, 0, np.inf, 200], [-300, -300, -200, -200]])
        for image, _, true in film([camera((5.0, 1.0))]):
            assert error(estimator.update(image, nowhere), true) < 0.25

    def test_blank_frames_stand_still_and_are_got_over(self, kind):
        estimator = kind()
        blank = np.zeros((*SIZE_HW, 3), np.uint8)
        frames = list(film([camera((4.0, 2.0))] * 3))
        estimator.update(frames[0][0], NOBODY)
        for image in (blank, blank, frames[1][0]):
            np.testing.assert_array_equal(estimator.update(image, NOBODY), identity())
        assert error(estimator.update(frames[2][0], NOBODY), frames[2][2]) < 0.25

    def test_another_size_begins_anew(self, kind):
        estimator = kind()
        frames = list(film([camera((4.0, 2.0))] * 2))
        estimator.update(frames[0][0], NOBODY)
        np.testing.assert_array_equal(estimator.update(frames[1][0][:200, :300], NOBODY), identity())
        np.testing.assert_array_equal(estimator.update(frames[1][0], NOBODY), identity())
        assert error(estimator.update(frames[2][0], NOBODY), frames[2][2]) < 0.25

    def test_a_cut_to_another_scene_stands_still(self, kind):
        estimator = kind()
        estimator.update(texture(1), NOBODY)
        np.testing.assert_array_equal(estimator.update(texture(7), NOBODY), identity())

    @pytest.mark.parametrize("shape", [(0, 0, 3), (5, 400), (31, 31, 3)])
    def test_images_of_hardly_any_pixels_stand_still(self, kind, shape):
        estimator = kind()
        for _ in range(2):
            np.testing.assert_array_equal(estimator.update(np.zeros(shape, np.uint8), NOBODY), identity())

    def test_grey_images_are_taken(self, kind):
        grey, channel = kind(), kind()
        for image, people, true in film([camera((5.0, 1.0))], people=2):
            plain = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            found = grey.update(plain, people)
            assert error(found, true) < 0.25
            np.testing.assert_array_equal(channel.update(plain[..., None], people), found)

    def test_two_cameras_do_not_disturb_each_other(self, kind):
        films = [list(film([camera(shift)] * 2, people=2)) for shift in ((5.0, 1.0), (-7.0, 2.0))]
        alone = [
            [estimator.update(image, people) for image, people, _ in frames]
            for estimator, frames in zip((kind(), kind()), films, strict=True)
        ]
        one, two = kind(), kind()
        for frame, (first, second) in enumerate(zip(*films, strict=True)):
            np.testing.assert_array_equal(one.update(*first[:2]), alone[0][frame])
            np.testing.assert_array_equal(two.update(*second[:2]), alone[1][frame])

    def test_neither_image_nor_boxes_are_changed(self, kind):
        estimator = kind()
        for image, people, _ in film([camera((5.0, 1.0))], people=2):
            image_before, people_before = image.copy(), people.copy()
            estimator.update(image, people)
            np.testing.assert_array_equal(image, image_before)
            np.testing.assert_array_equal(people, people_before)

    def test_an_unknown_model_is_refused_by_name(self, kind):
        with pytest.raises(ValueError, match="model: unknown 'homography'"):
            kind(model="homography")

    @pytest.mark.dataset
    def test_real_frames_fit_better_when_carried_along(self, kind):
        if not VAL.is_dir():
            pytest.skip(f"no real frames at {VAL}")
        estimator, still, carried, before = kind(), [], [], None
        truth = read_boxes(VAL / "gt" / "gt.txt", "ground_truth")
        for number in range(1, 9):
            image = read_image(VAL / "img1" / f"{number:06d}.jpg")
            found = estimator.update(image, tlwh_to_xyxy(truth.boxes_tlwh[truth.frames == number]))
            if before is not None:
                still.append(cv2.absdiff(before, image).mean())
                carried.append(cv2.absdiff(cv2.warpAffine(before, found, image.shape[1::-1]), image).mean())
            before = image
        assert np.mean(carried) < 0.8 * np.mean(still)


class TestFlowMotion:
    def test_zoom_is_found(self):
        estimator = FlowMotion()
        for image, people, true in film([camera((3.0, 1.0), scale=1.03), camera((1.0, 0.0), 1.0, 0.97)], people=3):
            assert error(estimator.update(image, people), true) < 0.25

    def test_the_affine_model_finds_a_stretch(self):
        stretch = np.array([[1.03, 0.01, -5.0], [0.0, 0.98, 4.0], [0, 0, 1]])
        estimator, similar = FlowMotion(model="affine"), FlowMotion()
        for image, people, _ in film([stretch], people=3):
            found, rigid = estimator.update(image, people), similar.update(image, people)
        assert error(found, stretch[:2]) < 0.3
        assert error(rigid, stretch[:2]) > 1.0

    def test_too_few_that_agree_are_not_believed(self):
        estimator = FlowMotion(min_inliers=1000)
        for image, people, _ in film([camera((5.0, 1.0))]):
            np.testing.assert_array_equal(estimator.update(image, people), identity())

    def test_it_keeps_up_over_many_frames(self):
        estimator = FlowMotion()
        swing = [camera((4 * np.cos(frame / 3), 2 * np.sin(frame / 4))) for frame in range(25)]
        errors = [error(estimator.update(image, people), true) for image, people, true in film(swing, people=4)]
        assert max(errors) < 0.3


class TestEccMotion:
    def test_the_affine_model_finds_zoom(self):
        estimator = EccMotion(model="affine")
        for image, people, true in film([camera((3.0, 1.0), scale=1.03)], people=3):
            assert error(estimator.update(image, people), true) < 0.3

    def test_a_weak_correlation_is_not_believed(self):
        estimator = EccMotion(min_correlation=1.01)
        for image, people, _ in film([camera((5.0, 1.0))]):
            np.testing.assert_array_equal(estimator.update(image, people), identity())

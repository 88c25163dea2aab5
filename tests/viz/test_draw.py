import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.viz.colours import colour_of
from fairmot.viz.draw import Pen, draw_tracks

GREY = np.full((120, 160, 3), 90, np.uint8)
BOX = np.array([[40.0, 50.0, 30.0, 40.0]])


def test_input_image_is_not_modified() -> None:
    before = GREY.copy()
    drawn = draw_tracks(GREY, BOX, np.array([3]))
    assert np.array_equal(GREY, before)
    assert drawn.shape == GREY.shape
    assert drawn.dtype == np.uint8
    assert np.array_equal(draw_tracks(GREY, np.zeros((0, 4)), np.zeros(0, int)), GREY)


def test_box_has_its_position_and_identity_colour() -> None:
    drawn = draw_tracks(GREY, BOX, np.array([3]))
    changed = np.argwhere((drawn != GREY).any(-1))
    assert np.abs(drawn[90, 55].astype(int) - colour_of(3)).max() < 40  # the lower side, y = 50 + 40
    assert np.array_equal(drawn[60:80, 48:62], GREY[60:80, 48:62])  # a person stays visible
    assert changed[:, 0].max() <= 93
    assert changed[:, 1].min() >= 36


def test_scores_and_trails_are_drawn() -> None:
    plain = draw_tracks(GREY, BOX, np.array([3]))
    assert not np.array_equal(plain, draw_tracks(GREY, BOX, np.array([3]), scores=np.array([0.5])))
    trail = {3: np.array([[100.0, 110.0], [80.0, 105.0], [55.0, 90.0]])}
    drawn = draw_tracks(GREY, BOX, np.array([3]), trails=trail)
    assert (drawn[108:112, 95:101] != 90).any()


def test_line_width_and_text_scale_with_the_image() -> None:
    small, large = Pen.for_image((90, 160)), Pen.for_image((2160, 3840))
    assert small.thickness == 1
    assert small.text_height >= 8
    assert large.thickness >= 5
    assert large.text_height >= 30


def test_non_contiguous_image_is_accepted() -> None:
    assert draw_tracks(GREY[:, ::-1], BOX, np.array([1])).shape == GREY.shape


@pytest.mark.parametrize(("boxes", "scores"), [(np.zeros((2, 4)), None), (np.zeros((1, 3)), None), (BOX, np.zeros(2))])
def test_wrong_shapes_are_refused(boxes: np.ndarray, scores: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        draw_tracks(GREY, boxes, np.array([1]), scores=scores)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 2, *[st.floats(0, 1e6)] * 2),
        min_size=1,
        max_size=4,
    )
)
def test_any_box_can_be_drawn(rows: list[tuple[float, ...]]) -> None:
    ids = np.arange(len(rows))
    assert draw_tracks(GREY, np.array(rows), ids).shape == GREY.shape

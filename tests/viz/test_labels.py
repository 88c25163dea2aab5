from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmot.viz.labels import Tag, draw_labels, tag_size

RED = (255, 0, 0)


def test_tags_overlap_with_a_common_pixel() -> None:
    assert Tag(0, 0, 4, 4).overlaps(Tag(3, 3, 4, 4))
    assert not Tag(0, 0, 4, 4).overlaps(Tag(4, 0, 4, 4))
    assert not Tag(0, 0, 4, 4).overlaps(Tag(0, 4, 4, 4))


def test_equal_boxes_have_separate_tags() -> None:
    canvas = np.zeros((100, 200, 3), np.uint8)
    boxes = np.array([[50.0, 40.0, 60.0, 50.0]] * 2)
    draw_labels(canvas, boxes, ["1", "2"], [RED, (0, 255, 0)], text_height=8)
    _, height = tag_size("1", 8)
    assert tuple(canvas[40 - height, 50]) == (0, 255, 0) or tuple(canvas[40 - height, 50]) == RED
    assert (canvas[40, 50] > 0).any()  # the second tag is inside the box


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(-500, 500), st.floats(-500, 500))
def test_tag_is_inside_the_canvas(height: int, width: int, left: float, top: float) -> None:
    """The drawn area of a tag smaller than the canvas is its size."""
    canvas = np.zeros((height, width, 3), np.uint8)
    draw_labels(canvas, np.array([[left, top, 20.0, 40.0]]), ["42"], [RED], text_height=8)
    size = tag_size("42", 8)
    if size[0] <= width and size[1] <= height:
        painted = np.argwhere(canvas.any(-1))
        assert tuple(painted.max(0) - painted.min(0) + 1) == size[::-1]


def test_tags_of_equal_boxes_do_not_overlap() -> None:
    canvas = np.zeros((100, 200, 3), np.uint8)
    boxes = np.array([[20.0, 30.0, 70.0, 50.0]] * 4)
    colours = [(255, 40 * n, 0) for n in range(4)]
    draw_labels(canvas, boxes, ["1"] * 4, colours, text_height=8)
    positions = [np.argwhere((canvas == colour).all(-1)).min(0) for colour in colours]
    assert all(np.abs(a - b).max() > 8 for a, b in combinations(positions, 2))

import numpy as np

from fairmot.viz.colours import colour_of
from fairmot.viz.mosaic import Labelled, mosaic


def tile(image_hw: tuple[int, int], ids: list[int]) -> Labelled:
    boxes = np.array([[20.0 + 40 * n, 10, 30, 60] for n in range(len(ids))]).reshape(-1, 4)
    return Labelled(np.full((*image_hw, 3), 90, np.uint8), boxes, np.array(ids, dtype=np.int64), "a caption")


def test_boxes_have_the_colour_of_their_identity() -> None:
    sheet = mosaic([tile((100, 200), [7, -1])], tile_width=400)
    colours = {tuple(value) for value in sheet.reshape(-1, 3).tolist()}
    assert colour_of(7) in colours
    assert (236, 240, 244) in colours  # unknown
    assert colour_of(-1) not in colours


def test_tiles_of_all_shapes_and_without_boxes() -> None:
    sheet = mosaic([tile((100, 200), [1]), tile((300, 90), []), tile((50, 60), [2, 3]), tile((9, 9), [])])
    assert sheet.shape[1] == 3 * 640 + 4 * 6

import numpy as np
import pytest

from fairmot.viz.colours import colour_of
from fairmot.viz.contact_sheet import MosaicTile, contact_sheet, draw_mosaic


def plain(value: int, hw: tuple[int, int] = (30, 60)) -> np.ndarray:
    return np.full((*hw, 3), value, np.uint8)


def test_tiles_are_in_rows() -> None:
    sheet = contact_sheet([plain(value) for value in (50, 100, 150)], columns=2, tile_width=60)
    assert sheet.shape == (2 * 30 + 3 * 6, 2 * 60 + 3 * 6, 3)
    assert [sheet[15, 30, 0], sheet[15, 100, 0], sheet[55, 30, 0]] == [50, 100, 150]
    assert sheet[55, 100, 0] < 40  # empty


def test_other_aspect_ratio_is_fitted() -> None:
    sheet = contact_sheet([plain(50), plain(200, (60, 30))], columns=2, tile_width=60)
    tile = sheet[6:36, 72:132, 0]
    columns = np.flatnonzero((tile == 200).any(0))
    assert len(columns) == 15  # 30 high, and half as wide
    assert abs(columns.mean() - 29.5) <= 1


def test_long_captions_are_cut() -> None:
    images = [plain(50, (90, 160))] * 2
    bare = contact_sheet(images, columns=2, tile_width=160)
    sheet = contact_sheet(images, columns=2, captions=["short", "long " * 40], tile_width=160)
    assert sheet.shape[0] > bare.shape[0]
    assert sheet.shape[1] == bare.shape[1]
    assert sheet[97:, 6:166].max() > 200
    assert sheet[97:, 172:332].max() > 200
    assert np.array_equal(sheet[:, -6:], np.broadcast_to(sheet[0, 0], sheet[:, -6:].shape))


def test_columns_are_limited_to_the_images() -> None:
    assert contact_sheet([plain(1)], columns=9, tile_width=60).shape == (42, 72, 3)


@pytest.mark.parametrize(
    ("images", "columns", "captions", "word"),
    [
        ([], 2, [], "at least one"),
        ([plain(1)], 0, [], "at least one"),
        ([plain(1)], 1, ["a", "b"], "captions"),
        ([np.zeros((3, 3), np.uint8)], 1, [], "image"),
    ],
)
def test_invalid_arguments_are_refused(images: list[np.ndarray], columns: int, captions: list[str], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        contact_sheet(images, columns=columns, captions=captions)


def labelled(image_hw: tuple[int, int], ids: list[int]) -> MosaicTile:
    boxes = np.array([[20.0 + 40 * n, 10, 30, 60] for n in range(len(ids))]).reshape(-1, 4)
    return MosaicTile(np.full((*image_hw, 3), 90, np.uint8), boxes, np.array(ids, dtype=np.int64), "a caption")


def test_mosaic_boxes_have_identity_colours() -> None:
    sheet = draw_mosaic([labelled((100, 200), [7, -1])], tile_width=400)
    colours = {tuple(value) for value in sheet.reshape(-1, 3).tolist()}
    assert colour_of(7) in colours
    assert (236, 240, 244) in colours  # unknown
    assert colour_of(-1) not in colours


def test_mosaic_of_any_shapes_and_without_boxes() -> None:
    images = [labelled((100, 200), [1]), labelled((300, 90), []), labelled((50, 60), [2, 3]), labelled((9, 9), [])]
    assert draw_mosaic(images).shape[1] == 3 * 640 + 4 * 6

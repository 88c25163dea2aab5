import numpy as np
import pytest

from fairmot.viz.heatmap import heatmap_pair, overlay_heatmap

IMAGE = np.full((120, 200, 3), 100, np.uint8)


def spot(y: int, x: int, value: float = 1.0) -> np.ndarray:
    heat = np.zeros((30, 50))
    heat[y, x] = value
    return heat


def test_prediction_is_left_and_ground_truth_right() -> None:
    pair = heatmap_pair(IMAGE, spot(20, 10), spot(20, 40))
    assert pair.shape == (120, 404, 3)
    assert pair.dtype == np.uint8
    brightness = pair[40:].sum(-1)  # below the tags
    left, right = brightness[:, :200], brightness[:, 204:]
    assert np.abs(np.array(np.unravel_index(left.argmax(), left.shape)) - (42, 42)).max() <= 2
    assert np.abs(np.array(np.unravel_index(right.argmax(), right.shape)) - (42, 162)).max() <= 2


def test_heatmap_is_blended_over_a_dimmed_image() -> None:
    panel = overlay_heatmap(IMAGE, spot(20, 25), "ground truth")
    assert tuple(panel[100, 20]) == (55, 55, 55)
    assert panel[82, 102].max() > 200
    assert (IMAGE == 100).all()


def test_values_out_of_range_are_clipped() -> None:
    heat = spot(20, 25, 7.0)
    heat[0, 0], heat[20, 5], heat[20, 45] = np.nan, -3.0, np.inf
    panel = overlay_heatmap(IMAGE, heat, "predicted")
    assert np.array_equal(panel[40:], overlay_heatmap(IMAGE, spot(20, 25), "predicted")[40:])


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="heatmap"):
        overlay_heatmap(IMAGE, np.zeros((1, 30, 50)), "ground truth")

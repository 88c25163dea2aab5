"""Encoder of boxes into the heads' training targets, equal to the reference implementation of FairMOT.

One Gaussian per object on the heatmap of its class (CornerNet, Law & Deng 2018; CenterNet, Zhou et al. 2019), and at
the centre's cell the distances to the four sides, the offset within the cell and the identity.

Legend: C classes, H W map size, M given boxes, N of them encoded.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fairmot.geometry.arrays import FloatArray, IntArray, require_shape
from fairmot.geometry.boxes import xyxy_to_cxcywh
from fairmot.structures.batch import Targets

MIN_OVERLAP = 0.7
MAX_RADIUS = 2**31  # cells; keeps the radii of extreme boxes within int64
CACHED_RADIUS = 64  # cells; Gaussians up to this radius are cached: at most 1.5 MB
ROUNDING = 1e-6  # cells; a side of 76.0000000001 after scaling back and forth counts as 76 cells, not 77

Floats = npt.NDArray[np.float64]


def encode(
    boxes_xyxy: FloatArray,
    identities: IntArray,
    *,
    input_hw: tuple[int, int],
    stride: int = 4,
    num_classes: int = 1,
    classes: IntArray | None = None,
    max_objects: int = 500,
    render: bool = True,
) -> Targets:
    """Return the targets of one image.

    boxes_xyxy: (M, 4) in input pixels, finite, possibly outside the input: the centre is clipped to the map, the sides
        are those of the unclipped box. Boxes without width or height are dropped.
    identities: (M,) from 0 within their class, -1 if unknown.
    classes: (M,) from 0; all 0 if None.
    max_objects: number of boxes to encode, in the given order.
    render: False leaves the heatmap empty (C, 0, 0), to be rendered on the device (`codec.render_heatmap`).

    Raises ValueError if shapes disagree or a class is not below `num_classes`.
    """
    boxes_M4, identities_M = np.asarray(boxes_xyxy[:max_objects], dtype=np.float64), identities[:max_objects]
    classes_M = np.zeros(len(boxes_M4), dtype=np.int64) if classes is None else classes[:max_objects]
    _check(boxes_M4, identities_M, classes_M, num_classes)
    valid = (boxes_M4[:, 2:] > boxes_M4[:, :2]).all(axis=1)
    cells_N4 = boxes_M4[valid] / stride
    map_hw = input_hw[0] // stride, input_hw[1] // stride

    # x and y, rounded to float32 as in the reference implementation, which decides the cell
    limits = np.array([map_hw[1] - 1, map_hw[0] - 1])
    centres_N2 = np.clip(xyxy_to_cxcywh(cells_N4)[:, :2], 0, limits).astype(np.float32).astype(np.float64)
    centre_cells_N2 = centres_N2.astype(np.int64)
    heatmap_CHW = np.zeros((num_classes, *(map_hw if render else (0, 0))), dtype=np.float32)
    width_N, height_N = np.ceil(cells_N4[:, 2:] - cells_N4[:, :2] - ROUNDING).T
    radii_N = np.minimum(gaussian_radius(height_N, width_N), MAX_RADIUS).astype(np.int64)
    if render:
        _draw_gaussians(heatmap_CHW, classes_M[valid], centre_cells_N2, radii_N)
    return Targets(
        heatmap=heatmap_CHW,
        indices=centre_cells_N2[:, 1] * map_hw[1] + centre_cells_N2[:, 0],
        sizes_ltrb=np.concatenate([centres_N2 - cells_N4[:, :2], cells_N4[:, 2:] - centres_N2], axis=1).astype("f4"),
        offsets=(centres_N2 - centre_cells_N2).astype(np.float32),
        identities=identities_M[valid].astype(np.int64),
        classes=classes_M[valid].astype(np.int64),
        radii=radii_N,
    )


def gaussian_radius(height: FloatArray, width: FloatArray, min_overlap: float = MIN_OVERLAP) -> Floats:
    """Return the distance a corner pair may move until its box overlaps the ground truth by less than `min_overlap`.

    The original formula of CornerNet: all three roots are halved, whatever the leading coefficient of their quadratic,
    so the radius is larger than its definition.

    >>> gaussian_radius(np.array([20.0]), np.array([10.0])).round(3).tolist()
    [3.678]
    """
    perimeter, area = np.asarray(height + width, dtype=np.float64), np.asarray(height * width, dtype=np.float64)
    one_in_one_out = _halved_root(1.0, perimeter, area * (1 - min_overlap) / (1 + min_overlap))
    both_in = _halved_root(4.0, 2 * perimeter, (1 - min_overlap) * area)
    both_out = _halved_root(4 * min_overlap, -2 * min_overlap * perimeter, (min_overlap - 1) * area)
    return np.minimum(np.minimum(one_in_one_out, both_in), both_out)


def _halved_root(a: float, b: Floats, c: Floats) -> Floats:
    return np.asarray((b + np.sqrt(b**2 - 4 * a * c)) / 2)


def _check(boxes_M4: Floats, identities_M: IntArray, classes_M: IntArray, num_classes: int) -> None:
    require_shape("boxes_xyxy", boxes_M4, (None, 4))
    require_shape("identities", identities_M, (len(boxes_M4),))
    require_shape("classes", classes_M, (len(boxes_M4),))
    if len(classes_M) and not (classes_M.min() >= 0 and classes_M.max() < num_classes):
        raise ValueError(f"classes: {classes_M.min()} to {classes_M.max()}, expected 0 to {num_classes - 1}")


def _draw_gaussians(
    heatmap_CHW: npt.NDArray[np.float32], classes_N: IntArray, centre_cells_N2: IntArray, radii_N: IntArray
) -> None:
    """Draw Gaussians of peak 1, cut at their radii, in place; a cell keeps the maximum."""
    height, width = heatmap_CHW.shape[1:]
    for kind, (x, y), radius in zip(classes_N.tolist(), centre_cells_N2.tolist(), radii_N.tolist(), strict=True):
        top, bottom = min(y, radius), min(height - y, radius + 1)
        left, right = min(x, radius), min(width - x, radius + 1)
        if radius <= CACHED_RADIUS:
            gaussian = _cached_gaussian(radius)[radius - top : radius + bottom, radius - left : radius + right]
        else:
            gaussian = _gaussian(radius, np.arange(-top, bottom), np.arange(-left, right))
        window = heatmap_CHW[kind, y - top : y + bottom, x - left : x + right]
        np.maximum(window, gaussian, out=window)


@lru_cache(maxsize=CACHED_RADIUS + 1)
def _cached_gaussian(radius: int) -> npt.NDArray[np.float32]:
    reach = np.arange(-radius, radius + 1)
    gaussian = _gaussian(radius, reach, reach)
    gaussian.setflags(write=False)
    return gaussian


def _gaussian(radius: int, rows: IntArray, columns: IntArray) -> npt.NDArray[np.float32]:
    """Return the values at `rows` and `columns` from the centre; sigma is a sixth of the width 2 * radius + 1."""
    sigma = (2 * radius + 1) / 6
    return np.exp(-(columns**2 + rows[:, None] ** 2) / (2 * sigma * sigma)).astype(np.float32)

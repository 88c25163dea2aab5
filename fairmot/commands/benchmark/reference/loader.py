"""Reference loader: the reference implementation's steps to a training batch, the baseline of `fairmot benchmark data`.

Full decode, saturation and value in float, letterbox, warp, flip, conversion to float channels first, then a loop over
objects into target arrays of fixed length. Written anew from the paper and the documented behaviour.
"""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from fairmot.data.augment.affine import AugmentDraw, AugmentOptions, affine_matrix
from fairmot.data.samples import Sample
from fairmot.geometry.arrays import FloatArray, ImageArray

SLOTS = 500  # objects per image
STRIDE = 4
GREY = (127.5, 127.5, 127.5)

Item = dict[str, npt.NDArray[Any] | torch.Tensor]
Floats = npt.NDArray[np.float64]


def reference_batch(items: Sequence[Item]) -> dict[str, torch.Tensor]:
    """Return the items' arrays stacked."""
    return {name: torch.stack([torch.as_tensor(item[name]) for item in items]) for name in items[0]}


def reference_item(sample: Sample, draw: AugmentDraw, options: AugmentOptions, *, input_hw: tuple[int, int]) -> Item:
    """Return one image's arrays: `image` (3, H, W) float32 RGB in [0, 1], and the targets by its names."""
    image = cv2.imread(str(sample.image_path))
    if image is None:
        raise ValueError(f"{sample.image_path}: not an image")
    labels = sample.labels((image.shape[0], image.shape[1]))
    jittered = _jitter_colours(np.asarray(image, dtype=np.uint8), draw)
    letterboxed, boxes_xyxy = _letterbox(jittered, np.asarray(labels.boxes_xyxy, dtype=np.float64), input_hw)
    warped, boxes_xyxy, kept = _warp(letterboxed, boxes_xyxy, draw, options)
    if draw.mirrored:
        warped = np.ascontiguousarray(np.fliplr(warped))
        boxes_xyxy[:, [0, 2]] = input_hw[1] - boxes_xyxy[:, [2, 0]]
    rgb = np.ascontiguousarray(warped[:, :, ::-1])
    pixels = torch.from_numpy(rgb.transpose(2, 0, 1)).contiguous().float().div(255)
    return {"image": pixels, **_targets(boxes_xyxy, labels.identities[kept], input_hw)}


def _jitter_colours(image: ImageArray, draw: AugmentDraw) -> ImageArray:
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    for channel, factor in ((1, draw.saturation_factor), (2, draw.value_factor)):
        levels = hsv[:, :, channel].astype(np.float32) * factor
        hsv[:, :, channel] = np.clip(levels, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), dtype=np.uint8)


def _letterbox(image: ImageArray, boxes_xyxy: Floats, input_hw: tuple[int, int]) -> tuple[ImageArray, Floats]:
    (height, width), (rows, columns) = image.shape[:2], input_hw
    ratio = min(rows / height, columns / width)
    new_height, new_width = round(height * ratio), round(width * ratio)
    left, top = (columns - new_width) / 2, (rows - new_height) / 2
    small = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
    sides = (round(top - 0.1), round(top + 0.1), round(left - 0.1), round(left + 0.1))
    letterboxed = cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT, value=GREY)
    return np.asarray(letterboxed, dtype=np.uint8), boxes_xyxy * ratio + np.array([left, top, left, top])


def _warp(
    image: ImageArray, boxes_xyxy: Floats, draw: AugmentDraw, options: AugmentOptions
) -> tuple[ImageArray, Floats, npt.NDArray[np.bool_]]:
    """Return the warped image, the kept boxes, and the mask of kept boxes."""
    height, width = image.shape[:2]
    matrix = affine_matrix(draw, (height, width), options.translation_axes)
    warped = cv2.warpPerspective(image, matrix, dsize=(width, height), flags=cv2.INTER_LINEAR, borderValue=GREY)
    count = len(boxes_xyxy)
    corners = np.ones((count * 4, 3))
    corners[:, :2] = boxes_xyxy[:, [0, 1, 2, 3, 0, 3, 2, 1]].reshape(count * 4, 2)
    moved = (corners @ matrix.T)[:, :2].reshape(count, 8)
    x, y = moved[:, [0, 2, 4, 6]], moved[:, [1, 3, 5, 7]]
    shrink = max(abs(math.sin(math.radians(draw.angle))), abs(math.cos(math.radians(draw.angle)))) ** 0.5
    centre_x, centre_y = (x.max(1) + x.min(1)) / 2, (y.max(1) + y.min(1)) / 2
    w, h = (x.max(1) - x.min(1)) * shrink, (y.max(1) - y.min(1)) * shrink
    before = (boxes_xyxy[:, 2] - boxes_xyxy[:, 0]) * (boxes_xyxy[:, 3] - boxes_xyxy[:, 1])
    aspect = np.maximum(w / (h + 1e-16), h / (w + 1e-16))
    kept = (w > 4) & (h > 4) & (w * h / (before + 1e-16) > 0.1) & (aspect < 10)
    boxes = np.stack([centre_x - w / 2, centre_y - h / 2, centre_x + w / 2, centre_y + h / 2], axis=1)
    return np.asarray(warped, dtype=np.uint8), boxes[kept], kept


def _targets(boxes_xyxy: Floats, identities: npt.NDArray[Any], input_hw: tuple[int, int]) -> Item:
    rows, columns = input_hw[0] // STRIDE, input_hw[1] // STRIDE
    heatmap = np.zeros((1, rows, columns), dtype=np.float32)
    sizes, offsets = np.zeros((SLOTS, 4), dtype=np.float32), np.zeros((SLOTS, 2), dtype=np.float32)
    indices, mask, ids = (np.zeros(SLOTS, dtype=kind) for kind in (np.int64, np.uint8, np.int64))
    for slot in range(min(len(boxes_xyxy), SLOTS)):
        left, top, right, bottom = boxes_xyxy[slot] / STRIDE
        h, w = bottom - top, right - left
        if h <= 0 or w <= 0:
            continue
        centre = np.array([np.clip((left + right) / 2, 0, columns - 1), np.clip((top + bottom) / 2, 0, rows - 1)])
        centre = centre.astype(np.float32)
        cell = centre.astype(np.int32)
        _draw_gaussian(heatmap[0], cell, max(0, int(_radius(math.ceil(h), math.ceil(w)))))
        sizes[slot] = centre[0] - left, centre[1] - top, right - centre[0], bottom - centre[1]
        offsets[slot] = centre - cell
        indices[slot] = cell[1] * columns + cell[0]
        mask[slot], ids[slot] = 1, identities[slot]
    return {"hm": heatmap, "wh": sizes, "reg": offsets, "ind": indices, "reg_mask": mask, "ids": ids}


def _radius(height: float, width: float, overlap: float = 0.7) -> float:
    """Gaussian radius as in the reference implementation, which halves the roots without dividing by a (CornerNet)."""
    b1, c1 = height + width, width * height * (1 - overlap) / (1 + overlap)
    b2, c2 = 2 * (height + width), (1 - overlap) * width * height
    b3, c3 = -2 * overlap * (height + width), (overlap - 1) * width * height
    roots = ((b, math.sqrt(b**2 - 4 * a * c)) for a, b, c in ((1, b1, c1), (4, b2, c2), (4 * overlap, b3, c3)))
    return min((b + root) / 2 for b, root in roots)


def _draw_gaussian(heatmap: npt.NDArray[np.float32], cell: npt.NDArray[np.int32], radius: int) -> None:
    diameter = 2 * radius + 1
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    gaussian: FloatArray = np.exp(-(x * x + y * y) / (2 * (diameter / 6) ** 2))
    gaussian[gaussian < np.finfo(gaussian.dtype).eps * gaussian.max()] = 0
    column, row = int(cell[0]), int(cell[1])
    height, width = heatmap.shape
    left, right = min(column, radius), min(width - column, radius + 1)
    top, bottom = min(row, radius), min(height - row, radius + 1)
    window = heatmap[row - top : row + bottom, column - left : column + right]
    part = gaussian[radius - top : radius + bottom, radius - left : radius + right]
    np.maximum(window, part, out=window, casting="same_kind")

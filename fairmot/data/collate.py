"""Collation of training items into a batch of tensors."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from fairmot.data.joint_dataset import TrainItem
from fairmot.geometry.arrays import ImageArray
from fairmot.structures.batch import Batch

UNKNOWN = -1


def collate(items: Sequence[TrainItem]) -> Batch:
    """Return the batch of B items (at least one, of one image size).

    Objects are padded to the largest count of an image, at least one: mask False, identity -1, zeros elsewhere.
    """
    targets = [item.targets for item in items]
    longest = max(1, *(len(target.indices) for target in targets))
    return Batch(
        images_B3HW=_stack_images([item.image for item in items]),
        heatmap_BCHW=torch.from_numpy(np.stack([target.heatmap for target in targets])),
        indices_BK=_pad([target.indices for target in targets], longest),
        mask_BK=_pad([np.ones(len(target.indices), dtype=np.bool_) for target in targets], longest),
        sizes_BK4=_pad([target.sizes_ltrb for target in targets], longest),
        offsets_BK2=_pad([target.offsets for target in targets], longest),
        identities_BK=_pad([target.identities for target in targets], longest, fill=UNKNOWN),
        classes_BK=_pad([target.classes for target in targets], longest),
        radii_BK=_pad([target.radii for target in targets], longest),
        image_paths=tuple(item.name for item in items),
    )


def _stack_images(images: Sequence[ImageArray]) -> torch.Tensor:
    """Return B images (H, W, 3) uint8 as (B, 3, H, W) float32 in [0, 1]."""
    height, width = images[0].shape[:2]
    stacked_B3HW = np.empty((len(images), 3, height, width), dtype=np.float32)
    levels_3HW = np.empty((3, height, width), dtype=np.uint8)  # reused: allocating it per image doubles the time
    for image, planes_3HW in zip(images, stacked_B3HW, strict=True):
        cv2.split(image, list(levels_3HW))
        np.divide(levels_3HW, np.float32(255), out=planes_3HW)
    return torch.from_numpy(stacked_B3HW)


def _pad(arrays: Sequence[npt.NDArray[Any]], length: int, *, fill: int = 0) -> torch.Tensor:
    """Return B arrays (N, ...) as (B, length, ...) of their type, padded with `fill`."""
    padded = np.full((len(arrays), length, *arrays[0].shape[1:]), fill, dtype=arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(padded)

"""Training targets and batches.

Legend: B images, C classes, H W input or map size (stride 4), N objects of one image, K largest N of a batch.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from fairmot.geometry.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Targets:
    """Training targets of one image (NumPy); N objects in the order of its labels.

    heatmap: (C, H, W) float32 in [0, 1], exactly 1 at object centres; (C, 0, 0) if it is rendered on the device.
    indices: (N,) int64, y * W + x of the cell of the centre.
    sizes_ltrb: (N, 4) float32, distances from the integer-plus-offset centre to left, top, right, bottom, in cells.
    offsets: (N, 2) float32 in [0, 1), x and y of the centre within its cell.
    identities: (N,) int64 from 0 within the object's class, -1 where unknown.
    classes: (N,) int64 from 0.
    radii: (N,) int64, cells from the centre to the edge of the object's Gaussian.
    """

    heatmap: FloatArray
    indices: IntArray
    sizes_ltrb: FloatArray
    offsets: FloatArray
    identities: IntArray
    classes: IntArray
    radii: IntArray


class ObjectCounts(NamedTuple):
    """Normalizers of the losses of one optimiser step over all its parts (passes and processes).

    If each part were divided by its own counts, objects of a part with few of them would have a larger weight.
    """

    centres: torch.Tensor  # () int64, cells of the heatmap that are exactly 1, over all parts
    objects: torch.Tensor  # () int64
    identities: torch.Tensor  # () int64, objects whose identity is known
    num_parts: int = 1  # the mean of the parts' losses is the loss of the step


class Batch(NamedTuple):
    """B images with their targets; objects beyond an image's own count are padding (mask False, identity -1)."""

    images_B3HW: torch.Tensor  # float32 RGB in [0, 1]
    heatmap_BCHW: torch.Tensor  # float32; (B, C, 0, 0) until it is rendered on the device
    indices_BK: torch.Tensor  # int64
    mask_BK: torch.Tensor  # bool
    sizes_BK4: torch.Tensor  # float32
    offsets_BK2: torch.Tensor  # float32
    identities_BK: torch.Tensor  # int64, within the object's class
    classes_BK: torch.Tensor  # int64
    radii_BK: torch.Tensor  # int64
    image_paths: tuple[str, ...]  # B image files, for messages

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        moved = (field.to(device, non_blocking=True) if isinstance(field, torch.Tensor) else field for field in self)
        return Batch(*moved)  # type: ignore[arg-type]

    def split(self, parts: int) -> list["Batch"]:
        """Return `parts` batches of equal size, views of this one; ValueError if the images cannot be divided."""
        if parts == 1:
            return [self]
        size, rest = divmod(len(self.image_paths), parts)
        if rest or not size:
            raise ValueError(f"{len(self.image_paths)} images cannot be divided into {parts} parts")
        pieces = [[field[first : first + size] for field in self] for first in range(0, len(self.image_paths), size)]
        return [Batch(*piece) for piece in pieces]  # type: ignore[arg-type]

    def count_objects(self) -> ObjectCounts:
        """Return the counts of this batch, whose heatmap must be rendered, as one part."""
        known_BK = self.mask_BK & (self.identities_BK >= 0)
        return ObjectCounts((self.heatmap_BCHW == 1).sum(), self.mask_BK.sum(), known_BK.sum())

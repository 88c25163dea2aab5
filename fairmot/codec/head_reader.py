"""Head readers: the values of a network's heads at single cells, gathered from dense maps or computed there alone.

Legend: B images, C classes, D values per cell, H W map size, K cells.
"""

from typing import NamedTuple, Protocol

import torch

from fairmot.codec.points import gather_at


class HeadReader(Protocol):
    """The output of one head on a batch. Implementations: `DenseHeadReader`, `models.heads.SparseHeadReader`."""

    @property
    def map_hw(self) -> tuple[int, int]:
        """Height and width of the map in cells."""

    def at(self, indices_BK: torch.Tensor) -> torch.Tensor:
        """Return the values (B, K, D) at flat cells y * W + x."""

    def dense(self) -> torch.Tensor:
        """Return the full map (B, D, H, W)."""


class DenseHeadReader(NamedTuple):
    """A head whose full map has been computed."""

    map_BDHW: torch.Tensor

    @property
    def map_hw(self) -> tuple[int, int]:
        """Height and width of the map in cells."""
        return self.map_BDHW.shape[-2], self.map_BDHW.shape[-1]

    def at(self, indices_BK: torch.Tensor) -> torch.Tensor:
        """Return the values (B, K, D) at flat cells y * W + x."""
        return gather_at(self.map_BDHW, indices_BK)

    def dense(self) -> torch.Tensor:
        """Return the full map (B, D, H, W)."""
        return self.map_BDHW


class HeadReaders(NamedTuple):
    """The four heads of one forward pass; the heatmap is always dense."""

    heatmap_BCHW: torch.Tensor  # logits
    size_ltrb: HeadReader
    offset: HeadReader
    embedding: HeadReader

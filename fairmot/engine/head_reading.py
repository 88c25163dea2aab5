"""What a network says of an image, asked for at the cells that matter: run there alone, or read from whole maps.

Legend: B images, C classes, K cells, D embedding values used, H W map size.
"""

from typing import Protocol

import torch

from fairmot.codec.embedding_sampling import EmbeddingReader
from fairmot.codec.points import CenterPoints, gather_at
from fairmot.structures.outputs import HeadOutputs


class SparseModel(Protocol):
    """A network whose heads can run at single cells: what `heads="sparse"` asks for."""

    def features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return the map that the heads read."""

    def heatmap(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """Return the heatmap's logits."""

    def points_at(self, features_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> CenterPoints:
        """Return what the size and offset heads say at flat cells."""

    def embedding_at(
        self, features_BCHW: torch.Tensor, indices_BK: torch.Tensor, *, first: int | None = None
    ) -> torch.Tensor:
        """Return the embedding head's values at flat cells, or the first so many of them."""

    def embedding(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """Return the embedding head's whole map."""


class HeadReader(EmbeddingReader, Protocol):
    """The four heads' maps of one pass."""

    def heatmap(self) -> torch.Tensor:
        """Return the logits (B, C, H, W)."""

    def points_at(self, indices_BK: torch.Tensor) -> CenterPoints:
        """Return centres and sides at flat cells y * W + x."""


class DenseHeadReader:
    """Maps that the network made whole; prefix: how many of the embedding's values are used, 0 for all."""

    def __init__(self, outputs: HeadOutputs, *, prefix: int = 0) -> None:
        self.outputs = outputs
        self.map_hw = (outputs.heatmap.shape[-2], outputs.heatmap.shape[-1])
        self._embedding_BDHW = outputs.embedding[:, : prefix or None]

    def heatmap(self) -> torch.Tensor:
        """Return the logits (B, C, H, W)."""
        return self.outputs.heatmap

    def points_at(self, indices_BK: torch.Tensor) -> CenterPoints:
        """Return centres and sides at flat cells y * W + x."""
        sides_BK4 = gather_at(self.outputs.size_ltrb, indices_BK)
        return CenterPoints(indices_BK, gather_at(self.outputs.offset, indices_BK), sides_BK4)

    def embedding_at(self, indices_BK: torch.Tensor) -> torch.Tensor:
        """Return the values (B, K, D) at flat cells."""
        return gather_at(self._embedding_BDHW, indices_BK)

    def embedding_map(self) -> torch.Tensor:
        """Return the whole map (B, D, H, W)."""
        return self._embedding_BDHW


class SparseHeadReader:
    """Maps whose heads run where they are asked; prefix: how many of the embedding's values are used, 0 for all."""

    def __init__(self, model: SparseModel, features_BCHW: torch.Tensor, *, prefix: int = 0) -> None:
        self.model = model
        self.features_BCHW = features_BCHW
        self.map_hw = (features_BCHW.shape[-2], features_BCHW.shape[-1])
        self._first = prefix or None

    def heatmap(self) -> torch.Tensor:
        """Return the logits (B, C, H, W)."""
        return self.model.heatmap(self.features_BCHW)

    def points_at(self, indices_BK: torch.Tensor) -> CenterPoints:
        """Return centres and sides at flat cells y * W + x."""
        return self.model.points_at(self.features_BCHW, indices_BK)

    def embedding_at(self, indices_BK: torch.Tensor) -> torch.Tensor:
        """Return the values (B, K, D) at flat cells."""
        return self.model.embedding_at(self.features_BCHW, indices_BK, first=self._first)

    def embedding_map(self) -> torch.Tensor:
        """Return the whole map (B, D, H, W), for which the head runs everywhere."""
        return self.model.embedding(self.features_BCHW)[:, : self._first]

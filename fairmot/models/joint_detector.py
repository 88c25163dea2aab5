"""One network for detection and re-identification."""

from typing import cast

import torch
from torch import nn
from torch.nn import functional

from fairmot.codec.points import CenterPoints
from fairmot.models.heads import Head, patches_at
from fairmot.models.weight_names import HEAD_PREFIXES, Prefixes
from fairmot.structures.outputs import HeadOutputs, SparseHeadOutputs

GREY = 0.5  # near what a letterbox frames an image with


class JointDetector(nn.Module):
    """backbone -> neck -> four parallel heads on one stride-4 map.

    backbone: images -> maps; neck: maps -> one (B, C, H/4, W/4) map; heads: by the names of `HeadOutputs`;
    prefixes: the published code's parameter names -> this network's, for `load_weights`.
    Source: Zhang et al., FairMOT, figure 2.
    """

    stride = 4
    multiple = 32

    def __init__(
        self, backbone: nn.Module, neck: nn.Module, heads: nn.ModuleDict, *, prefixes: Prefixes = HEAD_PREFIXES
    ) -> None:
        super().__init__()
        self.prefixes = prefixes
        self.backbone = backbone
        self.neck = neck
        self.heads = heads

    def forward(self, images_B3HW: torch.Tensor) -> HeadOutputs:
        """(B, 3, H, W) RGB in [0, 1] of any size -> dense maps of H/4 x W/4, rounded up."""
        return self.read(self.features(images_B3HW))

    def features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> the map (B, C, H/4, W/4), rounded up, that all heads read.

        A size that cannot be halved five times is framed with grey below and on the right, so cells stay where they
        were, and the frame's cells are cut off.
        """
        height, width = images_B3HW.shape[-2:]
        below, right = -height % self.multiple, -width % self.multiple
        if not below and not right:
            return self._features(images_B3HW)
        framed = functional.pad(images_B3HW, (0, right, 0, below), value=GREY)
        return self._features(framed)[..., : -(-height // self.stride), : -(-width // self.stride)]

    def _features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.neck(self.backbone(images_B3HW))
        return features

    def read(self, features_BCHW: torch.Tensor) -> HeadOutputs:
        """Run the four heads on the whole map of `features`."""
        return HeadOutputs(**{name: head(features_BCHW) for name, head in self.heads.items()})

    def heatmap(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """Return the heatmap's logits on the whole map of `features`: (B, classes, H, W)."""
        logits: torch.Tensor = self.heads["heatmap"](features_BCHW)
        return logits

    def read_at(self, features_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> SparseHeadOutputs:
        """Run the other heads at flat cells y * W + x alone: equal to reading their dense maps there."""
        places = self.points_at(features_BCHW, indices_BK)
        return SparseHeadOutputs(places.sides_BK4, places.offsets_BK2, self.embedding_at(features_BCHW, indices_BK))

    def points_at(self, features_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> CenterPoints:
        """Run the size and offset heads at flat cells alone."""
        patches_NTC = patches_at(features_BCHW, indices_BK)
        sides_N4, offsets_N2 = (self._head(name).sparse(patches_NTC) for name in ("size_ltrb", "offset"))
        return CenterPoints(indices_BK, offsets_N2.view(*indices_BK.shape, 2), sides_N4.view(*indices_BK.shape, 4))

    def embedding_at(
        self, features_BCHW: torch.Tensor, indices_BK: torch.Tensor, *, first: int | None = None
    ) -> torch.Tensor:
        """Run the embedding head at flat cells alone: (B, K, D), or the first so many of the D values."""
        values_ND = self._head("embedding").sparse(patches_at(features_BCHW, indices_BK), num_channels=first)
        return values_ND.view(*indices_BK.shape, values_ND.shape[-1])

    def embedding(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """Run the embedding head on the whole map of `features`: (B, D, H, W)."""
        values: torch.Tensor = self.heads["embedding"](features_BCHW)
        return values

    def _head(self, name: str) -> Head:
        return cast(Head, self.heads[name])

"""Network for joint detection and re-identification."""

from functools import lru_cache, partial
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from fairmot.codec.head_reader import HeadReaders
from fairmot.models.heads import Head, SparseHeadReader, patches_at
from fairmot.models.weight_names import HEAD_PREFIXES, Prefixes
from fairmot.structures.outputs import HeadOutputs

GREY = 0.5  # about the letterbox's padding value


class JointDetector(nn.Module):
    """Backbone, neck and four parallel heads on one stride-4 map.

    backbone: images -> maps; neck: maps -> one (B, C, H/4, W/4) map; heads: by the names of `HeadOutputs`;
    prefixes: parameter names of the reference implementation -> this network's, for `load_weights`.
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

    def read(self, features_BCHW: torch.Tensor) -> HeadOutputs:
        """Run the four heads on the map of `features`."""
        return HeadOutputs(**{name: head(features_BCHW) for name, head in self.heads.items()})

    def sparse_heads(self, images_B3HW: torch.Tensor, *, num_embedding_values: int | None = None) -> HeadReaders:
        """Run the heatmap head on the full map; the other heads run when their readers are called.

        images_B3HW: as for `forward`; num_embedding_values: leading embedding values to compute, None for all.
        """
        features_BCHW = self.features(images_B3HW)
        patches = lru_cache(maxsize=1)(partial(patches_at, features_BCHW))  # the heads read the same cells
        size, offset, embedding = (
            SparseHeadReader(cast(Head, self.heads[name]), features_BCHW, patches, num_channels=num_channels)
            for name, num_channels in (("size_ltrb", None), ("offset", None), ("embedding", num_embedding_values))
        )
        return HeadReaders(self.heads["heatmap"](features_BCHW), size, offset, embedding)

    def features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) -> the map (B, C, H/4, W/4), rounded up, that all heads read.

        Sizes that are not multiples of 32 are padded with grey at the bottom and right; padded cells are cut off.
        """
        height, width = images_B3HW.shape[-2:]
        bottom, right = -height % self.multiple, -width % self.multiple
        if not bottom and not right:
            return self._features(images_B3HW)
        padded = functional.pad(images_B3HW, (0, right, 0, bottom), value=GREY)
        return self._features(padded)[..., : -(-height // self.stride), : -(-width // self.stride)]

    def _features(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.neck(self.backbone(images_B3HW))
        return features

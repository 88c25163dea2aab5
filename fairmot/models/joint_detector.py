"""One network for detection and re-identification."""

import torch
from torch import nn
from torch.nn import functional

from fairmot.models.heads import patches_at
from fairmot.models.names import HEAD_PREFIXES, Prefixes
from fairmot.structures.outputs import CellOutputs, HeadOutputs

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
        features = self.features(images_B3HW)
        return HeadOutputs(**{name: head(features) for name, head in self.heads.items()})

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

    def heatmap(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """Return the heatmap's logits on the whole map of `features`: (B, classes, H, W)."""
        logits: torch.Tensor = self.heads["heatmap"](features_BCHW)
        return logits

    def read_at(self, features_BCHW: torch.Tensor, indices_BK: torch.Tensor) -> CellOutputs:
        """Run the other heads at flat cells y * W + x alone: equal to reading their dense maps there."""
        patches_NTC = patches_at(features_BCHW, indices_BK)
        values = {name: self.heads[name].at(patches_NTC) for name in CellOutputs._fields}  # type: ignore[operator]
        return CellOutputs(**{name: value.view(*indices_BK.shape, value.shape[-1]) for name, value in values.items()})

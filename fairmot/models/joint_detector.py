"""One network for detection and re-identification."""

import torch
from torch import nn

from fairmot.models.heads import run_heads
from fairmot.models.names import HEAD_PREFIXES, Prefixes
from fairmot.structures.outputs import HeadOutputs
from fairmot.utils.errors import InputError


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
        """(B, 3, H, W) RGB in [0, 1], H and W multiples of 32 -> dense maps of H/4 x W/4.

        Raises InputError when H or W is not a multiple of 32.
        """
        height, width = images_B3HW.shape[-2:]
        if height % self.multiple or width % self.multiple:
            raise InputError(f"input of {height}x{width}: height and width must be multiples of {self.multiple}")
        return HeadOutputs(**run_heads(self.heads, self.neck(self.backbone(images_B3HW))))

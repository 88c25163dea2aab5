"""YOLOv5-s backbone. Source: Jocher et al., YOLOv5, release 4.0, 2021.

Legend: B images, C channels, H W of the image.
"""

from collections.abc import Sequence

import torch
from torch import nn

from fairmot.models.layers.conv import initialise_convolutions
from fairmot.models.layers.csp import C3, ConvBnSilu, Focus, PyramidPooling


class YOLOBackbone(nn.Sequential):
    """Focus, followed by four strided convolutions with a cross-stage-partial block each.

    channels: at strides 2, 4, 8, 16, 32; (32, 64, 128, 256, 512) is YOLOv5-s.
    """

    OUTPUT_LAYERS = (2, 4, 6, 9)  # last layers of strides 4, 8, 16 and 32

    def __init__(self, channels: Sequence[int]) -> None:
        self.channels = tuple(channels[1:])
        c2, c4, c8, c16, c32 = channels
        super().__init__(
            Focus(3, c2),
            ConvBnSilu(c2, c4, kernel=3, stride=2),
            C3(c4, c4, depth=1, shortcut=True),
            ConvBnSilu(c4, c8, kernel=3, stride=2),
            C3(c8, c8, depth=3, shortcut=True),
            ConvBnSilu(c8, c16, kernel=3, stride=2),
            C3(c16, c16, depth=3, shortcut=True),
            ConvBnSilu(c16, c32, kernel=3, stride=2),
            PyramidPooling(c32, c32),
            C3(c32, c32, depth=1, shortcut=False),
        )
        initialise_convolutions(self)

    def forward(self, images_B3HW: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> the maps of strides 4 to 32."""
        features, maps = images_B3HW, []
        for index, layer in enumerate(self):
            features = layer(features)
            if index in self.OUTPUT_LAYERS:
                maps.append(features)
        return maps

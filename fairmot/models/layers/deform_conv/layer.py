"""Modulated deformable convolution layer (DCNv2).

Legend: B images, C input channels, O output channels, H W map size, T the 9 taps of the kernel.
"""

import torch
from torch import nn
from torchvision.ops import deform_conv2d as torchvision_deform_conv2d

from fairmot.models.layers.deform_conv.cpu import deform_conv2d as cpu_deform_conv2d
from fairmot.models.layers.deform_conv.cuda import deform_conv2d as cuda_deform_conv2d

OPERATORS = {"cpu": cpu_deform_conv2d, "cuda": cuda_deform_conv2d}


class DeformConv2d(nn.Module):
    """Modulated deformable convolution that predicts its offsets and modulation from its input.

    A convolution gives 27 maps: the first 18 are the offsets (y and x of each of the 9 taps), the last 9, after a
    sigmoid, the modulation. Its weights start at zero, so the layer starts as a plain convolution scaled by 0.5.
    Source: Zhu et al., Deformable ConvNets v2, 2019, section 3.1.

    Runs `deform_conv.cpu` on a CPU, `deform_conv.cuda` on an NVIDIA GPU, and elsewhere torchvision's operator, to which
    both are equal.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, *, stride: int = 1) -> None:
        super().__init__()
        padding = kernel_size // 2
        plain = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)
        self.weight = plain.weight
        self.bias = plain.bias
        self.stride, self.padding = stride, padding
        self.taps = kernel_size**2
        self.conv_offset_mask = nn.Conv2d(in_channels, 3 * self.taps, kernel_size, stride, padding)
        nn.init.zeros_(self.conv_offset_mask.weight)
        if self.conv_offset_mask.bias is not None:
            nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, features_BCHW: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, O, H / stride, W / stride)."""
        offset, mask = self.predict_offsets(features_BCHW)
        run = OPERATORS.get(features_BCHW.device.type, torchvision_deform_conv2d)
        out: torch.Tensor = run(
            features_BCHW, offset, self.weight, self.bias, stride=self.stride, padding=self.padding, mask=mask
        )
        return out

    def predict_offsets(self, features_BCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, H, W) -> offsets (B, 2T, H, W) in cells, y and x of each tap, and modulation (B, T, H, W)."""
        maps = self.conv_offset_mask(features_BCHW)
        return maps[:, : 2 * self.taps], maps[:, 2 * self.taps :].sigmoid()

"""Modulated deformable convolution for CPUs, equal to `torchvision.ops.deform_conv2d` and several times as fast.

Every tap of every place is a weighted sum of four neighbouring pixels: `embedding_bag` over the channels-last map does
all of these sums, one matrix product applies the kernel. Both go through the map a few thousand places at a time, so
that samples never lie in memory for the whole map, and the backward pass samples again instead of keeping anything.

Legend: as in `bilinear`, and O output channels, K = T * C.
"""

import math
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from fairmot.models.layers.deform_conv.bilinear import (
    FRAME_BEFORE,
    BilinearSampler,
    KernelWindow,
    Pair,
    add_transposed_sums,
    dot_products,
    share_gradients,
    weighted_sums,
)

SAMPLE_BYTES, PARTS = 12 << 20, 2  # samples of one chunk of the forward pass, and how many chunks there are at least
GRADIENT_BYTES, GRADIENT_PARTS = 8 << 20, 2  # of the backward pass, which holds two such arrays and sorts indices
NARROW = 64  # output channels up to which oneDNN's 1x1 convolution is faster than the matrix product that it is


def deform_conv2d(
    features_BCHW: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Same as `torchvision.ops.deform_conv2d`, arguments included; first derivatives only.

    features: (B, C, H, W); offset: (B, 2 G T, H', W'), y and x of each tap of each of G offset groups; weight:
    (O, C / groups, kernel height, kernel width); bias: (O,); mask: (B, G T, H', W'), 1 where absent.
    Returns (B, O, H', W') in the memory format of `features`. Source: Zhu et al., Deformable ConvNets v2, equation 1.
    """
    if torch.is_autocast_enabled("cpu"):  # float32 inside, as torchvision's operator
        inputs = (features_BCHW.float(), offset.float(), weight.float(), None if bias is None else bias.float())
        mask = None if mask is None else mask.float()
        with torch.autocast("cpu", enabled=False):
            return deform_conv2d(*inputs, stride, padding, dilation, mask).to(features_BCHW.dtype)
    window = KernelWindow((weight.shape[2], weight.shape[3]), _pair(stride), _pair(padding), _pair(dilation))
    taps = weight.shape[2] * weight.shape[3]
    if mask is None:
        mask = offset.new_ones(()).expand(offset.shape[0], offset.shape[1] // 2, *offset.shape[2:])
    groups, offset_groups = features_BCHW.shape[1] // weight.shape[1], offset.shape[1] // (2 * taps)
    if groups == offset_groups == 1:
        out = _convolve(features_BCHW, offset, mask, weight, bias, window)
    else:
        out = _grouped(features_BCHW, offset, mask, weight, window=window, offset_groups=offset_groups)
        out = out if bias is None else out + bias.view(-1, 1, 1)
    if features_BCHW.is_contiguous(memory_format=torch.channels_last):
        return out
    return out.contiguous()


def _grouped(
    features_BCHW: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    *,
    window: KernelWindow,
    offset_groups: int,
) -> torch.Tensor:
    """Convolve the largest pieces that lie in one group of either kind, and add up what belongs to one output."""
    taps = window.kernel[0] * window.kernel[1]
    groups = features_BCHW.shape[1] // weight.shape[1]
    pieces = math.lcm(groups, offset_groups)
    features = features_BCHW.chunk(pieces, dim=1)
    kernels = [part for group in weight.chunk(groups) for part in group.chunk(pieces // groups, dim=1)]
    outputs = []
    for piece in range(pieces):
        first = piece * offset_groups // pieces * taps
        steering = offset[:, 2 * first : 2 * (first + taps)], mask[:, first : first + taps]
        outputs.append(_convolve(features[piece], *steering, kernels[piece], None, window))
    each = pieces // groups
    return torch.cat([sum(outputs[k * each + 1 : (k + 1) * each], outputs[k * each]) for k in range(groups)], dim=1)


def _convolve(features: torch.Tensor, offset: torch.Tensor, *others: object) -> torch.Tensor:
    """Run `_DeformConv` over its own inputs; (B, O, H', W'), channels last."""
    out_MO: torch.Tensor = _DeformConv.apply(features, offset, *others)
    return out_MO.view(len(features), *offset.shape[2:], out_MO.shape[1]).permute(0, 3, 1, 2)


class _DeformConv(torch.autograd.Function):
    """One group: features (B, C, H, W), offset (B, 2T, H', W'), mask (B, T, H', W') -> (M, O)."""

    @staticmethod
    def forward(
        ctx: Any,
        features: torch.Tensor,
        offset: torch.Tensor,
        mask: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        window: KernelWindow,
    ) -> torch.Tensor:
        ctx.save_for_backward(features, offset, mask, weight)
        ctx.window = window
        sampler = BilinearSampler(features, offset, mask, window)
        return _sample_and_project(sampler, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_MO: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        features, offset, mask, weight = ctx.saved_tensors
        sampler = BilinearSampler(features, offset, mask, ctx.window)
        to_map, to_offset, to_mask, to_weight = _gradients(sampler, gradient_MO, weight)
        to_bias = gradient_MO.sum(0) if ctx.needs_input_grad[4] else None
        return to_map, to_offset, to_mask, to_weight, to_bias, None


def _sample_and_project(sampler: BilinearSampler, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """(M, O): sample all taps and channels, then apply the kernel, a chunk of places at a time."""
    is_tap_major = weight.is_contiguous(memory_format=torch.channels_last) or sampler.places >= len(weight)
    kernel_OK = (weight.permute(0, 2, 3, 1) if is_tap_major else weight).flatten(1)
    out_MO = weight.new_empty(sampler.places, len(weight))
    for chunk in sampler.chunks(SAMPLE_BYTES, PARTS):
        samples_nTC = _samples(sampler, chunk)
        samples_nK = (samples_nTC if is_tap_major else samples_nTC.transpose(1, 2)).flatten(1)
        del samples_nTC  # one chunk at a time
        out_MO[chunk] = _product(samples_nK, kernel_OK, bias)
        del samples_nK
    return out_MO


def _samples(sampler: BilinearSampler, chunk: slice) -> torch.Tensor:
    """Return the samples of n places, (n, T, C)."""
    corners = sampler.corners(chunk)
    samples_NC = weighted_sums(sampler.pixels_PC, corners.index_nT4.flatten(0, 1), corners.share_nT4.flatten(0, 1))
    return samples_NC.view(-1, sampler.taps, samples_NC.shape[1])


def _product(samples_nK: torch.Tensor, kernel_OK: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """(n, O): what `functional.linear` gives."""
    if len(kernel_OK) > NARROW:
        return functional.linear(samples_nK, kernel_OK, bias)
    as_map = samples_nK[None, :, None].permute(0, 3, 1, 2)
    return functional.conv2d(as_map, kernel_OK[:, :, None, None], bias)[0, :, :, 0].T


class _Gradients(NamedTuple):
    """What the backward pass adds up, chunk by chunk."""

    to_pixels_PC: torch.Tensor
    to_offset_MT2: torch.Tensor
    to_mask_MT: torch.Tensor
    to_kernel_KO: torch.Tensor  # K = T C


def _gradients(
    sampler: BilinearSampler, gradient_MO: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry the gradient of the output back to features, offset, mask and weight."""
    taps, kernel_KO = sampler.taps, weight.permute(2, 3, 1, 0).reshape(-1, len(weight))
    sums = _Gradients(
        to_pixels_PC=torch.zeros_like(sampler.pixels_PC),
        to_offset_MT2=gradient_MO.new_empty(sampler.places, taps, 2),
        to_mask_MT=gradient_MO.new_empty(sampler.places, taps),
        to_kernel_KO=torch.zeros_like(kernel_KO),
    )
    for chunk in sampler.chunks(GRADIENT_BYTES, GRADIENT_PARTS):
        _add_gradients(sums, sampler, chunk, gradient_MO[chunk], kernel_KO)
    images, (out_h, out_w), (H, W) = len(sampler.framed), sampler.out_hw, sampler.map_hw
    end_y, end_x = FRAME_BEFORE + H, FRAME_BEFORE + W
    to_framed = sums.to_pixels_PC.view_as(sampler.framed)
    return (
        to_framed[:, FRAME_BEFORE:end_y, FRAME_BEFORE:end_x].permute(0, 3, 1, 2),
        sums.to_offset_MT2.view(images, out_h, out_w, 2 * taps).permute(0, 3, 1, 2),
        sums.to_mask_MT.view(images, out_h, out_w, taps).permute(0, 3, 1, 2),
        sums.to_kernel_KO.view(*weight.shape[2:], weight.shape[1], -1).permute(3, 2, 0, 1),
    )


def _add_gradients(
    sums: _Gradients, sampler: BilinearSampler, chunk: slice, gradient_nO: torch.Tensor, kernel_KO: torch.Tensor
) -> None:
    """Add what a run of places contributes."""
    corners, inside_y, inside_x = sampler.corners_and_inside(chunk)
    index_N4, share_N4 = corners.index_nT4.flatten(0, 1), corners.share_nT4.flatten(0, 1)
    samples_NC = weighted_sums(sampler.pixels_PC, index_N4, share_N4)
    sums.to_kernel_KO.addmm_(samples_NC.view(len(gradient_nO), -1).T, gradient_nO)
    shape = samples_NC.shape
    del samples_NC
    to_samples_NC = (gradient_nO @ kernel_KO.T).view(shape)
    to_share_nT4 = dot_products(sampler.pixels_PC, index_N4, to_samples_NC).view_as(corners.share_nT4)
    to_y, to_x, sums.to_mask_MT[chunk] = share_gradients(to_share_nT4, corners, sampler.mask_MT[chunk])
    sums.to_offset_MT2[chunk, :, 0], sums.to_offset_MT2[chunk, :, 1] = to_y * inside_y, to_x * inside_x
    add_transposed_sums(sums.to_pixels_PC, index_N4, share_N4, to_samples_NC)


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])

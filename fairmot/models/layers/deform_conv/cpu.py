"""Modulated deformable convolution for CPUs, equal to `torchvision.ops.deform_conv2d` and several times as fast.

A sample is a weighted sum of four pixels: `embedding_bag` on the channels-last map computes these sums, one matrix
product applies the kernel. Points are processed in chunks, which bounds the memory of the samples; the backward pass
samples again instead of keeping them.

Legend: as in `bilinear`, and O output channels, K = T * C.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from fairmot.models.layers.deform_conv.bilinear import (
    PAD_BEFORE,
    BilinearSampler,
    KernelWindow,
    Pair,
    add_transposed_sums,
    dot_products,
    make_window,
    position_gradients,
    weighted_sums,
)

SAMPLE_BYTES, MIN_CHUNKS = 12 << 20, 2  # forward pass: samples of one chunk, and minimum number of chunks
GRADIENT_BYTES, MIN_GRADIENT_CHUNKS = 8 << 20, 2  # backward pass, which holds two such arrays and sorts indices
NARROW = 64  # up to this number of output channels oneDNN's 1x1 convolution is faster than a matrix product


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
    """Drop-in replacement of `torchvision.ops.deform_conv2d` without groups; first derivatives only.

    features: (B, C, H, W); offset: (B, 2T, H', W'), y and x of each tap; weight: (O, C, kernel height, kernel width);
    bias: (O,); mask: (B, T, H', W'), None for ones.
    Returns (B, O, H', W') in the memory format of `features`. Source: Zhu et al., Deformable ConvNets v2, equation 1.
    """
    if torch.is_autocast_enabled("cpu"):  # computed in float32, as torchvision's operator
        inputs = (features_BCHW.float(), offset.float(), weight.float(), None if bias is None else bias.float())
        mask = None if mask is None else mask.float()
        with torch.autocast("cpu", enabled=False):
            return deform_conv2d(*inputs, stride, padding, dilation, mask).to(features_BCHW.dtype)
    window = make_window(weight, stride, padding, dilation)
    if mask is None:
        mask = offset.new_ones(()).expand(offset.shape[0], offset.shape[1] // 2, *offset.shape[2:])
    out_MO: torch.Tensor = _DeformConv.apply(features_BCHW, offset, mask, weight, bias, window)
    out = out_MO.view(len(features_BCHW), *offset.shape[2:], len(weight)).permute(0, 3, 1, 2)
    return out if features_BCHW.is_contiguous(memory_format=torch.channels_last) else out.contiguous()


class _DeformConv(torch.autograd.Function):
    """Features (B, C, H, W), offset (B, 2T, H', W'), mask (B, T, H', W') -> (M, O)."""

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
        grad_features, grad_offset, grad_mask, grad_weight = _gradients(sampler, gradient_MO, weight)
        grad_bias = gradient_MO.sum(0) if ctx.needs_input_grad[4] else None
        return grad_features, grad_offset, grad_mask, grad_weight, grad_bias, None


def _sample_and_project(sampler: BilinearSampler, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Sample all taps and channels and apply the kernel, one chunk of points at a time: (M, O)."""
    is_tap_major = weight.is_contiguous(memory_format=torch.channels_last) or sampler.num_points >= len(weight)
    kernel_OK = (weight.permute(0, 2, 3, 1) if is_tap_major else weight).flatten(1)
    out_MO = weight.new_empty(sampler.num_points, len(weight))
    for chunk in sampler.chunks(SAMPLE_BYTES, MIN_CHUNKS):
        samples_nTC = _samples(sampler, chunk)
        samples_nK = (samples_nTC if is_tap_major else samples_nTC.transpose(1, 2)).flatten(1)
        del samples_nTC  # before the next chunk's are computed
        if len(kernel_OK) > NARROW:
            out_MO[chunk] = functional.linear(samples_nK, kernel_OK, bias)
        else:
            as_map = samples_nK[None, :, None].permute(0, 3, 1, 2)
            out_MO[chunk] = functional.conv2d(as_map, kernel_OK[:, :, None, None], bias)[0, :, :, 0].T
            del as_map
        del samples_nK
    return out_MO


def _samples(sampler: BilinearSampler, chunk: slice) -> torch.Tensor:
    """Return the samples of n points, (n, T, C)."""
    taps = sampler.taps(chunk, *sampler.positions(chunk))
    samples_NC = weighted_sums(sampler.pixels_PC, taps.index_nT4.flatten(0, 1), taps.weight_nT4.flatten(0, 1))
    return samples_NC.view(-1, sampler.num_taps, samples_NC.shape[1])


def _gradients(
    sampler: BilinearSampler, gradient_MO: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of features, offset, mask and weight."""
    num_taps, kernel_KO = sampler.num_taps, weight.permute(2, 3, 1, 0).reshape(-1, len(weight))
    grad_pixels_PC, grad_kernel_KO = torch.zeros_like(sampler.pixels_PC), torch.zeros_like(kernel_KO)
    grad_offset_MT2 = gradient_MO.new_empty(sampler.num_points, num_taps, 2)
    grad_mask_MT = gradient_MO.new_empty(sampler.num_points, num_taps)
    images, (out_h, out_w), (H, W) = len(sampler.padded), sampler.out_hw, sampler.map_hw
    for chunk in sampler.chunks(GRADIENT_BYTES, MIN_GRADIENT_CHUNKS):
        gradient_nO = gradient_MO[chunk]
        y_nT, x_nT = sampler.positions(chunk)
        inside_y = (y_nT >= -1).logical_and_(y_nT < H)  # elsewhere offsets have no gradient
        inside_x = (x_nT >= -1).logical_and_(x_nT < W)
        taps = sampler.taps(chunk, y_nT, x_nT)
        index_N4, weight_N4 = taps.index_nT4.flatten(0, 1), taps.weight_nT4.flatten(0, 1)
        samples_NC = weighted_sums(sampler.pixels_PC, index_N4, weight_N4)
        grad_kernel_KO.addmm_(samples_NC.view(len(gradient_nO), -1).T, gradient_nO)
        shape = samples_NC.shape
        del samples_NC  # before its gradient is computed
        grad_samples_NC = (gradient_nO @ kernel_KO.T).view(shape)
        grad_weight_nT4 = dot_products(sampler.pixels_PC, index_N4, grad_samples_NC).view_as(taps.weight_nT4)
        grad_y, grad_x, grad_mask_MT[chunk] = position_gradients(grad_weight_nT4, taps, sampler.mask_MT[chunk])
        grad_offset_MT2[chunk, :, 0], grad_offset_MT2[chunk, :, 1] = grad_y * inside_y, grad_x * inside_x
        add_transposed_sums(grad_pixels_PC, index_N4, weight_N4, grad_samples_NC)
        del y_nT, x_nT, taps, inside_y, inside_x, index_N4, weight_N4, grad_samples_NC, grad_weight_nT4, grad_y, grad_x
    end_y, end_x = PAD_BEFORE + H, PAD_BEFORE + W
    grad_padded = grad_pixels_PC.view_as(sampler.padded)
    return (
        grad_padded[:, PAD_BEFORE:end_y, PAD_BEFORE:end_x].permute(0, 3, 1, 2),
        grad_offset_MT2.view(images, out_h, out_w, 2 * num_taps).permute(0, 3, 1, 2),
        grad_mask_MT.view(images, out_h, out_w, num_taps).permute(0, 3, 1, 2),
        grad_kernel_KO.view(*weight.shape[2:], weight.shape[1], -1).permute(3, 2, 0, 1),
    )

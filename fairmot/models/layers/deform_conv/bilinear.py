"""Bilinear sampling for deformable convolution on a CPU: sampling positions, weighted sums and their gradients.

Legend: B images, C channels, H W map size, T taps of the kernel, M = B * output H * output W points, n points of one
chunk, N = n * T samples, P pixels of all padded maps.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch.nn import functional

SUM = 0  # `embedding_bag`'s mode
PAD_BEFORE, PAD_AFTER = 1, 2  # rows and columns of zeros around a map
MIN_CHUNK_BYTES = 3 << 18  # lower limit of a chunk's samples when small maps are split
WORK_VALUES = 24  # temporary values per tap in addition to its samples

Pair = tuple[int, int]


class KernelWindow(NamedTuple):
    """Geometry of the convolution, each (vertical, horizontal)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair


class BilinearTaps(NamedTuple):
    """The four pixels around each tap of n points; upper left, upper right, lower left, lower right."""

    index_nT4: torch.Tensor  # int32, rows of the sampler's pixels
    weight_nT4: torch.Tensor
    frac_y_nT: torch.Tensor  # distance of the tap to its upper pixels, in [0, 1)
    frac_x_nT: torch.Tensor  # to its left pixels


class BilinearSampler:
    """Sampler of maps at the kernel's grid plus the predicted offsets.

    Maps are padded with one row and column of zeros before and two after, so that positions outside can be clamped.
    """

    def __init__(self, features: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, window: KernelWindow) -> None:
        B, C, H, W = features.shape
        padding = (PAD_BEFORE, PAD_AFTER)
        self.map_hw = (H, W)
        self.padded = functional.pad(features.permute(0, 2, 3, 1), (0, 0, *padding, *padding))
        self.pixels_PC = self.padded.view(-1, C)
        self.out_hw = (offset.shape[2], offset.shape[3])
        self.num_taps = mask.shape[1]
        self.offset_M2T = offset.permute(0, 2, 3, 1).reshape(-1, 2 * self.num_taps)
        self.mask_MT = mask.permute(0, 2, 3, 1).reshape(-1, self.num_taps)
        self.num_points = B * self.out_hw[0] * self.out_hw[1]
        self._set_grid(window)

    def _set_grid(self, window: KernelWindow) -> None:
        """Set the sampling positions without offsets (y, x; tap_y, tap_x of each tap) and the indices of their pixels.

        pixel: row of the map's pixel (0, 0) among `pixels_PC`; neighbours: relative rows of the four pixels.
        """
        (images, height, width, _), (out_h, out_w), dtype = self.padded.shape, self.out_hw, self.offset_M2T.dtype
        (stride_y, stride_x), (dilation_y, dilation_x) = window.stride, window.dilation
        rows = torch.arange(-window.padding[0], -window.padding[0] + out_h * stride_y, stride_y).to(dtype)
        columns = torch.arange(-window.padding[1], -window.padding[1] + out_w * stride_x, stride_x).to(dtype)
        first = torch.arange(images, dtype=torch.int32) * (height * width) + PAD_BEFORE * (width + 1)
        self.y_M1 = rows.repeat_interleave(out_w).repeat(images)[:, None]
        self.x_M1 = columns.repeat(images * out_h)[:, None]
        self.pixel_M1 = first.repeat_interleave(out_h * out_w)[:, None]
        self.tap_y = (torch.arange(window.kernel[0]) * dilation_y).repeat_interleave(window.kernel[1]).to(dtype)
        self.tap_x = (torch.arange(window.kernel[1]) * dilation_x).repeat(window.kernel[0]).to(dtype)
        self.neighbours = torch.tensor([0, 1, width, width + 1], dtype=torch.int32)

    def chunks(self, budget: int, parts: int) -> Iterator[slice]:
        """Split the points into at least `parts` chunks, whose samples take at most about `budget` bytes each."""
        bytes_per_point = self.num_taps * (self.pixels_PC.shape[1] + WORK_VALUES) * self.pixels_PC.element_size()
        budget = min(budget, max(MIN_CHUNK_BYTES, bytes_per_point * -(-self.num_points // parts)))
        step = max(64, budget // bytes_per_point)
        return (slice(start, min(start + step, self.num_points)) for start in range(0, self.num_points, step))

    def taps(self, chunk: slice, y_nT: torch.Tensor, x_nT: torch.Tensor) -> BilinearTaps:
        """Return the taps at the `positions` of a chunk of points, which are overwritten with their fractions."""
        width = self.padded.shape[2]
        y_nT.clamp_(-1, self.map_hw[0])
        x_nT.clamp_(-1, self.map_hw[1])
        top_nT, left_nT = y_nT.floor(), x_nT.floor()
        frac_y_nT, frac_x_nT = y_nT.sub_(top_nT), x_nT.sub_(left_nT)
        corner_nT = top_nT.int().mul_(width).add_(left_nT.int()).add_(self.pixel_M1[chunk])
        corner_nT.clamp_(0, len(self.pixels_PC) - width - 2)  # for NaN offsets
        lower_nT = self.mask_MT[chunk] * frac_y_nT
        upper_nT = self.mask_MT[chunk] - lower_nT
        lower_right, upper_right = lower_nT * frac_x_nT, upper_nT * frac_x_nT
        weight_nT4 = torch.stack([upper_nT.sub_(upper_right), upper_right, lower_nT.sub_(lower_right), lower_right], -1)
        return BilinearTaps(corner_nT[..., None] + self.neighbours, weight_nT4, frac_y_nT, frac_x_nT)

    def positions(self, chunk: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return y and x of each tap on the map."""
        offset_nT2 = self.offset_M2T[chunk].view(-1, self.num_taps, 2)
        y_nT = (self.y_M1[chunk] + self.tap_y).add_(offset_nT2[..., 0])
        x_nT = (self.x_M1[chunk] + self.tap_x).add_(offset_nT2[..., 1])
        return y_nT, x_nT


def weighted_sums(rows: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return sums (n, D) of the rows (R, D) at `index` (n, K), weighted by `weights` (n, K)."""
    return functional.embedding_bag(index, rows, per_sample_weights=weights, mode="sum")


def dot_products(rows: torch.Tensor, index_N4: torch.Tensor, others_NC: torch.Tensor) -> torch.Tensor:
    """Return dot products (N, 4) of `others` (N, C) with the rows (R, C) at `index`: the gradient of the weights.

    This is autograd's backward function, called without keeping the sums.
    """
    first_N = torch.arange(0, index_N4.numel(), 4, dtype=torch.int32)
    own = torch.arange(len(index_N4), dtype=torch.int32).repeat_interleave(4)
    products: torch.Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        others_NC, rows, index_N4.flatten(), first_N, own, SUM
    )
    return products.view(index_N4.shape)


def add_transposed_sums(
    grad_pixels: torch.Tensor, index_N4: torch.Tensor, weight_N4: torch.Tensor, rows_NC: torch.Tensor
) -> None:
    """Add the transpose of `weighted_sums` to `grad_pixels`: each sample's row, weighted, to its four pixels.

    Sorting the samples by pixel turns the scattered additions into weighted sums, which use all threads. Only pixels
    between the first and the last sampled one are changed.
    """
    low, high = (int(edge) for edge in index_N4.aminmax())
    ends = np.arange(0, index_N4.numel() + 1, 4, dtype=np.int32)
    index = index_N4.flatten().numpy() - low
    by_sample = csr_matrix((len(index_N4), high + 1 - low), dtype=np.float32)
    by_sample.data, by_sample.indices, by_sample.indptr = weight_N4.flatten().numpy(), index, ends  # not validated
    by_pixel = by_sample.tocsc()
    grad_pixels[low : high + 1] += functional.embedding_bag(
        torch.from_numpy(by_pixel.indices),
        rows_NC,
        torch.from_numpy(by_pixel.indptr),
        per_sample_weights=torch.from_numpy(by_pixel.data),
        mode="sum",
        include_last_offset=True,
    )


def position_gradients(
    grad_weight_nT4: torch.Tensor, taps: BilinearTaps, mask_nT: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of y, x and the mask of each tap from that of its four weights."""
    upper_left, upper_right, lower_left, lower_right = grad_weight_nT4.unbind(-1)
    upper = torch.lerp(upper_left, upper_right, taps.frac_x_nT)
    lower = torch.lerp(lower_left, lower_right, taps.frac_x_nT)
    horizontal = torch.lerp(upper_right - upper_left, lower_right - lower_left, taps.frac_y_nT)
    return mask_nT * (lower - upper), mask_nT * horizontal, torch.lerp(upper, lower, taps.frac_y_nT)


def make_window(
    weight: torch.Tensor, stride: int | Sequence[int], padding: int | Sequence[int], dilation: int | Sequence[int]
) -> KernelWindow:
    """Return the window of a kernel (O, C, height, width); single numbers stand for both directions."""
    sizes = (weight.shape[2:], stride, padding, dilation)
    return KernelWindow(*[(size, size) if isinstance(size, int) else (size[0], size[1]) for size in sizes])

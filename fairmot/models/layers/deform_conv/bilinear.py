"""Bilinear sampling of maps at places that the network chooses: where the taps lie, what they read, and the way back.

Legend: B images, C channels, H W map size, T taps of the kernel, M = B * output H * output W places, n places of one
chunk, N = n * T samples, P pixels of all maps with their frames.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch.nn import functional

SUM = 0  # `embedding_bag`'s mode
FRAME_BEFORE, FRAME_BEHIND = 1, 2  # zeros around a map, each way
LEAST_BYTES = 3 << 18  # above it, small maps are cut too: torchvision holds all samples, but nothing for corners
CORNER_VALUES = 24  # what finding the corners of a tap holds beside its samples

Pair = tuple[int, int]


class KernelWindow(NamedTuple):
    """How the kernel moves over the map, each (vertical, horizontal)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair


class Corners(NamedTuple):
    """The four pixels around each tap of n places; upper left, upper right, lower left, lower right."""

    index_nT4: torch.Tensor  # int32, rows of the sampler's pixels
    share_nT4: torch.Tensor
    below_nT: torch.Tensor  # how far the tap lies below its upper pixels, in [0, 1)
    right_nT: torch.Tensor


class BilinearSampler:
    """Reads maps at the places that offsets name.

    One row and column of zeros before each map and two behind it stand for everything outside, so a place there only
    has to be clamped.
    """

    def __init__(self, features: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, window: KernelWindow) -> None:
        B, C, H, W = features.shape
        frame = (FRAME_BEFORE, FRAME_BEHIND)
        self.map_hw = (H, W)
        self.framed = functional.pad(features.permute(0, 2, 3, 1), (0, 0, *frame, *frame))
        self.pixels_PC = self.framed.view(-1, C)
        self.out_hw = (offset.shape[2], offset.shape[3])
        self.taps = mask.shape[1]
        self.offset_M2T = offset.permute(0, 2, 3, 1).reshape(-1, 2 * self.taps)
        self.mask_MT = mask.permute(0, 2, 3, 1).reshape(-1, self.taps)
        self.places = B * self.out_hw[0] * self.out_hw[1]
        framed_hw = (self.framed.shape[1], self.framed.shape[2])
        self.grid = _make_grid(B, framed_hw, self.out_hw, window, offset.dtype)

    def chunks(self, budget: int, parts: int) -> Iterator[slice]:
        """Cut the places into `parts` runs at least, and runs whose samples take at most about `budget` bytes."""
        bytes_a_place = self.taps * (self.pixels_PC.shape[1] + CORNER_VALUES) * self.pixels_PC.element_size()
        budget = min(budget, max(LEAST_BYTES, bytes_a_place * -(-self.places // parts)))
        step = max(64, budget // bytes_a_place)
        return (slice(start, min(start + step, self.places)) for start in range(0, self.places, step))

    def corners(self, chunk: slice) -> Corners:
        """Return where the taps of a run of places lie."""
        y_nT, x_nT = self._places(chunk)
        return self._corners(chunk, y_nT, x_nT)

    def corners_and_inside(self, chunk: slice) -> tuple[Corners, torch.Tensor, torch.Tensor]:
        """Return the same, and where y and where x lie on the map, (n, T) bool, so that moving has an effect."""
        y_nT, x_nT = self._places(chunk)
        inside_y = (y_nT >= -1).logical_and_(y_nT < self.map_hw[0])
        inside_x = (x_nT >= -1).logical_and_(x_nT < self.map_hw[1])
        return self._corners(chunk, y_nT, x_nT), inside_y, inside_x

    def _corners(self, chunk: slice, y_nT: torch.Tensor, x_nT: torch.Tensor) -> Corners:
        """Takes y and x over: they become the fractions."""
        width = self.framed.shape[2]
        y_nT.clamp_(-1, self.map_hw[0])
        x_nT.clamp_(-1, self.map_hw[1])
        top_nT, left_nT = y_nT.floor(), x_nT.floor()
        below_nT, right_nT = y_nT.sub_(top_nT), x_nT.sub_(left_nT)
        corner_nT = top_nT.int().mul_(width).add_(left_nT.int()).add_(self.grid.pixel_M1[chunk])
        corner_nT.clamp_(0, len(self.pixels_PC) - width - 2)  # where the offset is not a number
        lower_nT = self.mask_MT[chunk] * below_nT
        upper_nT = self.mask_MT[chunk] - lower_nT
        lower_right, upper_right = lower_nT * right_nT, upper_nT * right_nT
        share_nT4 = torch.stack([upper_nT.sub_(upper_right), upper_right, lower_nT.sub_(lower_right), lower_right], -1)
        return Corners(corner_nT[..., None] + self.grid.neighbours, share_nT4, below_nT, right_nT)

    def _places(self, chunk: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Return y and x of each tap on the map."""
        offset_nT2 = self.offset_M2T[chunk].view(-1, self.taps, 2)
        y_nT = (self.grid.y_M1[chunk] + self.grid.tap_y).add_(offset_nT2[..., 0])
        x_nT = (self.grid.x_M1[chunk] + self.grid.tap_x).add_(offset_nT2[..., 1])
        return y_nT, x_nT


class _Grid(NamedTuple):
    """Where the kernel lies before offsets move its taps."""

    y_M1: torch.Tensor
    x_M1: torch.Tensor
    pixel_M1: torch.Tensor  # int32, row of the map's pixel (0, 0) among the sampler's pixels
    tap_y: torch.Tensor  # (T,)
    tap_x: torch.Tensor
    neighbours: torch.Tensor  # (4,) int32, steps to a pixel's own four


def _make_grid(images: int, framed_hw: Pair, out_hw: Pair, window: KernelWindow, dtype: torch.dtype) -> _Grid:
    (height, width), (out_h, out_w) = framed_hw, out_hw
    (stride_y, stride_x), (dilation_y, dilation_x) = window.stride, window.dilation
    rows = torch.arange(-window.padding[0], -window.padding[0] + out_h * stride_y, stride_y).to(dtype)
    columns = torch.arange(-window.padding[1], -window.padding[1] + out_w * stride_x, stride_x).to(dtype)
    first = torch.arange(images, dtype=torch.int32) * (height * width) + FRAME_BEFORE * (width + 1)
    return _Grid(
        y_M1=rows.repeat_interleave(out_w).repeat(images)[:, None],
        x_M1=columns.repeat(images * out_h)[:, None],
        pixel_M1=first.repeat_interleave(out_h * out_w)[:, None],
        tap_y=(torch.arange(window.kernel[0]) * dilation_y).repeat_interleave(window.kernel[1]).to(dtype),
        tap_x=(torch.arange(window.kernel[1]) * dilation_x).repeat(window.kernel[0]).to(dtype),
        neighbours=torch.tensor([0, 1, width, width + 1], dtype=torch.int32),
    )


def weighted_sums(rows: torch.Tensor, index: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Sum of rows (R, D) at `index` (n, K), weighted by `share` (n, K): (n, D)."""
    return functional.embedding_bag(index, rows, per_sample_weights=share, mode="sum")


def dot_products(rows: torch.Tensor, index_N4: torch.Tensor, others_NC: torch.Tensor) -> torch.Tensor:
    """Dot products (N, 4) of `others` (N, C) with the rows (R, C) at `index`: the gradient of `weighted_sums`' shares.

    It is what autograd would call, without the sums that it would keep for it.
    """
    first_N = torch.arange(0, index_N4.numel(), 4, dtype=torch.int32)
    own = torch.arange(len(index_N4), dtype=torch.int32).repeat_interleave(4)
    products: torch.Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        others_NC, rows, index_N4.flatten(), first_N, own, SUM
    )
    return products.view(index_N4.shape)


def add_transposed_sums(
    to_pixels: torch.Tensor, index_N4: torch.Tensor, share_N4: torch.Tensor, rows_NC: torch.Tensor
) -> None:
    """Add to each pixel the rows that were sampled from it, by the shares that it had in them.

    Sorting the samples by pixel turns the scattered additions into weighted sums again, which use all threads. Only
    the pixels between the first and the last one sampled are touched.
    """
    low, high = (int(edge) for edge in index_N4.aminmax())
    ends = np.arange(0, index_N4.numel() + 1, 4, dtype=np.int32)
    index = index_N4.flatten().numpy() - low
    by_sample = csr_matrix((len(index_N4), high + 1 - low), dtype=np.float32)
    by_sample.data, by_sample.indices, by_sample.indptr = share_N4.flatten().numpy(), index, ends  # unchecked: faster
    by_pixel = by_sample.tocsc()
    to_pixels[low : high + 1] += functional.embedding_bag(
        torch.from_numpy(by_pixel.indices),
        rows_NC,
        torch.from_numpy(by_pixel.indptr),
        per_sample_weights=torch.from_numpy(by_pixel.data),
        mode="sum",
        include_last_offset=True,
    )


def share_gradients(
    to_share_nT4: torch.Tensor, corners: Corners, mask_nT: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry the gradient of the four shares to y, x and the mask of each tap."""
    upper_left, upper_right, lower_left, lower_right = to_share_nT4.unbind(-1)
    upper = torch.lerp(upper_left, upper_right, corners.right_nT)
    lower = torch.lerp(lower_left, lower_right, corners.right_nT)
    across = torch.lerp(upper_right - upper_left, lower_right - lower_left, corners.below_nT)
    return mask_nT * (lower - upper), mask_nT * across, torch.lerp(upper, lower, corners.below_nT)

"""Modulated deformable convolution for CPUs, equal to `torchvision.ops.deform_conv2d` and several times as fast.

Every tap of every place is a weighted sum of four neighbouring pixels. FBGEMM's `embedding_bag` over the channels-last
map does all of these sums, a matrix product applies the kernel. Two orders give the same result: sample the map, then
apply the kernel (a few thousand places at a time, so that the samples stay in the cache), or, where the output has
fewer channels than the input, apply the kernel's taps to the map and sample what comes out. The backward pass samples
again instead of keeping anything.

Legend: B images, C input channels, O output channels, H W map size, T taps of the kernel, M = B * output H * output W
places, n places of one chunk, P pixels of all maps with their frames.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from scipy.sparse import csr_matrix
from torch.autograd.function import once_differentiable
from torch.nn import functional

FRAME_BEFORE, FRAME_BEHIND = 1, 2  # zeros around a map, each way
CACHED_BYTES = 5 << 20  # samples of one chunk of the forward pass: what stays in the cores' caches
CHUNK_BYTES = 24 << 20  # larger temporaries: below the size that the C library maps and unmaps at each use

Pair = tuple[int, int]


class Window(NamedTuple):
    """How the kernel moves over the map, each (vertical, horizontal)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair


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
    window = Window((weight.shape[2], weight.shape[3]), _pair(stride), _pair(padding), _pair(dilation))
    taps = weight.shape[2] * weight.shape[3]
    if mask is None:
        mask = offset.new_ones(()).expand(offset.shape[0], offset.shape[1] // 2, *offset.shape[2:])
    groups, offset_groups = features_BCHW.shape[1] // weight.shape[1], offset.shape[1] // (2 * taps)
    if groups == offset_groups == 1:
        out: torch.Tensor = _DeformConv.apply(features_BCHW, offset, mask, weight, bias, window)
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
    window: Window,
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
        outputs.append(_DeformConv.apply(features[piece], *steering, kernels[piece], None, window))
    each = pieces // groups
    return torch.cat([sum(outputs[k * each + 1 : (k + 1) * each], outputs[k * each]) for k in range(groups)], dim=1)


class _DeformConv(torch.autograd.Function):
    """One group: features (B, C, H, W), offset (B, 2T, H', W'), mask (B, T, H', W') -> (B, O, H', W'), channels last."""

    @staticmethod
    def forward(
        ctx: Any,
        features: torch.Tensor,
        offset: torch.Tensor,
        mask: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        window: Window,
    ) -> torch.Tensor:
        ctx.save_for_backward(features, offset, mask, weight)
        ctx.window = window
        sampler = _Sampler(features, offset, mask, window)
        run = _project_then_sample if len(weight) < features.shape[1] else _sample_then_project
        out_MO = run(sampler, weight, bias)
        return out_MO.view(len(features), *offset.shape[2:], len(weight)).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        features, offset, mask, weight = ctx.saved_tensors
        sampler = _Sampler(features, offset, mask, ctx.window)
        gradient_MO = gradient.permute(0, 2, 3, 1).reshape(-1, len(weight))
        to_map, to_offset, to_mask, to_weight = _gradients(sampler, gradient_MO, weight)
        to_bias = gradient_MO.sum(0) if ctx.needs_input_grad[4] else None
        return to_map, to_offset, to_mask, to_weight, to_bias, None


class _Corners(NamedTuple):
    """The four pixels around each tap of n places; upper left, upper right, lower left, lower right."""

    index_nT4: torch.Tensor  # int32, rows of the sampler's pixels
    share_nT4: torch.Tensor
    below_nT: torch.Tensor  # how far the tap lies below its upper pixels, in [0, 1)
    right_nT: torch.Tensor
    inside_2nT: torch.Tensor  # bool: y and x on the map, where moving has an effect


class _Sampler:
    """Reads maps at the places that offsets name.

    One row and column of zeros before each map and two behind it stand for everything outside, so a place there only
    has to be clamped.
    """

    def __init__(self, features: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, window: Window) -> None:
        B, C, H, W = features.shape
        frame = (FRAME_BEFORE, FRAME_BEHIND)
        self.window = window
        self.map_hw = (H, W)
        self.framed = functional.pad(features.permute(0, 2, 3, 1), (0, 0, *frame, *frame))
        self.pixels_PC = self.framed.view(-1, C)
        self.out_hw = (offset.shape[2], offset.shape[3])
        self.taps = mask.shape[1]
        self.offset_M2T = offset.permute(0, 2, 3, 1).reshape(-1, 2 * self.taps)
        self.mask_MT = mask.permute(0, 2, 3, 1).reshape(-1, self.taps)
        self.places = B * self.out_hw[0] * self.out_hw[1]

    def chunks(self, bytes_a_place: int, budget: int, *, first: int = 0, last: int | None = None) -> Iterator[slice]:
        """Cut places `first` to `last` into runs of about `budget` bytes."""
        last = self.places if last is None else last
        step = max(64, budget // max(1, bytes_a_place))
        return (slice(start, min(start + step, last)) for start in range(first, last, step))

    def corners(self, chunk: slice, *, first_image: int = 0) -> _Corners:
        """Return where the taps of a run of places lie; rows count from `first_image`."""
        (H, W), width = self.map_hw, self.framed.shape[2]
        y_nT, x_nT, row_n = self._places(chunk, first_image)
        y_nT.clamp_(-1, H)
        x_nT.clamp_(-1, W)
        top_nT, left_nT = y_nT.floor(), x_nT.floor()
        inside_2nT = torch.stack([(y_nT > -1) & (y_nT < H), (x_nT > -1) & (x_nT < W)])
        below_nT, right_nT = y_nT.sub_(top_nT), x_nT.sub_(left_nT)
        corner_nT = top_nT.mul_(width).add_(left_nT).int().add_(row_n[:, None])
        corner_nT.clamp_(0, len(self.pixels_PC) - width - 2)  # where the offset is not a number
        neighbours = torch.tensor([0, 1, width, width + 1], dtype=torch.int32)
        lower_nT = self.mask_MT[chunk] * below_nT
        upper_nT = self.mask_MT[chunk] - lower_nT
        lower_right, upper_right = lower_nT * right_nT, upper_nT * right_nT
        share_nT4 = torch.stack([upper_nT.sub_(upper_right), upper_right, lower_nT.sub_(lower_right), lower_right], -1)
        return _Corners(corner_nT[..., None] + neighbours, share_nT4, below_nT, right_nT, inside_2nT)

    def _places(self, chunk: slice, first_image: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return y and x of each tap on the map, and the row of the map's pixel (0, 0), int32, for each place."""
        (_, out_w), (kernel_h, kernel_w) = self.out_hw, self.window.kernel
        (stride_y, stride_x), (dilation_y, dilation_x) = self.window.stride, self.window.dilation
        offset_nT2 = self.offset_M2T[chunk].unflatten(1, (self.taps, 2))
        place_n = torch.arange(chunk.start, chunk.stop)
        image_n, place_n = _divide(place_n, self.out_hw[0] * out_w)
        row_n, column_n = _divide(place_n, out_w)
        tap = torch.arange(self.taps)
        tap_y = (tap // kernel_w) * dilation_y - self.window.padding[0]
        tap_x = (tap % kernel_w) * dilation_x - self.window.padding[1]
        y_nT = offset_nT2[..., 0] + (row_n[:, None] * stride_y + tap_y)
        x_nT = offset_nT2[..., 1] + (column_n[:, None] * stride_x + tap_x)
        _, height, width, _ = self.framed.shape
        return y_nT, x_nT, ((image_n - first_image) * (height * width) + FRAME_BEFORE * (width + 1)).int()


def _divide(value: torch.Tensor, by: int) -> tuple[torch.Tensor, torch.Tensor]:
    quotient = value // by
    return quotient, value - quotient * by


def _weighted_sums(rows: torch.Tensor, index: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Sum of rows (R, D) at `index` (n, K), weighted by `share` (n, K): (n, D)."""
    return functional.embedding_bag(index, rows, per_sample_weights=share, mode="sum")


def _sample_then_project(sampler: _Sampler, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """(M, O): sample all channels, then apply the kernel; a chunk's samples are used while they are in the cache."""
    C, taps = weight.shape[1], sampler.taps
    kernel = weight.permute(2, 3, 1, 0).reshape(taps * C, -1)
    out_MO = kernel.new_empty(sampler.places, len(weight))
    for chunk in sampler.chunks(taps * C * weight.element_size(), CACHED_BYTES):
        index_nT4, share_nT4, *_ = sampler.corners(chunk)
        samples = _weighted_sums(sampler.pixels_PC, index_nT4.flatten(0, 1), share_nT4.flatten(0, 1))
        samples_nTC = samples.view(-1, taps * C)
        if bias is None:
            torch.mm(samples_nTC, kernel, out=out_MO[chunk])
        else:
            torch.addmm(bias, samples_nTC, kernel, out=out_MO[chunk])
    return out_MO


def _project_then_sample(sampler: _Sampler, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """(M, O): apply each tap of the kernel to the whole map, then sample the fewer channels that come out."""
    O, taps = len(weight), sampler.taps
    kernel_CTO = weight.permute(1, 2, 3, 0).reshape(-1, taps * O)
    out_MO = kernel_CTO.new_empty(sampler.places, O)
    if bias is None:
        bias = out_MO.new_zeros(())
    tap_T1 = torch.arange(taps, dtype=torch.int32)[:, None]
    images, height, width, C = sampler.framed.shape
    together = max(1, CHUNK_BYTES // (height * width * taps * O * weight.element_size()))
    places = sampler.places // max(1, images)
    for first in range(0, images, together):
        last = min(first + together, images)
        projected = (sampler.framed[first:last].view(-1, C) @ kernel_CTO).view(-1, O)
        for chunk in sampler.chunks(taps * 40, CACHED_BYTES, first=first * places, last=last * places):
            index_nT4, share_nT4, *_ = sampler.corners(chunk, first_image=first)
            index_nT4 = index_nT4.mul_(taps).add_(tap_T1)
            torch.add(_weighted_sums(projected, index_nT4.flatten(1), share_nT4.flatten(1)), bias, out=out_MO[chunk])
    return out_MO


def _gradients(
    sampler: _Sampler, gradient_MO: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry the gradient of the output back to features, offset, mask and weight, a chunk of places at a time."""
    C, taps = weight.shape[1], sampler.taps
    kernel_TC_O = weight.permute(2, 3, 1, 0).reshape(taps * C, -1)
    to_pixels, to_kernel = torch.zeros_like(sampler.pixels_PC), torch.zeros_like(kernel_TC_O)
    to_offset = gradient_MO.new_empty(sampler.places, taps, 2)
    to_mask = gradient_MO.new_empty(sampler.places, taps)
    for chunk in sampler.chunks(taps * C * weight.element_size(), CHUNK_BYTES):
        corners = sampler.corners(chunk)
        index_N4, share_N4 = corners.index_nT4.flatten(0, 1), corners.share_nT4.flatten(0, 1)
        to_samples_NC = (gradient_MO[chunk] @ kernel_TC_O.T).view(-1, C)
        with torch.enable_grad():
            samples_NC = _weighted_sums(sampler.pixels_PC.detach(), index_N4, share_N4.requires_grad_())
            (to_share_N4,) = torch.autograd.grad(samples_NC, share_N4, to_samples_NC)
        to_kernel.addmm_(samples_NC.detach().view(-1, taps * C).T, gradient_MO[chunk])
        to_pixels += _transposed_sums(index_N4, share_N4.detach(), to_samples_NC, len(to_pixels))
        to_places = _share_gradients(to_share_N4.view(-1, taps, 4), corners, sampler.mask_MT[chunk])
        to_offset[chunk, :, 0], to_offset[chunk, :, 1], to_mask[chunk] = to_places
    images, (out_h, out_w), (H, W) = len(sampler.framed), sampler.out_hw, sampler.map_hw
    end_y, end_x = FRAME_BEFORE + H, FRAME_BEFORE + W
    return (
        to_pixels.view_as(sampler.framed)[:, FRAME_BEFORE:end_y, FRAME_BEFORE:end_x].permute(0, 3, 1, 2),
        to_offset.view(images, out_h, out_w, 2 * taps).permute(0, 3, 1, 2),
        to_mask.view(images, out_h, out_w, taps).permute(0, 3, 1, 2),
        to_kernel.view(*weight.shape[2:], C, -1).permute(3, 2, 0, 1),
    )


def _transposed_sums(index_N4: torch.Tensor, share_N4: torch.Tensor, rows_NC: torch.Tensor, count: int) -> torch.Tensor:
    """(count, C): each pixel's sum of the rows that were sampled from it, by the shares it had in them.

    Sorting the samples by pixel first turns the scattered additions into weighted sums again, which use all threads.
    """
    ends = torch.arange(0, index_N4.numel() + 1, 4, dtype=torch.int32)
    by_sample = csr_matrix(
        (share_N4.flatten().numpy(), index_N4.flatten().numpy(), ends.numpy()), shape=(len(index_N4), count)
    )
    by_pixel = by_sample.tocsc()
    return functional.embedding_bag(
        torch.from_numpy(by_pixel.indices),
        rows_NC,
        torch.from_numpy(by_pixel.indptr),
        per_sample_weights=torch.from_numpy(by_pixel.data),
        mode="sum",
        include_last_offset=True,
    )


def _share_gradients(
    to_share_nT4: torch.Tensor, corners: _Corners, mask_nT: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry the gradient of the four shares to y, x and the mask of each tap."""
    upper_left, upper_right, lower_left, lower_right = to_share_nT4.unbind(-1)
    upper = torch.lerp(upper_left, upper_right, corners.right_nT)
    lower = torch.lerp(lower_left, lower_right, corners.right_nT)
    across = torch.lerp(upper_right - upper_left, lower_right - lower_left, corners.below_nT)
    moved_y, moved_x = corners.inside_2nT * mask_nT
    return moved_y * (lower - upper), moved_x * across, torch.lerp(upper, lower, corners.below_nT)


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])

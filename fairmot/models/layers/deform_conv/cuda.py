"""Modulated deformable convolution for NVIDIA GPUs, equal to `torchvision.ops.deform_conv2d` and several times as fast.

torchvision's operator computes in float32 and channels first, also under autocast. Here maps are channels last in
autocast's precision: a Triton kernel samples columns (one row per point: all taps and channels), and one matrix product
applies the layer's kernel. In the backward pass a matrix product gives the columns' gradient; one Triton kernel samples
again, writes the columns for the gradient of the layer's kernel, computes the gradients of offsets and mask, and adds
to the map's gradient by atomic float32 additions. Output rows are processed in chunks, which bounds the memory of the
columns; only the inputs are kept for the backward pass.

Coordinates, weights and sums are float32. float32 products use TF32 if `torch.backends.cuda.matmul.allow_tf32` is set,
as torchvision's do (not `cudnn.allow_tf32`, which is on by default). The order of atomic additions varies, and with it
the last bits of the map's gradient; with deterministic algorithms torchvision's operator runs, which raises or warns.
FAIRMOT_DEFORM_CONV=torchvision in the environment selects torchvision's operator in all cases.

Legend: B images, C channels, O output channels, H W map size, T taps of the kernel, K = T * C, M = B * H' * W' points,
n points of one chunk.
"""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torchvision.ops import deform_conv2d as torchvision_deform_conv2d

from fairmot.models.layers.deform_conv.bilinear import KernelWindow, Pair, make_window

IS_ENABLED = os.environ.get("FAIRMOT_DEFORM_CONV") != "torchvision" and importlib.util.find_spec("triton") is not None
MIN_CAPABILITY = (8, 0)  # Ampere: the first with bfloat16
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
INDEX_LIMIT = 1 << 30  # values of one image, or of one output row's columns: kernels index them with 32 bits
COLUMN_BYTES = 256 << 20  # of one chunk of the forward pass
GRADIENT_BYTES = 128 << 20  # of the backward pass, which holds two such arrays
MIN_CHUNK_BYTES = 16 << 20  # the backward pass uses at least two chunks if one would exceed this
SAMPLE_BLOCK_BYTES, GRADIENT_BLOCK = 8192, 2048  # columns per program: bytes, and values
WARPS, CHANNELS = 4, 128  # warps per program, and channels per step


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
    """Drop-in replacement of `torchvision.ops.deform_conv2d`; first derivatives only.

    features: (B, C, H, W); offset: (B, 2T, H', W'), y and x of each tap; weight: (O, C, kernel height, kernel width);
    bias: (O,); mask: (B, T, H', W'), None for ones. Returns (B, O, H', W'), channels last, in autocast's dtype or else
    that of `features`. Unsupported inputs (float64, older GPUs) use torchvision's operator.
    Source: Zhu et al., Deformable ConvNets v2, equation 1.
    """
    window = make_window(weight, stride, padding, dilation)
    if mask is None:
        mask = offset.new_ones(()).expand(offset.shape[0], offset.shape[1] // 2, *offset.shape[2:])
    device = features_BCHW.device
    supported = IS_ENABLED and supports_triton(device) and _is_supported(features_BCHW, offset, mask, weight, window)
    if not supported or torch.are_deterministic_algorithms_enabled():
        out: torch.Tensor = torchvision_deform_conv2d(
            features_BCHW, offset, weight, bias, window.stride, window.padding, window.dilation, mask
        )
        return out
    dtype = features_BCHW.dtype
    if torch.is_autocast_enabled(device.type):
        dtype = torch.get_autocast_dtype(device.type)
    bias = None if bias is None else bias.to(dtype)
    geometry = [*window.stride, *window.padding, *window.dilation]
    result: torch.Tensor = _convolve(features_BCHW.to(dtype), offset, mask, weight.to(dtype), bias, geometry)
    return result


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def supports_triton(device: torch.device) -> bool:
    """Return whether the kernels run on `device`."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= MIN_CAPABILITY


def _is_supported(
    features: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor, window: KernelWindow
) -> bool:
    """Return whether shapes and dtypes are supported by the kernels."""
    B, C, H, W = features.shape
    taps = window.kernel[0] * window.kernel[1]
    out_h, out_w = output_hw((H, W), window)
    return (
        all(tensor.dtype in DTYPES for tensor in (features, offset, mask, weight))
        and all(tensor.device == features.device for tensor in (offset, mask, weight))
        and tuple(offset.shape) == (B, 2 * taps, out_h, out_w)
        and tuple(mask.shape) == (B, taps, out_h, out_w)
        and weight.shape[1] == C
        and max((H + 4) * (W + 4), out_w * taps) * C < INDEX_LIMIT
    )


def output_hw(map_hw: Pair, window: KernelWindow) -> Pair:
    """Return the height and width of the output.

    >>> output_hw((152, 272), KernelWindow((3, 3), (2, 2), (1, 1), (1, 1)))
    (76, 136)
    """
    sides = (
        (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for side, kernel, stride, padding, dilation in zip(map_hw, *window, strict=True)
    )
    height, width = sides
    return height, width


class _TritonSampler:
    """Maps on a GPU with their offsets and mask; runs the kernels on chunks of output rows of all images."""

    def __init__(self, features: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, window: KernelWindow) -> None:
        self.features_BHWC = features.permute(0, 2, 3, 1).contiguous()
        self.offset, self.mask, self.window = offset, mask, window
        self.out_h, self.out_w = offset.shape[2], offset.shape[3]
        self.rows, self.taps = len(features) * self.out_h, mask.shape[1]
        self.columns_K = self.taps * features.shape[1]

    def chunks(self, budget: int, *, min_bytes: int | None = None) -> Iterator[slice]:
        """Split the rows into chunks of about `budget` bytes of columns; two at least if above `min_bytes`."""
        bytes_per_row = max(1, self.out_w * self.columns_K * self.features_BHWC.element_size())
        if min_bytes is not None:
            budget = min(budget, max(min_bytes, -(-self.rows // 2) * bytes_per_row))
        step = max(1, budget // bytes_per_row)
        return (slice(start, min(start + step, self.rows)) for start in range(0, self.rows, step))

    def points(self, rows: slice) -> slice:
        """Return the points of these rows."""
        return slice(rows.start * self.out_w, rows.stop * self.out_w)

    def sample(self, rows: slice) -> torch.Tensor:
        """Return the columns (n, K) of these rows."""
        from fairmot.models.layers.deform_conv.triton_kernels import sample_kernel

        columns_nK = self.features_BHWC.new_empty((rows.stop - rows.start) * self.out_w, self.columns_K)
        channels = self.features_BHWC.shape[3]
        values = SAMPLE_BLOCK_BYTES // columns_nK.element_size() // (1 if channels % 8 == 0 else 4)
        tensors = (self.features_BHWC, self.offset, self.mask, columns_nK)
        self._launch(sample_kernel, tensors, rows, values=values, splits_channels=True)
        return columns_nK

    def backward(self, grad_columns_nK: torch.Tensor, sums: Sequence[torch.Tensor], rows: slice) -> torch.Tensor:
        """Add to `sums`, the gradients of features, offset and mask; return the columns (n, K) of these rows."""
        from fairmot.models.layers.deform_conv.triton_kernels import gradient_kernel

        columns_nK = torch.empty_like(grad_columns_nK)
        inputs = (self.features_BHWC, self.offset, self.mask, grad_columns_nK)
        values = GRADIENT_BLOCK // (1 if self.features_BHWC.shape[3] % 4 == 0 else 4)
        self._launch(gradient_kernel, (*inputs, columns_nK, *sums), rows, values=values, splits_channels=False)
        return columns_nK

    def _launch(
        self, kernel: Any, tensors: Sequence[torch.Tensor], rows: slice, *, values: int, splits_channels: bool
    ) -> None:
        """Run a kernel whose programs process about `values` samples times channels of one row."""
        _, H, W, C = self.features_BHWC.shape
        block_c = min(CHANNELS, _power_of_two(C))
        block_n = max(8, min(256, values // block_c, _power_of_two(self.out_w * self.taps)))
        tiles = -(-self.out_w * self.taps // block_n)
        grid = ((rows.stop - rows.start) * tiles, -(-C // block_c) if splits_channels else 1)
        (stride_y, stride_x), (padding_y, padding_x), (dilation_y, dilation_x) = self.window[1:]
        with torch.cuda.device_of(self.features_BHWC):  # type: ignore[no-untyped-call]
            kernel[grid](
                *tensors, rows.start, tiles, H, W, self.out_h, self.out_w, *self.offset.stride(), *self.mask.stride(),
                C=C, TAPS=self.taps, KERNEL_W=self.window.kernel[1],
                STRIDE_Y=stride_y, STRIDE_X=stride_x, PADDING_Y=padding_y, PADDING_X=padding_x,
                DILATION_Y=dilation_y, DILATION_X=dilation_x,
                BLOCK_N=block_n, BLOCK_C=block_c, num_warps=WARPS, num_stages=1,
            )  # fmt: skip


@torch.library.custom_op(
    "fairmot::deform_conv2d",
    mutates_args=(),
    schema="(Tensor features, Tensor offset, Tensor mask, Tensor weight, Tensor? bias, int[] geometry) -> Tensor",
)
def _convolve(
    features: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Sequence[int],
) -> torch.Tensor:
    """geometry: stride, padding and dilation, each (y, x). A custom operator, which compilers do not trace."""
    sampler = _TritonSampler(features, offset, mask, make_window(weight, geometry[:2], geometry[2:4], geometry[4:]))
    out = _new_output(features, offset, weight)
    out_MO = out.permute(0, 2, 3, 1).view(sampler.rows * sampler.out_w, len(weight))
    kernel_KO = _kernel_matrix(weight).T
    for rows in sampler.chunks(COLUMN_BYTES):
        columns_nK, out_nO = sampler.sample(rows), out_MO[sampler.points(rows)]
        if bias is None:
            torch.mm(columns_nK, kernel_KO, out=out_nO)
        else:
            torch.addmm(bias, columns_nK, kernel_KO, out=out_nO)
        del columns_nK  # before the next chunk's are allocated
    return out


@torch.library.custom_op(
    "fairmot::deform_conv2d_backward",
    mutates_args=(),
    schema="(Tensor gradient, Tensor features, Tensor offset, Tensor mask, Tensor weight, int[] geometry)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
)
def _convolve_backward(
    gradient: torch.Tensor,
    features: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    geometry: Sequence[int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of features, offset, mask and weight, all channels last."""
    sampler = _TritonSampler(features, offset, mask, make_window(weight, geometry[:2], geometry[2:4], geometry[4:]))
    gradient_MO = gradient.permute(0, 2, 3, 1).contiguous().view(sampler.rows * sampler.out_w, len(weight))
    kernel_OK = _kernel_matrix(weight)
    out_shape = (len(features), sampler.out_h, sampler.out_w)
    grad_features = torch.zeros_like(sampler.features_BHWC, dtype=torch.float32)
    grad_kernel_OK = torch.zeros_like(kernel_OK, dtype=torch.float32)
    grad_offset = offset.new_empty(*out_shape, 2 * sampler.taps)
    grad_mask = mask.new_empty(*out_shape, sampler.taps)
    sums = (grad_features, grad_offset, grad_mask)
    for rows in sampler.chunks(GRADIENT_BYTES, min_bytes=MIN_CHUNK_BYTES):
        gradient_nO = gradient_MO[sampler.points(rows)]
        grad_kernel_OK.add_(gradient_nO.T @ sampler.backward(gradient_nO @ kernel_OK, sums, rows))
    grad_weight = grad_kernel_OK.to(weight.dtype).view(len(weight), *weight.shape[2:], weight.shape[1])
    gradients = (grad_features.to(features.dtype), grad_offset, grad_mask, grad_weight)
    in_features, in_offset, in_mask, in_weight = (value.permute(0, 3, 1, 2) for value in gradients)
    return in_features, in_offset, in_mask, in_weight


@_convolve.register_fake
def _(
    features: torch.Tensor, offset: torch.Tensor, _mask: torch.Tensor, weight: torch.Tensor, *_: object
) -> torch.Tensor:
    return _new_output(features, offset, weight)


@_convolve_backward.register_fake
def _(_gradient: torch.Tensor, *inputs: Any) -> tuple[torch.Tensor, ...]:
    return tuple(torch.empty_like(value, memory_format=torch.channels_last) for value in inputs[:4])


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001 (called by keyword)
    """Save the inputs for the backward pass."""
    *tensors, _bias, ctx.geometry = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    grad_inputs = _convolve_backward(gradient, *ctx.saved_tensors, ctx.geometry)
    grad_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[4] else None
    return *grad_inputs, grad_bias, None


_convolve.register_autograd(_backward, setup_context=_setup_context)


def _new_output(features: torch.Tensor, offset: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    shape = (features.shape[0], weight.shape[0], offset.shape[2], offset.shape[3])
    return torch.empty(shape, dtype=features.dtype, device=features.device, memory_format=torch.channels_last)


def _kernel_matrix(weight: torch.Tensor) -> torch.Tensor:
    """Return (O, K) in the columns' order, taps before channels: a view of a channels-last kernel, else a copy."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _power_of_two(number: int) -> int:
    """Return the smallest power of two that is not below `number`.

    >>> [_power_of_two(number) for number in (1, 24, 64)]
    [1, 32, 64]
    """
    return 1 << max(0, number - 1).bit_length()

"""Convolution and pooling in forms that CPUs are fast at: rewrites of pytensor-ml's layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.pad import Pad
from pytensor.tensor.reshape import split_dims
from pytensor_ml.layers.conv import ConvLayer, PoolLayer

from pymc_bnn.graphs.only_in_jax import OnlyInJax

__all__ = [
    "PaddedConv",
    "conv_by_blocks",
    "conv_by_blocks_without_gradient",
    "conv_with_padding",
    "pool_by_reshape",
]

_FEW_CHANNELS = 8  # of the input; with more, XLA's own convolution is faster
_FEW_WITHOUT_GRADIENT = 2, 16  # of the input and of the output, the same where none is taken
_BLOCKS = (4, 5, 3, 6, 7, 8)  # neighbouring outputs taken together, the fastest width first


@node_rewriter([ConvLayer])
def conv_by_blocks(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Write a 2-D convolution of few channels, and its gradient, by one matrix product."""
    return _by_blocks(node, _FEW_CHANNELS)


@node_rewriter([ConvLayer])
def conv_by_blocks_without_gradient(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Write it so where no gradient is taken: only the narrowest layers are faster then."""
    return _by_blocks(node, *_FEW_WITHOUT_GRADIENT)


def _by_blocks(node: Apply, few: int, few_out: float = math.inf) -> list[Variable] | None:
    """Write a 2-D convolution of few channels as one matrix product.

    A row of the left matrix holds the pixels below a block of neighbouring outputs of one image
    row, the right one the kernel, shifted once for each of them: some zeros are multiplied, but
    the outputs lie where they belong, and pixels are copied in runs. XLA's convolution on CPU, and
    above all its gradient with respect to the kernel, is several times slower for one channel.
    """
    (x, kernel, *bias), op = node.inputs, node.op
    if len(op.kernel_size) != 2 or {*op.stride, *op.dilation} != {1}:
        return None
    _, height, width, channels = x.type.shape
    down, across, _, out_channels = kernel.type.shape
    if None in (height, width, channels, *kernel.type.shape):
        return None
    if channels > few or out_channels > few_out:
        return None
    rows, columns = height - down + 1, width - across + 1
    block = next((b for b in _BLOCKS if columns % b == 0), None)
    if block is None or rows < 1:
        return None
    wide = block + across - 1  # input columns below a block
    lines = x.reshape((x.shape[0], height, width * channels))
    starts = range(0, columns, block)
    parts = [lines[:, :, s * channels : (s + wide) * channels] for s in starts]
    pixels = pt.stack(parts, axis=2)  # (batch, height, blocks, wide · channels)
    pixels = pt.concatenate([pixels[:, i : i + rows] for i in range(down)], axis=3)
    shifted = [
        pt.concatenate([_zeros(kernel, b), kernel, _zeros(kernel, block - 1 - b)], axis=1)
        for b in range(block)
    ]
    right = pt.stack(shifted, axis=3)  # (down, wide, channels, block, out_channels)
    count, depth = rows * len(parts), down * wide * channels
    left = pixels.reshape((x.shape[0] * count, depth))
    out = left @ right.reshape((depth, block * out_channels))
    out = out.reshape((x.shape[0], rows, columns, out_channels))
    out = out + bias[0] if bias else out
    return [pt.specify_shape(out, node.outputs[0].type.shape)]


def _zeros(kernel: Variable, columns: int) -> Variable:
    down, _, channels, out_channels = kernel.type.shape
    return pt.zeros((down, columns, channels, out_channels), kernel.dtype)


class PaddedConv(OnlyInJax):
    """A 2-D convolution that pads its input (batch, height, width, channels) with zeros itself."""

    __props__ = ("dilation", "padding", "stride")

    def __init__(self, stride: Any, dilation: Any, padding: Any):
        self.stride, self.dilation, self.padding = stride, dilation, padding

    def make_node(self, x: Variable, kernel: Variable) -> Apply:
        """Apply it to an input and a kernel (height, width, in, out)."""
        batch, *sizes, _ = x.type.shape
        *taps, _, channels = kernel.type.shape
        lengths = [
            None
            if size is None or tap is None
            else (size + sum(pad) - dilation * (tap - 1) - 1) // stride + 1
            for size, tap, pad, dilation, stride in zip(
                sizes, taps, self.padding, self.dilation, self.stride, strict=True
            )
        ]
        out = pt.tensor(dtype=x.dtype, shape=(batch, *lengths, channels))
        return Apply(self, [x, kernel], [out])

    def in_jax(self) -> Callable[[jax.Array, jax.Array], jax.Array]:
        """Return the JAX function of an input and a kernel."""

        def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
            return jax.lax.conv_general_dilated(
                x,
                kernel,
                self.stride,
                self.padding,
                rhs_dilation=self.dilation,
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )

        return convolve


@node_rewriter([ConvLayer])
def conv_with_padding(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Let a 2-D convolution pad: of a padded input it would also find the frame's gradient."""
    (padded, kernel, *bias), op = node.inputs, node.op
    pad = padded.owner
    if pad is None or not isinstance(pad.op, Pad) or pad.op.pad_mode != "constant":
        return None
    x, _, value = pad.inputs
    widths = pad.op.static_pad_width
    zero = isinstance(value, Constant) and not value.data.any()
    if len(op.kernel_size) != 2 or not zero or widths is None or any((*widths[0], *widths[-1])):
        return None
    convolve = PaddedConv(tuple(op.stride), tuple(op.dilation), tuple(widths[1:-1]))
    dtype = node.outputs[0].type.dtype  # XLA wants one for both
    out = convolve(x.astype(dtype), kernel.astype(dtype))
    out = out + bias[0] if bias else out
    return [pt.specify_shape(out, node.outputs[0].type.shape)]


@node_rewriter([PoolLayer])
def pool_by_reshape(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Pool (batch, *spatial, channels) over tiles; what does not fill a window is left out.

    The gradient of this reshape and maximum is several times cheaper on CPU than that of XLA's
    ``reduce_window``.
    """
    [x], op = node.inputs, node.op
    _, *spatial, channels = x.type.shape
    overlapping = tuple(op.kernel_size) != tuple(op.stride) or any(d != 1 for d in op.dilation)
    if overlapping or None in (*spatial, channels):
        return None
    counts = [s // k for s, k in zip(spatial, op.kernel_size, strict=True)]
    kept = [slice(0, c * k) for c, k in zip(counts, op.kernel_size, strict=True)]
    tiles = x[(slice(None), *kept)]
    for i, window in enumerate(zip(counts, op.kernel_size, strict=True)):
        tiles = split_dims(tiles, shape=window, axis=1 + 2 * i)
    axes = tuple(2 + 2 * i for i in range(len(counts)))  # tiles: (batch, n1, k1, n2, k2, channels)
    pooled = tiles.max(axis=axes) if op.reduction == "max" else tiles.mean(axis=axes)
    return [pt.specify_shape(pooled, node.outputs[0].type.shape)]

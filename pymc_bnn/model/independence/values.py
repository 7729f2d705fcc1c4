"""Rules of operations on values: elementwise, reductions, products, random variables, layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pytensor.compile.builders import OpFromGraph
from pytensor.compile.ops import DeepCopyOp, ViewOp
from pytensor.conditional.op import IfElse
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar.basic import Cast, Identity, Mul
from pytensor.tensor.basic import ScalarFromTensor, TensorFromScalar
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, Elemwise
from pytensor.tensor.extra_ops import CumOp, Repeat
from pytensor.tensor.linalg.solvers.core import SolveBase
from pytensor.tensor.math import Argmax, Dot
from pytensor.tensor.pad import Pad
from pytensor.tensor.random.op import RandomVariable
from pytensor.tensor.sort import ArgSortOp, SortOp
from pytensor_ml.layers.conv import ConvLayer, PoolLayer

from pymc_bnn.model.independence.base import (
    NONE,
    RowUse,
    aligned,
    first_unknown,
    interpret,
    mixes,
    name_of,
    propagate,
    unsaid,
)
from pymc_bnn.model.independence.shapes import filled

__all__ = []


@propagate.register(Elemwise)
def _elemwise(op: Elemwise, node: Apply, inputs: list[RowUse]) -> RowUse:
    if len(inputs) == 1 and isinstance(op.scalar_op, Cast | Identity):
        return inputs[0]
    if any(use.iota for use in inputs):
        return mixes(f"{name_of(op)} of the number of a row")
    if isinstance(op.scalar_op, Mul) and len(inputs) == 2:  # as in the shapes of pt.tile
        for use, other in zip(inputs, reversed(node.inputs), strict=True):
            whole = isinstance(other, Constant) and other.type.dtype.startswith(("int", "uint"))
            times = np.ravel(other.data) if whole else ()
            entries = [use] if use.entries is None else use.entries
            fits = use.kind == "length" and len(times) == len(entries)
            if fits and use.entries is None:
                return replace(use, each=use.each * int(times[0]))
            if fits and all(t == 1 or e is NONE for t, e in zip(times, entries, strict=True)):
                return use
    return aligned(node, inputs, [i.type.shape for i in node.inputs], node.outputs[0].type.ndim)


@propagate.register(TensorFromScalar)
@propagate.register(ScalarFromTensor)
@propagate.register(CheckAndRaise)
@propagate.register(DeepCopyOp)
@propagate.register(ViewOp)
def _first(op: Any, node: Apply, inputs: list[RowUse]) -> RowUse:
    return inputs[0]


@propagate.register(CAReduce)
@propagate.register(Argmax)
def _reduce(op: Any, node: Apply, inputs: list[RowUse]) -> RowUse:
    use, axes = inputs[0], op.axis
    if use.kind != "rows":
        return unsaid(node) if use.kind == "unknown" else mixes("of the number of rows")
    if axes is None or use.axis in axes:
        return mixes(f"{name_of(op)} over the rows")
    return RowUse("rows", use.axis - sum(a < use.axis for a in axes))


@propagate.register(SortOp)
@propagate.register(ArgSortOp)
@propagate.register(CumOp)
@propagate.register(Repeat)
def _along(op: Any, node: Apply, inputs: list[RowUse]) -> RowUse:
    """Say what comes of operations along one axis."""
    use, axis = inputs[0], op.axis
    if any(other.kind != "none" for other in inputs[1:]) or use.kind != "rows":
        return mixes(f"{name_of(op)} by rows") if not first_unknown(inputs) else unsaid(node)
    if axis is None or axis % node.inputs[0].type.ndim == use.axis:
        return mixes(f"{name_of(op)} along the rows")
    return RowUse("rows", use.axis)


@propagate.register(Dot)
def _dot(op: Dot, node: Apply, inputs: list[RowUse]) -> RowUse:
    """Say what comes of a product, or of a batch of them, whose rows lie along a core axis."""
    if unknown := first_unknown(inputs):
        return unknown
    left, right = inputs
    left_ndim, right_ndim = (v.type.ndim for v in node.inputs)
    ndim, columns = node.outputs[0].type.ndim, right_ndim > 1
    if left.kind == "rows" and right.kind == "none" and left.axis == left_ndim - 2:
        return replace(left, axis=ndim - 2 if columns else ndim - 1)
    if right.kind == "rows" and left.kind == "none" and columns and right.axis == right_ndim - 1:
        return replace(right, axis=ndim - 1)
    return mixes("a matrix product over the rows")


@propagate.register(Blockwise)
def _blockwise(op: Blockwise, node: Apply, inputs: list[RowUse]) -> RowUse | list[RowUse]:
    if unknown := first_unknown(inputs):
        return unknown
    batch = [v.type.ndim - len(sig) for v, sig in zip(node.inputs, op.inputs_sig, strict=True)]
    in_core = [use.kind == "rows" and use.axis >= b for use, b in zip(inputs, batch, strict=True)]
    if any(in_core):
        if isinstance(op.core_op, Dot):
            return _dot(op.core_op, node, inputs)
        (*_, last), ndim = in_core, node.inputs[-1].type.ndim
        columns = isinstance(op.core_op, SolveBase) and len(op.inputs_sig[-1]) == 2
        alone = last and all(use.kind == "none" for use in inputs[:-1])
        if columns and alone and inputs[-1].axis == ndim - 1:
            return replace(inputs[-1], axis=node.outputs[0].type.ndim - 1)
        return mixes(f"{name_of(op)} over the rows")
    return _in_batch(node, inputs, node.inputs, batch)


def _in_batch(
    node: Apply, uses: Sequence[RowUse], variables: Sequence[Variable], batch: Sequence[int]
) -> RowUse:
    """Join uses along the batch axes of an operation."""
    if any(use.kind == "rows" and use.axis >= n for use, n in zip(uses, batch, strict=True)):
        return mixes(f"{name_of(node.op)} over the rows")
    shapes = [v.type.shape[:n] for v, n in zip(variables, batch, strict=True)]
    return aligned(node, uses, shapes, max(batch))


@propagate.register(RandomVariable)
def _random_variable(op: RandomVariable, node: Apply, inputs: list[RowUse]) -> list[RowUse]:
    params, start = op.dist_params(node), 2
    uses = inputs[start:]
    batch = [v.type.ndim - n for v, n in zip(params, op.ndims_params, strict=True)]
    out = node.outputs[1]
    ndim = out.type.ndim - op.ndim_supp
    use = _in_batch(node, uses, params, batch) if params else NONE
    if use.kind == "rows":
        use = replace(use, axis=use.axis + ndim - max(batch))
    return [NONE, filled(use, inputs[1], ndim, node)]


@propagate.register(IfElse)
def _if_else(op: IfElse, node: Apply, inputs: list[RowUse]) -> RowUse | list[RowUse]:
    condition, *branches = inputs
    if condition.kind != "none":
        return condition if condition.kind in ("mixed", "unknown") else unsaid(node)
    n = len(node.outputs)
    pairs = zip(branches[:n], branches[n:], strict=True)
    return [
        a if a == b else next((u for u in (a, b) if u.kind == "mixed"), unsaid(node))
        for a, b in pairs
    ]


@propagate.register(Pad)
def _pad(op: Pad, node: Apply, inputs: list[RowUse]) -> RowUse | list[RowUse]:
    use, ndim = inputs[0], node.inputs[0].type.ndim
    width, others = node.inputs[1], inputs[1:]
    fixed = use.kind == "rows" and isinstance(width, Constant)
    if not fixed or any(other.kind != "none" for other in others):
        return _from_graph(op, node, inputs)
    along = np.broadcast_to(width.data, (ndim, 2))[use.axis]
    return mixes("Pad along the rows") if along.any() else use


@propagate.register(ConvLayer)
@propagate.register(PoolLayer)
def _convolution(op: Any, node: Apply, inputs: list[RowUse]) -> RowUse:
    image, *weights = inputs
    if unknown := first_unknown(inputs):
        return unknown
    if image == RowUse("rows", 0) and all(use.kind == "none" for use in weights):
        return image
    return mixes(f"{name_of(op)} whose images are not the rows")


@propagate.register(OpFromGraph)
def _from_graph(op: OpFromGraph, node: Apply, inputs: list[RowUse]) -> list[RowUse]:
    inner = op.fgraph
    return interpret(inner.outputs, dict(zip(inner.inputs, inputs, strict=True)))

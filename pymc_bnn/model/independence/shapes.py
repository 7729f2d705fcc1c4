"""Rules of operations on shapes: broadcasting, reshapes, joins, and lengths as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Alloc, AllocEmpty, ARange, Join, MakeVector, Split
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape

from pymc_bnn.model.independence.base import (
    LENGTH,
    NONE,
    RowUse,
    first_unknown,
    mixes,
    propagate,
    unsaid,
)

__all__ = ["filled", "vector_of"]


@propagate.register(SpecifyShape)
def _specify_shape(op: SpecifyShape, node: Apply, inputs: list[RowUse]) -> RowUse:
    use = inputs[0]
    if use.kind == "rows" and inputs[1 + use.axis].kind == "none":
        wanted = node.inputs[1 + use.axis]
        if not (isinstance(wanted, Constant) and wanted.data is None):
            return mixes("a shape that fixes the number of rows")
    return use


@propagate.register(DimShuffle)
def _dimshuffle(op: DimShuffle, node: Apply, inputs: list[RowUse]) -> RowUse:
    use = inputs[0]
    if use.kind != "rows":
        return use if use.entries is None else replace(use, entries=None)
    if use.axis not in op.new_order:  # an axis of length 1 is dropped
        return mixes("a single row")
    return replace(use, axis=op.new_order.index(use.axis))


def filled(use: RowUse, shape: RowUse, ndim: int, node: Apply) -> RowUse:
    """Say what comes of a value that is broadcast to a shape."""
    if shape.kind == "none" or use.kind in ("mixed", "unknown"):
        if use.kind == "rows" and shape.kind == "none" and isinstance(node.op, Alloc):
            return mixes("a shape that fixes the number of rows")
        return use
    if shape.kind != "length" or shape.entries is None:
        return unsaid(node)
    places = [i for i, entry in enumerate(shape.entries) if entry.kind != "none"]
    axis = use.axis if use.kind == "rows" else places[0]
    if places != [axis] or use.kind == "length":
        return mixes("a shape with the number of rows at two places")
    return RowUse("rows", axis)


@propagate.register(Alloc)
def _alloc(op: Alloc, node: Apply, inputs: list[RowUse]) -> RowUse:
    use, *shape = inputs
    ndim = len(shape)
    value = node.inputs[0]
    if use.kind == "unknown":
        return use
    if use.kind == "rows":
        use = RowUse("rows", use.axis + ndim - value.type.ndim)
    elif any(s.kind != "none" for s in shape):
        place = next(i for i, s in enumerate(shape) if s.kind != "none") - ndim + value.type.ndim
        if place >= 0 and value.type.shape[place] != 1:
            return mixes("one value for each place among the rows")
    return filled(use, vector_of(shape), ndim, node)


@propagate.register(AllocEmpty)
def _alloc_empty(op: AllocEmpty, node: Apply, inputs: list[RowUse]) -> RowUse:
    return filled(NONE, vector_of(inputs), len(inputs), node)


def vector_of(entries: Sequence[RowUse]) -> RowUse:
    """Return the use of a vector of numbers, each a length or not."""
    for kind in ("mixed", "unknown"):
        if bad := next((e for e in entries if e.kind == kind), None):
            return bad
    if any(e.kind == "rows" for e in entries):
        return mixes("rows side by side")
    if all(e.kind == "none" for e in entries):
        return NONE
    return RowUse("length", entries=tuple(entries))


@propagate.register(MakeVector)
def _make_vector(op: MakeVector, node: Apply, inputs: list[RowUse]) -> RowUse:
    return vector_of(inputs)


@propagate.register(Shape)
def _shape(op: Shape, node: Apply, inputs: list[RowUse]) -> RowUse:
    use, ndim = inputs[0], node.inputs[0].type.ndim
    if use.kind == "rows":
        return RowUse(
            "length", entries=tuple(LENGTH if i == use.axis else NONE for i in range(ndim))
        )
    if use.kind == "length":
        return NONE
    static = None not in node.inputs[0].type.shape
    return NONE if static else use


@propagate.register(Shape_i)
def _shape_i(op: Shape_i, node: Apply, inputs: list[RowUse]) -> RowUse:
    use = inputs[0]
    if use.kind == "rows":
        return LENGTH if op.i == use.axis else NONE
    static = node.inputs[0].type.shape[op.i] is not None
    return NONE if static or use.kind == "length" else use


@propagate.register(ARange)
def _arange(op: ARange, node: Apply, inputs: list[RowUse]) -> RowUse:
    (start, stop, step), (first, _, by) = inputs, node.inputs
    counts = getattr(first, "data", None) == 0 and getattr(by, "data", None) == 1
    if counts and start.kind == step.kind == "none" and stop.kind == "length":
        return RowUse("rows", 0, iota=True)
    return first_unknown(inputs) or mixes("numbers counted from the number of rows")


@propagate.register(Reshape)
def _reshape(op: Reshape, node: Apply, inputs: list[RowUse]) -> RowUse:
    use, shape = inputs
    x, out = node.inputs[0], node.outputs[0]
    if use.kind == "length":  # a vector or scalar of lengths
        return use if out.type.ndim == x.type.ndim else replace(use, entries=None)
    if use.kind == "none":  # a value whose new shape holds the number of rows
        return mixes("a reshape by the number of rows") if shape.kind != "unknown" else shape
    if use.kind == "unknown":
        return use
    first = use.axis  # leading axes stay, what follows the rows' axis may be rearranged
    target = _entries(node.inputs[1], shape, out.type.ndim)
    if target is None or out.type.ndim <= first:
        return unsaid(node) if out.type.ndim > first else mixes("a reshape of the rows")
    if first and tuple(target[:first]) != x.type.shape[:first]:
        return mixes("a reshape across the rows")
    if target[first] is LENGTH:
        return replace(use, iota=use.iota and out.type.ndim == x.type.ndim)
    before, after = x.type.shape[first + 1 :], target[first + 1 :]
    if None in before or not all(isinstance(n, int) and n > 0 for n in after):
        return unsaid(node)
    if target[first] != -1 or np.prod(before) != np.prod(after):
        return mixes("a reshape across the rows")
    return use


def _entries(variable: Variable, use: RowUse, ndim: int) -> list[Any] | None:
    """Return what a shape vector holds: integers, the number of rows, or None where unknown."""
    if isinstance(variable, Constant):
        return [int(n) for n in variable.data]
    if use.kind == "length" and use.entries is not None:
        own = variable.owner.inputs if isinstance(variable.owner.op, MakeVector) else [None] * ndim
        numbers = [int(v.data) if isinstance(v, Constant) else None for v in own]
        return [
            LENGTH if e.kind == "length" else n for e, n in zip(use.entries, numbers, strict=True)
        ]
    if variable.owner is not None and isinstance(variable.owner.op, MakeVector):
        return [int(v.data) if isinstance(v, Constant) else None for v in variable.owner.inputs]
    return None


@propagate.register(JoinDims)
def _join_dims(op: JoinDims, node: Apply, inputs: list[RowUse]) -> RowUse:
    use, span = inputs[0], range(op.start_axis, op.start_axis + op.n_axes)
    if use.kind != "rows":
        return use
    if use.axis < span.start:
        return RowUse("rows", use.axis)
    if use.axis >= span.stop:
        return RowUse("rows", use.axis - len(span) + 1)
    if all(node.inputs[0].type.shape[i] == 1 for i in span if i != use.axis):
        return RowUse("rows", span.start)
    return mixes("axes joined with that of the rows")


@propagate.register(SplitDims)
def _split_dims(op: SplitDims, node: Apply, inputs: list[RowUse]) -> RowUse:
    use = inputs[0]
    if use.kind != "rows":
        return use if use.kind == "unknown" else mixes("a split by the number of rows")
    if use.axis == op.axis:
        return mixes("a split of the rows")
    more = node.outputs[0].type.ndim - node.inputs[0].type.ndim
    return RowUse("rows", use.axis + more * (use.axis > op.axis))


@propagate.register(Join)
def _join(op: Join, node: Apply, inputs: list[RowUse]) -> RowUse:
    ndim = node.outputs[0].type.ndim
    if unknown := first_unknown(inputs):
        return unknown
    if ndim == 1 and all(use.kind in ("none", "length") for use in inputs):
        entries: list[RowUse] = []
        for use, variable in zip(inputs, node.inputs, strict=True):
            length = variable.type.shape[0]
            if use.entries is None and length is None:
                return unsaid(node)
            entries += use.entries if use.entries is not None else [use] * length
        return vector_of(entries)
    if any(use.kind != "rows" for use in inputs):
        return mixes("rows joined to something that is not by rows")
    axes = {use.axis for use in inputs}
    if len(axes) > 1 or op.axis % ndim in axes:
        return mixes("rows joined one after the other")
    return RowUse("rows", axes.pop())


@propagate.register(Split)
def _split(op: Split, node: Apply, inputs: list[RowUse]) -> RowUse:
    use = inputs[0]
    if use.kind == "unknown":
        return use
    split = use.kind != "rows" or any(i.kind != "none" for i in inputs[1:])
    if split or op.axis % node.inputs[0].type.ndim == use.axis:
        return mixes("a split of the rows")
    return RowUse("rows", use.axis)

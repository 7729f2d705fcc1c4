"""Many small tensors worked on together: one stack, one operation, in place of one for each.

A model of a hundred scalar variables is a graph of a hundred draws, transformations and divergences
that look alike. XLA compiles, and runs, each of them by itself: the time goes into their number,
not into what they do. Operations of one kind that do not depend on each other become one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.replace import clone_replace
from pytensor.scalar import Add, Cast, Mul
from pytensor.tensor.basic import MakeVector
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise

from pymc_bnn.runtime.stacking import FEW as _FEW
from pymc_bnn.runtime.stacking import LARGEST as _LARGEST

__all__ = ["Stack", "Unstack", "products_together", "take_apart", "work_together"]


class Stack(Op):
    """Tensors of one type along a new first axis."""

    __props__ = ()

    def make_node(self, *parts: Variable) -> Apply:
        """Apply it to tensors."""
        like = parts[0].type
        output = pt.TensorType(like.dtype, (len(parts), *like.shape))()
        return Apply(self, list(parts), [output])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Stack arrays."""
        outputs[0][0] = np.stack(inputs)

    def in_jax(self) -> Callable[..., Any]:
        """Return the JAX function."""
        return lambda *parts: jnp.stack(parts)


class Unstack(Op):
    """The entries of the first axis, each as an output."""

    __props__ = ()

    def make_node(self, stacked: Variable) -> Apply:
        """Apply it to a tensor whose first length is known."""
        k, *shape = stacked.type.shape
        outputs = [pt.TensorType(stacked.type.dtype, shape)() for _ in range(k)]
        return Apply(self, [stacked], outputs)

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Take an array apart."""
        for place, part in zip(outputs, inputs[0], strict=True):
            place[0] = part.copy()

    def in_jax(self) -> Callable[..., Any]:
        """Return the JAX function: its derivative is one concatenation."""

        def unstack(stacked: Any) -> tuple[Any, ...]:
            parts = jax.lax.split(stacked, (1,) * len(stacked))
            return tuple(part[0] for part in parts)

        return unstack


def work_together(graph: FunctionGraph) -> None:
    """Let operations of one kind on small tensors be one operation on a stack of them.

    Parameters
    ----------
    graph : FunctionGraph
        Changed in place.

    Examples
    --------
    >>> x = pt.scalars(10)
    >>> graph = FunctionGraph(x, [pt.stack([pt.exp(v) + 1 for v in x])])
    >>> work_together(graph)
    >>> sum(isinstance(node.op, Elemwise) for node in graph.apply_nodes)
    2
    """
    depth: dict[Variable, int] = {}
    alike: dict[Any, list[Apply]] = defaultdict(list)
    for node in graph.toposort():
        level = 1 + max((depth.get(i, 0) for i in node.inputs), default=0)
        depth.update(dict.fromkeys(node.outputs, level))
        if _on_stacks(node.op) is not None and (_is_small(node) or _is_cast(node)):
            types = tuple(i.type for i in node.inputs)
            alike[level, node.op, types].append(node)
    # In which stack something is, and where: at first that of inputs.
    kept = _places([v for node in graph.toposort() for v in node.outputs])
    given = len(kept)
    for key in sorted(alike, key=lambda key: key[0]):  # those of one level do not need each other
        # Columns of data are cast as the table that they come from.
        nodes = [node for node in alike[key] if _is_small(node) or node.inputs[0] in kept]
        if len(nodes) < _FEW:
            continue
        order = {stack: number for number, (stack, _) in enumerate(kept.values())}
        nodes.sort(key=lambda node: _place(node, kept, order))
        inputs = [
            each[0][None] if _are_one(each) else _stacked(each, kept)
            for each in zip(*(node.inputs for node in nodes), strict=True)
        ]
        output = _on_stacks(nodes[0].op)(*inputs)
        if output.type.shape[0] != len(nodes):  # all of them have the same inputs
            continue
        parts = Unstack()(output)
        for place, (node, part) in enumerate(zip(nodes, parts, strict=True)):
            kept[part] = output, place
            graph.replace(node.outputs[0], part, reason="together")
    for node in graph.toposort() if len(kept) > given else ():
        if isinstance(node.op, MakeVector) and sum(i in kept for i in node.inputs) >= _FEW:
            vector = _stacked(node.inputs, kept).astype(node.op.dtype)
            graph.replace(node.outputs[0], vector, reason="together")


def take_apart(
    inputs: Sequence[Variable | tuple[Variable, ...]], outputs: Sequence[Variable]
) -> tuple[list[Variable], list[Variable]]:
    """Return inputs and outputs of a graph whose grouped inputs are parts of one stack each.

    Examples
    --------
    >>> x, y = pt.scalars(2)
    >>> [stack], [total] = take_apart([(x, y)], [x + y])
    >>> stack.type.shape, [part.owner.op for part in total.owner.inputs] == [Unstack()] * 2
    ((2,), True)
    """
    found, parts = [], {}
    for own in inputs:
        if isinstance(own, tuple) and len(own) == 1:
            [own] = own
        elif isinstance(own, tuple):
            like = own[0].type
            stack = pt.TensorType(like.dtype, (len(own), *like.shape))()
            parts |= zip(own, Unstack()(stack, return_list=True), strict=True)
            own = stack
        found.append(own)
    return found, clone_replace(list(outputs), parts) if parts else list(outputs)


def products_together(graph: FunctionGraph) -> None:
    """Let a sum of numbers times vectors be one product of a matrix and a vector.

    ``b0 * x0 + b1 * x1 + …``, with numbers bi and vectors xi of one length.

    Parameters
    ----------
    graph : FunctionGraph
        Changed in place.

    Examples
    --------
    >>> b, x = pt.scalars(10), pt.vectors(10)
    >>> graph = FunctionGraph([*b, *x], [pt.add(*(m * n for m, n in zip(b, x, strict=True)))])
    >>> products_together(graph)
    >>> sum(isinstance(node.op, Elemwise) for node in graph.apply_nodes)
    0
    """
    for node in graph.toposort():
        output = node.outputs[0]
        if not _is(output, Add) or output.type.ndim != 1 or output.type.dtype[:5] != "float":
            continue
        found = [(i, _number_and_vector(i)) for i in node.inputs]
        products = [parts for _, parts in found if parts is not None]
        if len(products) < _FEW:
            continue
        numbers, vectors = zip(*products, strict=True)
        number, columns = _in_type(numbers, output), _in_type(vectors, output)
        product = pt.dot(columns.T, number.reshape((len(numbers),)))
        rest = [i for i, parts in found if parts is None]
        graph.replace(output, pt.add(product, *rest) if rest else product, reason="together")


def _in_type(parts: Sequence[Variable], like: Variable) -> Variable:
    """Return tensors as one of another's type; cast as one, if they are of one type."""
    if len({part.type.dtype for part in parts}) > 1:
        parts = [part.astype(like.type.dtype) for part in parts]
    return _stacked(parts, _places(parts)).astype(like.type.dtype)


def _number_and_vector(term: Variable) -> tuple[Variable, Variable] | None:
    """Return the two factors of a product, if it is one of (1,) and (rows,)."""
    if not _is(term, Mul) or term.type.broadcastable != (False,):
        return None
    numbers = [i for i in term.owner.inputs if i.type.broadcastable == (True,)]
    vectors = [i for i in term.owner.inputs if i.type.broadcastable == (False,)]
    if not numbers or not vectors:
        return None
    return tuple(each[0] if len(each) == 1 else pt.mul(*each) for each in (numbers, vectors))


def _is(v: Variable, kind: type) -> bool:
    """Whether it is made entry by entry by such an operation; sums over axes have one, too."""
    op = None if v.owner is None else v.owner.op
    return isinstance(op, Elemwise) and isinstance(op.scalar_op, kind)


def _places(parts: Sequence[Variable]) -> dict[Variable, tuple[Variable, int]]:
    """Return for tensors that come out of stacks which they were, and where."""
    return {
        v: (v.owner.inputs[0], v.index)
        for v in parts
        if v.owner is not None and isinstance(v.owner.op, Unstack)
    }


def _on_stacks(op: Op) -> Callable[..., Variable] | None:
    """Return what an operation is on stacks, if it is known."""
    if isinstance(op, Elemwise):
        return op if op.scalar_op.nout == 1 else None
    if isinstance(op, DimShuffle):
        order = [0, *("x" if axis == "x" else axis + 1 for axis in op.new_order)]
        return lambda x: x.dimshuffle(order)
    if isinstance(op, CAReduce):
        return lambda x: op.clone(axis=tuple(a + 1 for a in _axes(op, x)))(x)
    return None


def _axes(op: CAReduce, stacked: Variable) -> Sequence[int]:
    return range(stacked.type.ndim - 1) if op.axis is None else op.axis


def _place(
    node: Apply, kept: dict[Variable, tuple[Variable, int]], order: dict[Variable, int]
) -> tuple[int, ...]:
    """Return the stack that a node's inputs come from, and where, to be sorted by."""
    return next(((order[kept[i][0]], kept[i][1]) for i in node.inputs if i in kept), ())


def _is_small(node: Apply) -> bool:
    shapes = [v.type.shape for v in (*node.inputs, *node.outputs)]
    return all(None not in s and np.prod(s, dtype=int) <= _LARGEST for s in shapes)


def _is_cast(node: Apply) -> bool:
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Cast)


def _are_one(parts: Sequence[Variable]) -> bool:
    """Tell whether all are one tensor, or equal constants: rewrites see 0 in 0, not in zeros."""
    first = parts[0]
    return len(set(parts)) == 1 or (
        isinstance(first, Constant)
        and all(isinstance(part, Constant) and first.equals(part) for part in parts)
    )


def _stacked(parts: Sequence[Variable], kept: dict[Variable, tuple[Variable, int]]) -> Variable:
    """Return tensors as one, (parts, …)."""
    if all(isinstance(part, Constant) for part in parts):
        return pt.constant(np.stack([part.data for part in parts]))
    runs = [
        (stack, list(run))
        for stack, run in groupby(parts, key=lambda i: kept[i][0] if i in kept else None)
    ]
    if len(runs) > 1:
        whole = [_stacked(run, kept) for _, run in runs]
        return pt.join(0, *whole) if len(runs) <= len(parts) // 2 else Stack()(*parts)
    [(stack, _)] = runs
    if stack is None:
        return Stack()(*parts)
    index = np.array([kept[part][1] for part in parts])
    steps = set(np.diff(index).tolist()) or {1}
    if len(steps) > 1 or 0 in steps:
        return stack[index]
    first, step, n = int(index[0]), steps.pop(), len(index)
    if n == stack.type.shape[0] and step == 1:
        return stack
    end = first + step * n
    return stack[first : None if end < 0 else end : step]

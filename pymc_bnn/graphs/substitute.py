"""Copies of graphs with other inputs, whose static shapes follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

import pytensor
import pytensor.tensor as pt
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import MergeOptimizer
from pytensor.graph.traversal import graph_inputs, toposort
from pytensor.tensor.basic import MakeVector
from pytensor.tensor.einsum import Einsum

__all__ = ["merge", "rebuild", "substitute", "with_inputs"]


def substitute(outputs: Sequence[Variable], replace: dict[Variable, Variable]) -> list[Variable]:
    """Return copies of `outputs` in which variables are replaced, without touching the originals.

    Unlike PyTensor's ``clone_replace`` a replacement may have a *less* specific static shape than
    what it replaces (a batch of unknown length for a constant of 60,000 rows): every node behind
    it is built anew, so that static shapes follow.

    Parameters
    ----------
    outputs : sequence of Variable
        Outputs of one graph.
    replace : dict from Variable to Variable
        What to put in place of what; the replacements are not searched.

    Returns
    -------
    list of Variable
        One for each of `outputs`; parts that do not depend on a replaced variable are shared.

    Examples
    --------
    >>> x = pt.constant([1.0, 2.0], name="x")
    >>> rows = pt.vector("rows")
    >>> [y] = substitute([x * 2], {x: rows})
    >>> y.type.shape
    (None,)
    """
    new: dict[Variable, Variable] = dict(replace)
    for node in toposort(outputs, blockers=list(replace)):
        if not any(i in new for i in node.inputs):
            continue
        inputs = [new.get(i, i) for i in node.inputs]
        for old, fresh in zip(node.outputs, rebuild(node, inputs).outputs, strict=True):
            if old not in replace:
                fresh.name = fresh.name or old.name
                new[old] = fresh
    return [new.get(output, output) for output in outputs]


def merge(graph: Variable) -> Variable:
    """Return a copy of a graph, of the same roots, in which equal nodes are one node.

    PyMC writes a hidden layer anew for each likelihood and potential that reads it; one rewrite has
    to serve them all.

    Examples
    --------
    >>> x = pt.vector("x")
    >>> total = merge(pt.exp(x) + pt.exp(x))
    >>> total.owner.inputs[0] is total.owner.inputs[1]
    True
    """
    roots = [v for v in graph_inputs([graph]) if not isinstance(v, Constant)]
    copy = FunctionGraph(roots, [graph], clone=True, copy_inputs=False)
    MergeOptimizer().rewrite(copy)
    return copy.outputs[0]


def rebuild(node: Apply, inputs: list[Variable]) -> Apply:
    """Apply the node's op to other inputs, whose static shapes may differ."""
    same = all(a.type == b.type for a, b in zip(node.inputs, inputs, strict=True))
    if same and hasattr(node, "clone_with_new_inputs"):  # not a node of an op's inner graph
        return node.clone_with_new_inputs(inputs, strict=False)
    if hasattr(node.op, "build_inner_graph"):  # a SymbolicOp builds its inner graph from its inputs
        outputs = node.op(*inputs)
        return (outputs[0] if isinstance(outputs, list | tuple) else outputs).owner
    if isinstance(node.op, Einsum):
        return pt.einsum(node.op.subscripts, *inputs).owner
    if isinstance(node.op, MakeVector):
        return MakeVector(pytensor.scalar.upcast(*(i.type.dtype for i in inputs)))(*inputs).owner
    if isinstance(node.op, OpFromGraph):  # among them PyMC's distributions made of others
        return with_inputs(node.op, [i.type() for i in inputs]).make_node(*inputs)
    return node.op.make_node(*inputs)


def with_inputs(
    op: OpFromGraph,
    fresh: list[Variable],
    change: Callable[[list[Variable]], list[Variable]] = list,
    inside: Sequence[Variable] | None = None,
) -> OpFromGraph:
    """Return an op whose inner graph is that of `op` on inputs of other types.

    Parameters
    ----------
    op : OpFromGraph
        The op; what its class adds (PyMC's say what a distribution is made of) stays.
    fresh : list of Variable
        Inputs of the new inner graph.
    change : callable, optional
        Maps the outputs of the inner graph to other ones.
    inside : sequence of Variable, optional
        What the inner graph gets in the place of its inputs: `fresh` by default.

    Returns
    -------
    OpFromGraph
        Of the class of `op`.

    Examples
    --------
    >>> x, y = pt.fvector("x"), pt.dvector("y")
    >>> with_inputs(OpFromGraph([x], [x + 1]), [y])(y).type.dtype
    'float64'
    """
    graph = op.fgraph.unfreeze()
    inner = dict(zip(graph.inputs, fresh if inside is None else inside, strict=True))
    new = copy(op)
    outputs = change(substitute(graph.outputs, inner))
    OpFromGraph.__init__(new, fresh, outputs, inline=op.is_inline, name=op.name)
    return new

"""Squares of exponentials: a variance of a log-scale, without the scale itself."""

from __future__ import annotations

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph, Output
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.scalar import Exp, Sqr
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import exp

__all__ = ["square_of_exponential"]


@node_rewriter([Elemwise])
def square_of_exponential(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Write exp(x)² as exp(2x) where nothing else asks for exp(x): one array less.

    XLA keeps both, as products need the one and derivatives the other. Where draws use the scale
    itself its square costs less than a second exponential.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pytensor.graph.rewriting.basic import in2out
    >>> x = pt.vector("x")
    >>> graph = FunctionGraph([x], [pt.sqr(pt.exp(x)).sum()], clone=False)
    >>> in2out(square_of_exponential).rewrite(graph) and None
    >>> [str(node.op) for node in graph.toposort()]
    ['Mul', 'Exp', 'Sum{axes=None}']
    """
    if not _is(node, Sqr):
        return None
    [scale] = node.inputs
    if scale.owner is None or not _is(scale.owner, Exp):
        return None
    clients = [client for client, _ in fgraph.clients[scale]]
    if any(isinstance(client.op, Output) or not _is(client, Sqr) for client in clients):
        return None
    [log_scale] = scale.owner.inputs
    variance = exp(2 * log_scale)
    return [variance] if variance.type == node.out.type else None


def _is(node: Apply, kind: type) -> bool:
    """Tell whether a node applies a scalar operation of a kind to each element."""
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, kind)
